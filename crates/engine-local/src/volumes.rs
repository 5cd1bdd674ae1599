//! What instances keep beyond their lives: a directory for each volume and slot of a process.
//!
//! ```text
//! volumes/ENV/APP/PROCESS/NAME/SLOT
//! ```
//!
//! Which instance may have it when, the keeper decides. A directory is made when the first one
//! starts, and removed by people alone.

use kiln_container::{User, Volume};
use kiln_engine::{GroupSpec, KeptVolume};
use kiln_names::{AppName, EnvName, ProcessName, VolumeName};
use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Behind the name of a directory while it is being removed.
const GONE: &str = ".gone";

/// The volumes of this machine.
#[derive(Debug)]
pub(crate) struct Volumes {
    root: PathBuf,
    /// Held while one is removed.
    removing: Mutex<()>,
}

impl Volumes {
    /// Those below a directory; what was being removed goes.
    pub(crate) fn new(root: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&root)?;
        let gone = root.join(GONE);
        if gone.exists() {
            std::fs::remove_dir_all(gone)?;
        }
        Ok(Self { root, removing: Mutex::default() })
    }

    /// What an instance finds where.
    pub(crate) fn of(&self, spec: &GroupSpec, slot: u32) -> Vec<Volume> {
        let volumes = spec.params.volumes.iter();
        let volume = |volume: &kiln_protocol::configuration::Volume| Volume {
            source: self.dir(&spec.env, &spec.app, &spec.process, &volume.name, slot),
            path: PathBuf::from(volume.path.as_str()),
        };
        volumes.map(volume).collect()
    }

    fn dir(
        &self,
        env: &EnvName,
        app: &AppName,
        process: &ProcessName,
        name: &VolumeName,
        slot: u32,
    ) -> PathBuf {
        let names = [env.as_str(), app.as_str(), process.as_str(), name.as_str()];
        names.iter().fold(self.root.clone(), |dir, name| dir.join(name)).join(slot.to_string())
    }

    /// All that are kept in an environment.
    pub(crate) fn list(&self, env: &EnvName) -> io::Result<Vec<KeptVolume>> {
        let mut all = Vec::new();
        for (app, dir) in entries::<AppName>(&self.root.join(env.as_str()))? {
            for (process, dir) in entries::<ProcessName>(&dir)? {
                for (name, dir) in entries::<VolumeName>(&dir)? {
                    for (slot, _) in entries::<u32>(&dir)? {
                        let (app, process, name) = (app.clone(), process.clone(), name.clone());
                        all.push(KeptVolume { app, env: env.clone(), process, name, slot });
                    }
                }
            }
        }
        all.sort();
        Ok(all)
    }

    /// Removes one with all that it holds; already gone is as good.
    pub(crate) fn remove(&self, volume: &KeptVolume) -> io::Result<()> {
        let KeptVolume { app, env, process, name, slot } = volume;
        let dir = self.dir(env, app, process, name, *slot);
        let _alone = self.removing.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = self.root.join(GONE);
        // What an earlier one could not remove goes first.
        match std::fs::remove_dir_all(&gone) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => DirBuilder::new().mode(0o700).create(&gone)?,
        }
        match std::fs::rename(&dir, gone.join("volume")) {
            Err(_) if !dir.exists() => {}
            renamed => renamed?,
        }
        std::fs::remove_dir_all(&gone)?;
        // Directories that hold others stay, and say so.
        let above = dir.ancestors().skip(1).take_while(|above| *above != self.root);
        for above in above {
            if std::fs::remove_dir(above).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Makes the directories that are missing. An empty one is its user's from then on; what is in others
/// belongs to whoever wrote it.
pub(crate) fn ensure(volumes: &[Volume], user: User) -> io::Result<()> {
    for Volume { source, .. } in volumes {
        DirBuilder::new().recursive(true).mode(0o755).create(source)?;
        if std::fs::read_dir(source)?.next().is_none() {
            chown(source, Some(user.uid), Some(user.gid))?;
            std::fs::set_permissions(source, Permissions::from_mode(0o750))?;
        }
    }
    Ok(())
}

/// The directories in one whose names are of that kind; none where there is no such directory.
fn entries<T: std::str::FromStr>(dir: &Path) -> io::Result<Vec<(T, PathBuf)>> {
    let listed = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed?,
    };
    let mut found = Vec::new();
    for entry in listed {
        let entry = entry?;
        let name = entry.file_name().to_str().and_then(|name| name.parse().ok());
        found.extend(name.map(|name| (name, entry.path())));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(slot: u32) -> KeptVolume {
        KeptVolume {
            app: "store".parse().unwrap(),
            env: "prod".parse().unwrap(),
            process: "db".parse().unwrap(),
            name: "data".parse().unwrap(),
            slot,
        }
    }

    fn make(volumes: &Volumes, slot: u32) -> PathBuf {
        let KeptVolume { app, env, process, name, .. } = volume(slot);
        let source = volumes.dir(&env, &app, &process, &name, slot);
        let volume = Volume { source: source.clone(), path: "/data".into() };
        ensure(&[volume], User { uid: 7, gid: 8 }).unwrap();
        source
    }

    #[test]
    fn a_volume_belongs_to_its_first_user_and_keeps_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let volumes = Volumes::new(dir.path().join("volumes")).unwrap();
        let source = make(&volumes, 0);
        let owner = std::os::unix::fs::MetadataExt::uid(&source.metadata().unwrap());
        assert_eq!(owner, 7);
        std::fs::write(source.join("kept"), "here").unwrap();
        assert_eq!(std::fs::read_to_string(make(&volumes, 0).join("kept")).unwrap(), "here");
    }

    #[test]
    fn volumes_are_listed_until_they_are_removed_and_leave_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let volumes = Volumes::new(dir.path().join("volumes")).unwrap();
        let prod = "prod".parse().unwrap();
        assert_eq!(volumes.list(&prod).unwrap(), []);
        std::fs::write(make(&volumes, 10).join("kept"), "here").unwrap();
        make(&volumes, 2);
        assert_eq!(volumes.list(&prod).unwrap(), [volume(2), volume(10)]);
        assert_eq!(volumes.list(&"test".parse().unwrap()).unwrap(), []);
        for slot in [10, 2, 2] {
            volumes.remove(&volume(slot)).unwrap();
        }
        assert_eq!(std::fs::read_dir(dir.path().join("volumes")).unwrap().count(), 0);
    }
}
