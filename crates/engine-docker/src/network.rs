//! The environment's own network on an engine.
//!
//! An address that Kiln chooses needs a subnet that Docker was told, and Docker knows best which one
//! is free. So a network is made without one, to see what Docker takes, and then made again with just
//! that. A crash in between leaves one without our mark on its subnet: it is made again.

use crate::addresses::Subnet;
use crate::connection::{SOON, WORK};
use crate::inner::{Inner, unless_absent};
use crate::labels::SUBNET;
use crate::settings::Mode;
use crate::swarm;
use crate::trouble::Trouble;
use bollard::models::{Ipam, IpamConfig, Network, NetworkCreateRequest};
use bollard::query_parameters::ListNetworksOptionsBuilder;

/// Makes sure that the network is there; for instances with addresses of their own also its subnet.
pub(crate) async fn ensure(inner: &Inner) -> Result<(), Trouble> {
    let _one_at_a_time = inner.networking.lock().await;
    match inner.settings.engine.mode {
        Mode::Swarm => swarm::network::ensure(inner).await,
        Mode::Single => of_engine(inner).await,
    }
}

/// Removes the network, if it is there.
pub(crate) async fn leave(inner: &Inner) -> Result<(), Trouble> {
    let _one_at_a_time = inner.networking.lock().await;
    match inner.settings.engine.mode {
        Mode::Swarm => swarm::network::leave(inner).await,
        Mode::Single => match find(inner).await? {
            Some(_) => remove(inner, inner.owner.network()).await,
            None => Ok(()),
        },
    }
}

async fn of_engine(inner: &Inner) -> Result<(), Trouble> {
    let found = find(inner).await?;
    let marked = found.as_ref().and_then(|network| network.labels.as_ref()?.get(SUBNET));
    if let Some(subnet) = marked.and_then(|text| Subnet::parse(text)) {
        inner.addresses.set_subnet(subnet);
        return Ok(());
    }
    let name = || inner.owner.network();
    if found.is_some() {
        remove(inner, name()).await?;
    }
    create(inner, request(inner, name(), None)).await?;
    let subnet = find(inner).await?.as_ref().and_then(subnet);
    remove(inner, name()).await?;
    let unknown = "the engine made a network and did not say which addresses it has";
    let subnet = subnet.ok_or_else(|| Trouble::Unable(unknown.to_owned()))?;
    create(inner, request(inner, name(), Some(subnet))).await?;
    inner.addresses.set_subnet(subnet);
    Ok(())
}

/// The environment's network; an error if somebody else's has its name.
async fn find(inner: &Inner) -> Result<Option<Network>, Trouble> {
    let name = inner.owner.network();
    let filters = [("name", vec![name.clone()])].into();
    let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
    let all = inner
        .connection
        .ask(SOON, |docker| async move { docker.list_networks(Some(options)).await });
    // The filter takes a part of a name for the name.
    let mut all = all.await?.into_iter();
    let Some(found) = all.find(|network| network.name.as_deref() == Some(&name)) else {
        return Ok(None);
    };
    if found.labels.as_ref().is_some_and(|labels| inner.owner.owns(labels)) {
        return Ok(Some(found));
    }
    Err(of_somebody_else(&name))
}

pub(crate) fn of_somebody_else(name: &str) -> Trouble {
    let words = format!("there is a network {name} already, and it is not this Kiln's: remove it");
    Trouble::Refused(words)
}

fn subnet(network: &Network) -> Option<Subnet> {
    let configs = network.ipam.as_ref()?.config.as_ref()?;
    configs.iter().find_map(|config| Subnet::parse(config.subnet.as_ref()?))
}

pub(crate) fn request(inner: &Inner, name: String, subnet: Option<Subnet>) -> NetworkCreateRequest {
    let mut labels = inner.owner.labels();
    let ipam = subnet.map(|subnet| {
        labels.insert(SUBNET.to_owned(), subnet.to_string());
        let config = IpamConfig { subnet: Some(subnet.to_string()), ..IpamConfig::default() };
        Ipam { config: Some(vec![config]), ..Ipam::default() }
    });
    NetworkCreateRequest {
        name,
        driver: Some("bridge".to_owned()),
        labels: Some(labels),
        ipam,
        ..NetworkCreateRequest::default()
    }
}

pub(crate) async fn create(inner: &Inner, request: NetworkCreateRequest) -> Result<(), Trouble> {
    let create = |docker: bollard::Docker| async move { docker.create_network(request).await };
    match inner.connection.ask(WORK, create).await {
        // Another server of this Kiln's was quicker.
        Ok(_) | Err(Trouble::Conflict(_)) => Ok(()),
        Err(trouble) => Err(trouble),
    }
}

pub(crate) async fn remove(inner: &Inner, name: String) -> Result<(), Trouble> {
    let remove = |docker: bollard::Docker| async move { docker.remove_network(&name).await };
    unless_absent(inner.connection.ask(WORK, remove).await)
}
