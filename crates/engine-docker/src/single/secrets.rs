//! The values of secrets, on their way to a container of this machine: files in memory, in a directory
//! that only its own container is shown.

use crate::inner::Inner;
use kiln_keeper::{Birth, chain};
use kiln_names::{InstanceId, SecretName, SecretValue};
use rustix::fs::{Gid, Mode, OFlags, Uid, chown, fchown, open};
use std::collections::HashSet;
use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Writes the values down, and says where; nothing for an instance without secrets.
pub(crate) async fn hand_over(inner: &Inner, birth: &Birth) -> Result<Option<PathBuf>, String> {
    let group = &birth.spec;
    if group.secrets.is_empty() {
        return Ok(None);
    }
    if !inner.settings.engine.host.is_here() {
        return Err("it has secrets, which an engine elsewhere cannot be handed".to_owned());
    }
    let opened = inner.settings.secrets.open_all(&group.app, &group.env, &group.secrets).await;
    let values = opened.map_err(|error| format!("failed to {}", chain(&error)))?;
    let names = group.secrets.keys().cloned().collect();
    let user = (group.run.uid, group.run.gid);
    let directory = of_environment(inner).join(birth.id.to_string());
    let root = inner.settings.memory.clone();
    let write = move || own(&root).and_then(|()| write(directory, names, &values, user));
    let written = tokio::task::spawn_blocking(write).await.map_err(|error| error.to_string())?;
    written.map(Some).map_err(|error| format!("failed to hand over its secrets: {error}"))
}

fn of_environment(inner: &Inner) -> PathBuf {
    inner.settings.memory.join(inner.owner.env.as_str())
}

fn write(
    directory: PathBuf,
    names: Vec<SecretName>,
    values: &[SecretValue],
    (uid, gid): (u32, u32),
) -> io::Result<PathBuf> {
    // What an earlier attempt left.
    remove(&directory)?;
    DirBuilder::new().recursive(true).mode(0o500).create(&directory)?;
    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    for (name, value) in names.iter().zip(values) {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mut file = File::from(open(directory.join(name.as_str()), flags, Mode::RUSR)?);
        file.write_all(value.as_ref())?;
        fchown(&file, uid, gid)?;
    }
    chown(&directory, uid, gid)?;
    Ok(directory)
}

/// The root lies where everybody may write: somebody else's is not used.
fn own(root: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(root) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = root.symlink_metadata()?;
    let ours = found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o077 == 0;
    if found.is_dir() && ours {
        return Ok(());
    }
    Err(io::Error::other(format!("{} is not Kiln's own: remove it", root.display())))
}

/// Forgets the values of an instance.
pub(crate) fn forget(inner: &Inner, id: InstanceId) {
    forget_at(&of_environment(inner).join(id.to_string()));
}

/// Forgets the values of the environment's instances.
pub(crate) fn forget_all(inner: &Inner) {
    forget_at(&of_environment(inner));
}

fn forget_at(directory: &Path) {
    if let Err(error) = remove(directory) {
        tracing::error!(path = %directory.display(), %error, "failed to remove values of secrets");
    }
}

/// Forgets the values of all that nobody knows.
pub(crate) fn sweep(inner: &Inner, known: &HashSet<InstanceId>) {
    let entries = std::fs::read_dir(of_environment(inner)).into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<InstanceId>().ok());
    ids.filter(|id| !known.contains(id) && !inner.is_own(*id)).for_each(|id| forget(inner, id));
}

fn remove(directory: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
