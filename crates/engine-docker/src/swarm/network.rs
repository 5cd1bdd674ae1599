//! The environment's network on a Swarm: a bridge on every node that runs an instance. An overlay between
//! the nodes would make a start take twice as long, and nobody needs it: instances reach others through
//! the router.
//!
//! A node whose engine began anew while tasks were starting may not get such a bridge together any more:
//! it fails every task with "network ID exists", until it is stopped for good. Under another id it does,
//! so that there may be several networks, of which the newest is in use.

use crate::connection::SOON;
use crate::inner::Inner;
use crate::network::{create, remove, request};
use crate::trouble::Trouble;
use bollard::models::{Network, NetworkCreateRequest};
use bollard::query_parameters::ListNetworksOptionsBuilder;

/// Makes sure that there is one.
pub(crate) async fn ensure(inner: &Inner) -> Result<(), Trouble> {
    let all = all(inner).await?;
    match all.last() {
        Some((number, _)) => inner.use_network(name(inner, *number)),
        None => make(inner, 0).await?,
    }
    // Those before go with their last task; until then a Swarm keeps them.
    for (number, _) in all.iter().rev().skip(1) {
        drop(remove(inner, name(inner, *number)).await);
    }
    Ok(())
}

/// Makes another in place of one that a node cannot use, unless that has happened already.
pub(crate) async fn renew(inner: &Inner, broken: &str) -> Result<(), Trouble> {
    let _one_at_a_time = inner.networking.lock().await;
    let all = all(inner).await?;
    match all.last() {
        Some((number, newest)) if newest.id.as_deref() == Some(broken) => {
            tracing::warn!(network = broken, "a node cannot use a network: makes another");
            make(inner, number + 1).await
        }
        _ => Ok(()),
    }
}

/// Removes all of them.
pub(crate) async fn leave(inner: &Inner) -> Result<(), Trouble> {
    for (number, _) in all(inner).await? {
        remove(inner, name(inner, number)).await?;
    }
    Ok(())
}

/// The id of the network, where a task failed for one that its node cannot use.
pub(crate) fn unusable(cause: &str) -> Option<&str> {
    let id = cause.split_once("network ")?.1.split_once(" exists")?.0;
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_id.then_some(id)
}

async fn make(inner: &Inner, number: u32) -> Result<(), Trouble> {
    let name = name(inner, number);
    let request = NetworkCreateRequest {
        scope: Some("swarm".to_owned()),
        ..request(inner, name.clone(), None)
    };
    create(inner, request).await?;
    inner.use_network(name);
    Ok(())
}

/// The environment's networks, the newest last.
async fn all(inner: &Inner) -> Result<Vec<(u32, Network)>, Trouble> {
    let filters = [("name", vec![inner.owner.network()])].into();
    let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
    let list = |docker: bollard::Docker| async move { docker.list_networks(Some(options)).await };
    let found = inner.connection.ask(SOON, list).await?;
    let mut all = Vec::new();
    for network in found {
        let found = network.name.clone().unwrap_or_default();
        let Some(number) = number(inner, &found) else { continue };
        if !network.labels.as_ref().is_some_and(|labels| inner.owner.owns(labels)) {
            return Err(crate::network::of_somebody_else(&found));
        }
        all.push((number, network));
    }
    all.sort_by_key(|(number, _)| *number);
    Ok(all)
}

fn name(inner: &Inner, number: u32) -> String {
    match number {
        0 => inner.owner.network(),
        number => format!("{}-{number}", inner.owner.network()),
    }
}

fn number(inner: &Inner, found: &str) -> Option<u32> {
    match found.strip_prefix(&inner.owner.network())? {
        "" => Some(0),
        more => more.strip_prefix('-')?.parse().ok().filter(|number| *number > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_a_node_cannot_use_is_known_by_its_words() {
        let cause = "on node alpha: network 4obgifz6k0nqxfol7ycyxq812 exists";
        assert_eq!(unusable(cause), Some("4obgifz6k0nqxfol7ycyxq812"));
        for other in ["network x y exists", "No such image: x", "network  exists", ""] {
            assert_eq!(unusable(other), None, "{other}");
        }
    }
}
