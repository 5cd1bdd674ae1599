//! This machine: paths, control groups, addresses, time and randomness.

use crate::addresses::Addresses;
use crate::volumes::Volumes;
use kiln_container::{Boot, Cgroups, ExitRecord, Network};
use kiln_engine::{Resources, Usage};
use kiln_names::{ByteSize, InstallId, InstanceId};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Behind the name of an instance's directory while it is being removed.
const GONE: &str = ".gone";

/// What the engine needs of its surroundings.
#[derive(Debug)]
pub struct MachineSettings {
    /// Whose instances these are.
    pub install: InstallId,
    /// The program that is run as `PROGRAM shim DIR`.
    pub program: PathBuf,
    /// Where each instance has its directory.
    pub instances: PathBuf,
    /// Where what instances keep lies.
    pub volumes: PathBuf,
    /// Where the kernel says which boot this is.
    pub boot_id: PathBuf,
    /// The install's networks.
    pub network: Network,
    /// The time, in milliseconds since 1970.
    pub now_ms: fn() -> u64,
    /// Six random bytes.
    pub random: fn() -> [u8; 6],
}

#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) install: InstallId,
    pub(crate) program: PathBuf,
    pub(crate) instances: PathBuf,
    pub(crate) volumes: Volumes,
    pub(crate) boot: Boot,
    pub(crate) cgroups: Cgroups,
    pub(crate) addresses: Addresses,
    now_ms: fn() -> u64,
    random: fn() -> [u8; 6],
}

impl Machine {
    pub(crate) fn new(settings: MachineSettings) -> io::Result<Self> {
        let cgroups = Cgroups::detect(settings.install)?;
        cgroups.create_roots()?;
        std::fs::create_dir_all(&settings.instances)?;
        Ok(Self {
            install: settings.install,
            program: settings.program,
            instances: settings.instances,
            volumes: Volumes::new(settings.volumes)?,
            boot: Boot::read(&settings.boot_id)?,
            cgroups,
            addresses: Addresses::new(settings.network),
            now_ms: settings.now_ms,
            random: settings.random,
        })
    }

    pub(crate) fn now_ms(&self) -> u64 {
        (self.now_ms)()
    }

    pub(crate) fn new_instance_id(&self) -> InstanceId {
        InstanceId::from_random((self.random)())
    }

    pub(crate) fn instance_dir(&self, id: InstanceId) -> PathBuf {
        self.instances.join(id.to_string())
    }

    /// How the instance ended; when its shim was lost, what it left is killed first.
    pub(crate) fn exit_record(&self, id: InstanceId) -> Result<ExitRecord, String> {
        let dir = self.instance_dir(id);
        let chain = |error: &dyn std::error::Error| kiln_keeper::chain(error);
        if let Some(record) = kiln_container::exit_record(&dir).map_err(|e| chain(&e))? {
            return Ok(record);
        }
        kiln_container::cleanup(&dir, &self.cgroups).map_err(|e| chain(&e))?;
        let record = kiln_container::exit_record(&dir).map_err(|e| chain(&e))?;
        record.ok_or_else(|| "it left no record of how it ended".to_owned())
    }

    /// Removes what is left of an instance that ended. Its files go in one step, so that who reads
    /// them meanwhile finds all or none.
    pub(crate) fn clean(&self, id: InstanceId) -> io::Result<()> {
        self.cgroups.kill(&id)?;
        self.cgroups.remove(&id)?;
        let gone = self.instances.join(format!("{id}{GONE}"));
        unless_gone(std::fs::rename(self.instance_dir(id), &gone))?;
        unless_gone(std::fs::remove_dir_all(gone))
    }

    /// Removes what is left of an instance that nobody knows: its processes and its link too, if its
    /// shim did not come to that.
    pub(crate) fn sweep(&self, id: InstanceId) -> io::Result<()> {
        let dir = self.instance_dir(id);
        let lost = match dir.join(kiln_container::InstanceSpec::FILE).exists() {
            true => kiln_container::cleanup(&dir, &self.cgroups).map_err(io::Error::other),
            false => Ok(()),
        };
        self.clean(id).and(lost)
    }

    /// The instances that have files here, those whose removal was cut short included.
    pub(crate) fn with_files(&self) -> Vec<InstanceId> {
        let entries = std::fs::read_dir(&self.instances).into_iter().flatten().flatten();
        let id = |name: &str| name.strip_suffix(GONE).unwrap_or(name).parse().ok();
        entries.filter_map(|entry| id(entry.file_name().to_str()?)).collect()
    }

    /// What the instance uses, and the processor time it has used so far.
    pub(crate) fn usage(&self, id: InstanceId) -> Option<(Usage, Option<Duration>)> {
        let usage = self.cgroups.usage(&id);
        let memory = usage.memory_bytes?;
        // A kernel that keeps no peak leaves what was seen.
        let peak = usage.memory_peak_bytes.unwrap_or(memory).max(memory);
        let (memory, memory_peak) = (ByteSize(memory), ByteSize(peak));
        let out_of_memory = self.cgroups.oom_kills(&id);
        Some((Usage { memory, memory_peak, out_of_memory, cpu_millis: None }, usage.cpu))
    }

    /// All that there is.
    #[expect(clippy::unused_self, reason = "the machine's size is a fact about the machine")]
    pub(crate) fn size(&self) -> Resources {
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let memory = meminfo("MemTotal").unwrap_or_default();
        Resources { cpu_millis: cpus as u64 * 1000, memory }
    }

    /// What is in use by anybody and could not be had by giving up caches.
    pub(crate) fn memory_used(&self) -> Option<ByteSize> {
        let available = meminfo("MemAvailable")?;
        Some(ByteSize(self.size().memory.0.saturating_sub(available.0)))
    }
}

fn unless_gone(done: io::Result<()>) -> io::Result<()> {
    done.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// One number of `/proc/meminfo`.
fn meminfo(name: &str) -> Option<ByteSize> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(ByteSize(kib * 1024))
}
