//! The [`Runtime`] trait, for this machine.

use crate::addresses::Segment;
use crate::inner::{Inner, LAUNCHES_AT_ONCE};
use crate::labels::Labels;
use crate::log::LocalLog;
use crate::{LocalRuntime, drift, exits, frozen, sweep};
use kiln_container::{Adopted, EnterError, Entered, ProcessIdent};
use kiln_engine::{Capabilities, Drift, EngineError, Exit, GroupSpec, KeptVolume};
use kiln_keeper::{Birth, Log, Look, Looked, NotLaunched, Runtime, Sample, Size, Wish, chain};
use kiln_names::{ByteSize, Digest, EnvName, InstanceId, SecretValue, Span};
use kiln_protocol::configuration::{InsideCheck, Network};
use kiln_store::{StoreError, Write, local, releases};
use std::collections::{BTreeSet, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long to wait when a shim cannot be seen.
const RETRY: Duration = Duration::from_secs(1);

#[async_trait::async_trait]
impl Runtime for LocalRuntime {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            atomic_switch: true,
            weights: true,
            host_network: true,
            secrets: true,
            volumes: true,
        }
    }

    fn launches_at_once(&self) -> usize {
        LAUNCHES_AT_ONCE
    }

    async fn size(&self) -> Result<Size, EngineError> {
        let machine = &self.inner.machine;
        Ok(Size { total: machine.size(), memory_used: machine.memory_used() })
    }

    async fn ensure_image(&self, image: &Digest) -> Result<String, EngineError> {
        let (images, digest) = (self.inner.images.clone(), *image);
        let unpacked = blocking(move || images.lower_dirs(&digest)).await?;
        unpacked.map_err(|error| EngineError::permanent(chain(&error)))?;
        Ok(image.to_string())
    }

    async fn prepare(&self, _spec: &GroupSpec) -> Result<(), EngineError> {
        Ok(())
    }

    async fn admit(&self, db: &mut Write, spec: &GroupSpec) -> Result<(), EngineError> {
        if spec.params.network == Network::Isolated {
            let place = local::network_place(db, &spec.env).await.map_err(|e| store(&e))?;
            let room = self.inner.machine.addresses.bridge_at(place);
            room.map_err(|error| EngineError::permanent(error.to_string()))?;
        }
        Ok(())
    }

    async fn reserve(&self, db: &mut Write, spec: &GroupSpec) -> Result<SocketAddr, EngineError> {
        let place = local::network_place(db, &spec.env).await.map_err(|e| store(&e))?;
        let (segment, addresses) = (Segment::from(&spec.env), &self.inner.machine.addresses);
        let taken = addresses.take(&segment, place, spec.params.network, spec.run.port);
        taken.map_err(|error| EngineError::retry(chain(&error)))
    }

    fn retake(&self, address: SocketAddr) {
        self.inner.machine.addresses.retake(address);
    }

    fn release(&self, address: SocketAddr) {
        self.inner.machine.addresses.release(address);
    }

    async fn launch(&self, birth: &Birth, _wish: Wish<'_>) -> Result<SocketAddr, NotLaunched> {
        let shim = launch(&self.inner, birth).await.map_err(NotLaunched::failed)?;
        self.inner.shims().insert(birth.id, shim);
        Ok(birth.address)
    }

    async fn find(&self, birth: &Birth) -> Option<SocketAddr> {
        let (inner, id) = (self.inner.clone(), birth.id);
        let shim = blocking(move || find(&inner, id)).await.ok()??;
        self.inner.shims().insert(birth.id, shim);
        Some(birth.address)
    }

    async fn wait(&self, id: InstanceId) {
        let Some(shim) = self.inner.shim(id) else { return };
        // Not seeing it is no reason to take it for dead: what it serves would be killed.
        while let Err(error) = kiln_container::wait(&shim, &self.inner.machine.boot).await {
            tracing::error!(instance = %id, %error, "lost sight of a shim");
            tokio::time::sleep(RETRY).await;
        }
        self.inner.shims().remove(&id);
    }

    async fn stop(&self, birth: &Birth) {
        // The shim kills what is left after the stop timeout.
        let Some(shim) = self.inner.shim(birth.id) else { return };
        if let Err(error) = kiln_container::signal_stop(&shim, &self.inner.machine.boot) {
            tracing::warn!(instance = %birth.id, %error, "failed to ask a shim to stop");
        }
    }

    async fn look_inside(&self, birth: &Birth, check: &InsideCheck) -> Looked {
        let machine = &self.inner.machine;
        let (dir, command) = (machine.instance_dir(birth.id), kiln_keeper::command(check));
        let limit = check.timeout.get();
        match kiln_container::enter(&machine.program, &dir, &command, limit).await {
            Ok(entered) => looked(&entered, check.timeout),
            Err(EnterError::Refused(why)) => Looked::Failed(why),
            Err(error) => Looked::Unknown(chain(&error)),
        }
    }

    async fn exit(&self, id: InstanceId, limit: Option<ByteSize>) -> Result<Exit, String> {
        let inner = self.inner.clone();
        let record = blocking(move || inner.machine.exit_record(id)).await;
        let record = record.map_err(|error| error.message)??;
        Ok(exits::of_record(limit, record, 0))
    }

    async fn clean(&self, id: InstanceId) {
        let inner = self.inner.clone();
        if let Ok(Err(error)) = blocking(move || inner.machine.clean(id)).await {
            tracing::error!(instance = %id, %error, "failed to clean up an instance");
        }
    }

    async fn sweep(&self, known: &HashSet<InstanceId>) {
        sweep::all(&self.inner, known).await;
    }

    async fn volumes(&self, env: &EnvName) -> Result<Vec<KeptVolume>, EngineError> {
        let (inner, env) = (self.inner.clone(), env.clone());
        let listed = blocking(move || inner.machine.volumes.list(&env)).await?;
        listed.map_err(|error| EngineError::retry(chain(&error)))
    }

    async fn remove_volume(&self, volume: &KeptVolume) -> Result<(), EngineError> {
        let (inner, volume) = (self.inner.clone(), volume.clone());
        let removed = blocking(move || inner.machine.volumes.remove(&volume)).await?;
        removed.map_err(|error| EngineError::retry(chain(&error)))
    }

    async fn usage(&self, ids: Vec<InstanceId>) -> Vec<Sample> {
        let inner = self.inner.clone();
        let sample = move |id| {
            let (usage, cpu) = inner.machine.usage(id)?;
            Some(Sample { id, usage, cpu })
        };
        let read = move || ids.into_iter().filter_map(sample).collect();
        blocking(read).await.unwrap_or_default()
    }

    async fn last_lines(
        &self,
        id: InstanceId,
        count: usize,
    ) -> Option<(Vec<String>, Box<dyn Log>)> {
        let dir = self.inner.machine.instance_dir(id);
        let (lines, log) = blocking(move || LocalLog::at_end(dir, count)).await.ok()??;
        Some((lines, Box::new(log)))
    }

    fn log(&self, id: InstanceId) -> Box<dyn Log> {
        Box::new(LocalLog::new(self.inner.machine.instance_dir(id)))
    }

    async fn drift(&self, look: &Look) -> Result<Vec<Drift>, EngineError> {
        drift::look(&self.inner, look.clone()).await
    }

    async fn deep_drift(&self, images: &BTreeSet<Digest>) -> Result<Vec<Drift>, EngineError> {
        let (inner, images) = (self.inner.clone(), images.clone());
        blocking(move || drift::deep(&inner, &images)).await
    }
}

/// Runs what waits for the kernel or the disk where nothing else waits for it.
pub(crate) async fn blocking<T: Send + 'static>(
    task: impl FnOnce() -> T + Send + 'static,
) -> Result<T, EngineError> {
    let done = tokio::task::spawn_blocking(task).await;
    done.map_err(|error| EngineError::retry(error.to_string()))
}

/// The database may be busy or the disk full for a while.
pub(crate) fn store(error: &StoreError) -> EngineError {
    EngineError::retry(chain(error))
}

fn looked(entered: &Entered, limit: Span) -> Looked {
    let said = entered.lines.last().map(|line| format!(": {line}")).unwrap_or_default();
    match (entered.late, entered.code, entered.signal) {
        (true, ..) => Looked::Failed(format!("it did not end within {limit}{said}")),
        (false, Some(0), _) => Looked::Passed(format!("exited with code 0{said}")),
        (false, Some(code), _) => Looked::Failed(format!("exited with code {code}{said}")),
        (false, None, Some(signal)) => Looked::Failed(format!("ended by signal {signal}{said}")),
        (false, None, None) => Looked::Unknown("nothing tells how it ended".to_owned()),
    }
}

async fn launch(inner: &Arc<Inner>, birth: &Birth) -> Result<ProcessIdent, String> {
    let dir = inner.machine.instance_dir(birth.id);
    let labels = labels(inner, birth).await;
    let (writer, written, to) = (inner.clone(), birth.clone(), dir.clone());
    let write = move || frozen::write(&writer, &written, &labels, &to);
    blocking(write).await.map_err(|error| error.message)??;
    let secrets = secrets(inner, &birth.spec).await?;
    let launched = kiln_container::launch_with(&inner.machine.program, &dir, &secrets).await;
    launched.map(|launched| launched.shim).map_err(|error| chain(&error))
}

/// The values that the instance starts with; read anew for each, and kept by nobody.
async fn secrets(inner: &Inner, group: &GroupSpec) -> Result<Vec<SecretValue>, String> {
    let opened = inner.secrets.open_all(&group.app, &group.env, &group.secrets).await;
    opened.map_err(|error| format!("failed to {}", chain(&error)))
}

/// A release that the database does not tell is missed only when the database itself is lost.
async fn labels(inner: &Inner, birth: &Birth) -> Labels {
    let stored = async {
        let mut db = inner.db.read().await?;
        releases::get(&mut db, birth.spec.release).await
    };
    let release = stored.await.ok().flatten();
    Labels {
        v: Labels::VERSION,
        group: (*birth.spec).clone(),
        size: birth.size,
        release,
        slot: birth.slot,
        address: birth.address,
        created_ms: inner.machine.now_ms(),
    }
}

fn find(inner: &Inner, id: InstanceId) -> Option<ProcessIdent> {
    let dir = inner.machine.instance_dir(id);
    match kiln_container::Instance::adopt(&dir, &inner.machine.boot) {
        Ok(Adopted::Running(instance)) => Some(instance.shim),
        Ok(_) => None,
        Err(error) => {
            tracing::warn!(instance = %id, %error, "failed to adopt an instance");
            None
        }
    }
}
