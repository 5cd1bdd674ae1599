//! Where a step runs: a writable layer over the layers so far, and containers that write into it.

use crate::bakery::blocking;
use crate::guard::Guard;
use crate::oven::Oven;
use crate::packages::{OFFERED, PackageFile};
use crate::scrub::scrub;
use crate::tail::Tail;
use crate::{BakeError, BakeEvent, StepFailure, disk_time};
use kiln_container::step::{self, StepError};
use kiln_container::{Cgroups, ExitRecord, NetworkMode, WritableLayer};
use kiln_image::{Clamp, Layer, PUBLISHED_TIME, Staging, Store};
use kiln_names::{Digest, InstallId, InstanceId};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{fs, io};
use tokio::sync::mpsc::Sender;

/// How long one command may take. The longest that people wait for a bake is far below.
const DEADLINE: Duration = Duration::from_secs(60 * 60);
/// How long an abandoned container may take to die before its directory is left to the next start.
const DIES_WITHIN: Duration = Duration::from_secs(30);

/// A layer in the making. Dropped, it and everything that runs in it is gone.
#[derive(Debug)]
pub(crate) struct Workspace {
    oven: Arc<Oven>,
    images: Store,
    /// Taken when it is committed.
    staging: Option<Staging>,
    guard: Guard,
    /// Unpacked layers, the base first, the guard last.
    lower: Vec<PathBuf>,
    work: PathBuf,
    /// Files of this time or later are the step's own.
    start: SystemTime,
    /// The container that may still write.
    running: Option<InstanceId>,
    /// How many containers there were.
    count: usize,
}

impl Workspace {
    /// A workspace over `layers`, the lowest first.
    pub(crate) async fn open(
        oven: &Arc<Oven>,
        images: &Store,
        layers: &[Digest],
    ) -> Result<Self, BakeError> {
        let (oven, images, layers) = (oven.clone(), images.clone(), layers.to_vec());
        blocking(move || {
            let staging = images.staging()?;
            let guard = Guard::build(staging.scratch("guard")?, &images.stack(&layers)?)?;
            let mut lower = images.layer_dirs(layers.iter())?;
            lower.reverse();
            lower.push(guard.root().to_owned());
            let work = staging.scratch("work")?;
            let start = disk_time::now(&staging)?;
            let staging = Some(staging);
            Ok(Self { oven, images, staging, guard, lower, work, start, running: None, count: 0 })
        })
        .await
    }

    /// Shows files to the commands, as `/kiln-install/NAME`. They never become part of the layer.
    pub(crate) async fn offer(&mut self, files: &[PackageFile]) -> Result<(), BakeError> {
        let staging = self.staging.as_ref().expect("it is there until it is committed");
        let (top, images, files) =
            (staging.scratch("offered")?, self.images.clone(), files.to_vec());
        self.lower.push(top.clone());
        blocking(move || {
            let dir = top.join(OFFERED);
            make_readable_dir(&dir).map_err(BakeError::io("offer package files"))?;
            for file in files {
                let to = fs::File::create_new(dir.join(&file.name));
                images
                    .copy_blob(&file.digest, to.map_err(BakeError::io("offer a package file"))?)?;
            }
            Ok(())
        })
        .await
    }

    /// Runs one command to its end; returns what it said.
    pub(crate) async fn run(
        &mut self,
        step: &str,
        command: Vec<String>,
        events: &Sender<BakeEvent>,
    ) -> Result<String, BakeError> {
        let spec = self.spec(command)?;
        let mut tail = Tail::new(events.clone());
        self.running = Some(spec.id);
        let ended = tokio::select! {
            ended = step::run(&spec, |_, bytes| tail.push(bytes)) => Some(ended),
            () = events.closed() => return Err(BakeError::Abandoned),
            () = tokio::time::sleep(DEADLINE) => None,
        };
        let (lines, whole) = tail.finish();
        let (how, source) = match ended {
            Some(Ok(ExitRecord { code: Some(0), .. })) => {
                self.running = None;
                return Ok(whole);
            }
            Some(Ok(record)) => (how(&record), None),
            Some(Err(error)) => ("it could not be run".to_owned(), Some(error)),
            None => (format!("it took longer than {} minutes", DEADLINE.as_secs() / 60), None),
        };
        Err(failure(step, how, lines, source))
    }

    /// Turns what the commands wrote into a layer.
    pub(crate) async fn commit(mut self) -> Result<Layer, BakeError> {
        let staging = self.staging.take().expect("it is taken here alone, and `self` is consumed");
        blocking(move || {
            let root = staging.root();
            withdraw(&root)?;
            let scrubbed = self.guard.clean(&root).and_then(|()| scrub(&root));
            scrubbed.map_err(BakeError::io("scrub what the step left"))?;
            Ok(self.images.commit_layer(staging, Clamp::from_start(self.start))?)
        })
        .await
    }

    fn spec(&mut self, command: Vec<String>) -> Result<step::StepSpec, BakeError> {
        let staging = self.staging.as_ref().expect("it is there until it is committed");
        self.count += 1;
        let dir = staging.scratch(&format!("step{}", self.count))?;
        let layer = WritableLayer { upper: staging.root(), work: self.work.clone() };
        let settings = &self.oven.settings;
        let network = match self.oven.attachment() {
            Some(attachment) => NetworkMode::Isolated(attachment),
            None => NetworkMode::Loopback,
        };
        Ok(step::StepSpec {
            exe: settings.exe.clone(),
            dir,
            install: settings.install,
            id: (settings.ids)(),
            lower: self.lower.clone(),
            layer,
            command,
            env: environment(),
            network,
            limits: settings.limits,
        })
    }
}

impl Drop for Workspace {
    /// The directory of an abandoned container goes once the container is gone, which a moment ago
    /// it was told to be.
    fn drop(&mut self) {
        let Some(staging) = self.staging.take() else { return };
        let (install, running) = (self.oven.settings.install, self.running.take());
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            if let Some(id) = running {
                gone(install, id).await;
            }
            drop(tokio::task::spawn_blocking(move || drop(staging)).await);
        });
    }
}

/// A directory that any user may look into, whatever the mask of this process.
fn make_readable_dir(dir: &Path) -> io::Result<()> {
    fs::create_dir(dir)?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755))
}

/// Takes out of `upper` what a command did to the files that it was offered.
fn withdraw(upper: &Path) -> Result<(), kiln_image::Error> {
    kiln_image::remove_tree(&upper.join(OFFERED))
}

async fn gone(install: InstallId, id: InstanceId) {
    let Ok(cgroups) = Cgroups::detect(install) else { return };
    let wait = async {
        while cgroups.list().contains(&id) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(DIES_WITHIN, wait).await.is_err() {
        tracing::warn!(%id, "an abandoned step has not ended");
    }
}

/// What every command of a bake finds set. `SOURCE_DATE_EPOCH` makes the tools that know it write the
/// same time every day.
fn environment() -> BTreeMap<String, String> {
    let epoch = PUBLISHED_TIME.to_string();
    [
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("HOME", "/root"),
        ("LC_ALL", "C.UTF-8"),
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("SOURCE_DATE_EPOCH", &epoch),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn how(record: &ExitRecord) -> String {
    match record.code {
        Some(code) if !record.oom_killed => format!("it ended with status {code}"),
        _ => record.cause.clone(),
    }
}

fn failure(step: &str, how: String, lines: Vec<String>, source: Option<StepError>) -> BakeError {
    Box::new(StepFailure { step: step.to_owned(), how, lines, source }).into()
}
