//! The runtime: which half does what.

use crate::addresses::Way;
use crate::connection::SOON;
use crate::inner::Inner;
use crate::logs::Reading;
use crate::placement::Placement;
use crate::settings::{Mode, Settings};
use crate::trouble::Trouble;
use crate::{images, logs, network, single, swarm, usage};
use futures_util::future::try_join_all;
use kiln_engine::{Capabilities, Drift, EngineError, Exit, GroupSpec, Resources};
use kiln_keeper::{Birth, Log, Look, Looked, NotLaunched, Runtime, Sample, Size, Wish};
use kiln_names::{ByteSize, Digest, InstanceId};
use kiln_protocol::configuration::{InsideCheck, Network};
use kiln_store::Write;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// More would wait for the engine's own locks.
const LAUNCHES_AT_ONCE: usize = 8;
/// How long cleaning waits for an engine that is away before it goes on by itself.
const CLEAN: Duration = Duration::from_secs(10);
/// How often something is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Instances of one environment on a Docker Engine or a Docker Swarm.
#[derive(Debug)]
pub struct DockerRuntime {
    inner: Arc<Inner>,
}

impl DockerRuntime {
    /// Begins to watch an engine. One that does not answer is waited for.
    #[must_use]
    pub fn open(settings: Settings) -> Arc<Self> {
        let mode = settings.engine.mode;
        let inner = Arc::new(Inner::new(settings));
        let watched = Arc::downgrade(&inner);
        match mode {
            Mode::Single => inner.spawn(single::watch::watch(watched)),
            Mode::Swarm => inner.spawn(swarm::watch::watch(watched)),
        }
        Arc::new(Self { inner })
    }

    /// The architecture that images need here, as OCI calls it.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn architecture(&self) -> Result<String, EngineError> {
        let version =
            self.inner.connection.ask(SOON, |docker| async move { docker.version().await });
        let arch = version.await?.arch.unwrap_or_default();
        Ok(crate::check::oci_architecture(&arch).to_owned())
    }

    fn mode(&self) -> Mode {
        self.inner.settings.engine.mode
    }

    /// Where published ports of a single engine are reached.
    async fn find_node(&self) -> Result<(), EngineError> {
        let engine = &self.inner.settings.engine;
        let known = match (self.mode(), engine.address) {
            (Mode::Swarm, _) => Some(Ipv4Addr::UNSPECIFIED.into()),
            (Mode::Single, Some(address)) => Some(address),
            (Mode::Single, None) => engine.host.ip(),
        };
        if let Some(node) = known {
            self.inner.addresses.set_node(node);
            return Ok(());
        }
        let crate::settings::Host::Tcp { name, port } = &engine.host else { return Ok(()) };
        let found = tokio::time::timeout(SOON, tokio::net::lookup_host((name.as_str(), *port)));
        let found = found.await.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        let failed = |error: std::io::Error| EngineError::retry(format!("{name}: {error}"));
        let first = found.map_err(failed)?.next();
        let none = || EngineError::retry(format!("{name} has no address"));
        self.inner.addresses.set_node(first.ok_or_else(none)?.ip());
        Ok(())
    }

    /// An address on the environment's bridge, or a port.
    fn way_of(&self, address: SocketAddr) -> Way {
        let on_bridge = !address.ip().is_loopback();
        self.inner.way(if on_bridge { Network::Isolated } else { Network::Host })
    }
}

async fn clean_once(inner: &Arc<Inner>, id: InstanceId) -> Result<(), Trouble> {
    match inner.settings.engine.mode {
        Mode::Single => single::clean(inner, id).await,
        Mode::Swarm => swarm::clean(inner, id).await,
    }
}

async fn clean_until_done(inner: Arc<Inner>, id: InstanceId) {
    while let Err(trouble) = clean_once(&inner, id).await {
        tracing::warn!(instance = %id, error = trouble.words(), "failed to clean up an instance");
        tokio::time::sleep(RETRY).await;
    }
    inner.gone(id);
}

#[async_trait::async_trait]
impl Runtime for DockerRuntime {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            atomic_switch: true,
            weights: true,
            host_network: true,
            volumes: false,
            secrets: self.mode() == Mode::Swarm || self.inner.settings.engine.host.is_here(),
        }
    }

    fn accept(&self, settings: &Map<String, Value>) -> Result<(), String> {
        Placement::parse(settings)?;
        match (self.mode(), settings.keys().next()) {
            (Mode::Single, Some(key)) => {
                Err(format!("engine.{key}: only a Swarm has nodes to choose from"))
            }
            _ => Ok(()),
        }
    }

    fn reached_from_elsewhere(&self) -> bool {
        // Both publish ports; an engine of this machine has its instances on bridges of it.
        self.mode() == Mode::Swarm || !self.inner.settings.engine.host.is_here()
    }

    fn launches_at_once(&self) -> usize {
        LAUNCHES_AT_ONCE
    }

    async fn size(&self) -> Result<Size, EngineError> {
        if self.mode() == Mode::Swarm {
            return Ok(swarm::nodes::size(&self.inner).await?);
        }
        let info = self.inner.connection.ask(SOON, |docker| async move { docker.info().await });
        let info = info.await?;
        let number = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
        let (cpus, memory) = (number(info.ncpu), ByteSize(number(info.mem_total)));
        let total = Resources { cpu_millis: cpus.saturating_mul(1000), memory };
        Ok(Size { total, memory_used: None })
    }

    async fn ensure_image(&self, image: &Digest) -> Result<String, EngineError> {
        match self.mode() {
            Mode::Single => images::ensure(&self.inner, *image).await,
            Mode::Swarm => swarm::image::ensure(&self.inner, *image).await,
        }
    }

    async fn prepare(&self, spec: &GroupSpec) -> Result<(), EngineError> {
        self.find_node().await?;
        match spec.params.network {
            Network::Isolated => Ok(network::ensure(&self.inner).await?),
            Network::Host => Ok(()),
        }
    }

    async fn reserve(&self, _: &mut Write, spec: &GroupSpec) -> Result<SocketAddr, EngineError> {
        let way = self.inner.way(spec.params.network);
        self.inner.addresses.reserve(way, spec.run.port)
    }

    fn retake(&self, address: SocketAddr) {
        self.inner.addresses.retake(self.way_of(address), address);
    }

    fn release(&self, address: SocketAddr) {
        self.inner.addresses.release(self.way_of(address), address);
    }

    async fn launch(&self, birth: &Birth, wish: Wish<'_>) -> Result<SocketAddr, NotLaunched> {
        let _launching = self.inner.launching(birth.id);
        match self.mode() {
            Mode::Single => single::launch::launch(&self.inner, birth, wish).await,
            Mode::Swarm => swarm::launch::launch(&self.inner, birth, wish).await,
        }
    }

    async fn find(&self, birth: &Birth) -> Option<SocketAddr> {
        self.inner.adopt(birth.id);
        loop {
            let found = match self.mode() {
                Mode::Single => {
                    let runs = single::runs(&self.inner, birth.id).await;
                    runs.map(|runs| runs.then_some(birth.address))
                }
                Mode::Swarm => swarm::find(&self.inner, birth).await,
            };
            match found {
                Ok(found) => return found,
                // What ran is presumed to run, where that is known.
                Err(_) if !birth.address.ip().is_unspecified() => return Some(birth.address),
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        }
    }

    async fn wait(&self, id: InstanceId) {
        self.inner.sight.ended(id).await;
    }

    async fn stop(&self, birth: &Birth) {
        self.inner.stopping(birth.id);
        let (inner, birth) = (self.inner.clone(), birth.clone());
        match self.mode() {
            Mode::Single => self.inner.spawn(single::stop(inner, birth)),
            Mode::Swarm => self.inner.spawn(swarm::stop(inner, birth.id)),
        }
    }

    async fn look_inside(&self, birth: &Birth, check: &InsideCheck) -> Looked {
        match self.mode() {
            Mode::Single => {
                let command = kiln_keeper::command(check);
                single::look::look(&self.inner, birth.id, command, check.timeout.get()).await
            }
            // A task runs once its check has passed, and ends when it fails.
            Mode::Swarm => Looked::Passed("checked by the Swarm".to_owned()),
        }
    }

    async fn exit(&self, id: InstanceId, limit: Option<ByteSize>) -> Result<Exit, String> {
        match self.mode() {
            Mode::Single => single::exit(&self.inner, id, limit).await,
            Mode::Swarm => swarm::exit(&self.inner, id, limit).await,
        }
    }

    async fn clean(&self, id: InstanceId) {
        // Spawned, so that it goes on whether it is waited for or not.
        let (done, cleaned) = tokio::sync::oneshot::channel::<()>();
        let inner = self.inner.clone();
        self.inner.spawn(async move {
            clean_until_done(inner, id).await;
            drop(done);
        });
        if tokio::time::timeout(CLEAN, cleaned).await.is_err() {
            tracing::warn!(instance = %id, "goes on cleaning up in the background");
        }
    }

    async fn sweep(&self, known: &HashSet<InstanceId>) {
        self.inner.sweep_later(known.clone());
        self.inner.look.notify_one();
    }

    async fn leave(&self) -> Result<(), EngineError> {
        let inner = &self.inner;
        let ids: Vec<InstanceId> = match self.mode() {
            Mode::Single => {
                let listed = single::list(inner).await?;
                listed.iter().filter_map(|one| inner.owner.instance(one.labels.as_ref())).collect()
            }
            Mode::Swarm => swarm::instances(inner, &swarm::services(inner).await?).collect(),
        };
        let ends = ids.iter().map(|id| async move {
            match self.mode() {
                Mode::Single => single::end(inner, *id).await?,
                // Its tasks get their signal and their time.
                Mode::Swarm => swarm::clean(inner, *id).await?,
            }
            inner.gone(*id);
            Ok::<_, Trouble>(())
        });
        try_join_all(ends).await?;
        single::secrets::forget_all(inner);
        Ok(network::leave(inner).await?)
    }

    async fn usage(&self, ids: Vec<InstanceId>) -> Vec<Sample> {
        usage::of(&self.inner, ids).await
    }

    async fn last_lines(
        &self,
        id: InstanceId,
        count: usize,
    ) -> Option<(Vec<String>, Box<dyn Log>)> {
        logs::last(&self.inner, id, count).await
    }

    fn log(&self, id: InstanceId) -> Box<dyn Log> {
        Box::new(Reading::new(self.inner.clone(), id))
    }

    async fn drift(&self, look: &Look) -> Result<Vec<Drift>, EngineError> {
        match self.mode() {
            Mode::Single => single::drift::drift(&self.inner, look).await,
            Mode::Swarm => swarm::drift::drift(&self.inner, look).await,
        }
    }

    async fn deep_drift(&self, _: &BTreeSet<Digest>) -> Result<Vec<Drift>, EngineError> {
        // Docker keeps the files, and gives no way to look at them.
        Ok(Vec::new())
    }
}
