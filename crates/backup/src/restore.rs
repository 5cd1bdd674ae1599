//! Placing an archive in an empty directory, once all of it is known to be true.

use crate::manifest::{FORM, HEAD, Head, Line, MANIFEST, Manifest};
use crate::name::Name;
use kiln_config::Repositories;
use kiln_image::archive::{Kind, Member, TarReader};
use kiln_image::{LayerError, Limits};
use kiln_names::{AppName, ByteSize, Digest, EnvName};
use kiln_store::{Schema, StoreError};
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The most files: a manifest of so many is some 200 MB.
const MAX_FILES: usize = 1_000_000;
/// The longest document of the archive's own.
const MAX_DOCUMENT: u64 = 256 << 20;
/// The longest extended header; our names need none.
const MAX_EXTENSION: ByteSize = ByteSize(64 << 10);
/// The longest archive.
const MAX_TOTAL: ByteSize = ByteSize(1 << 44);
/// How much is read at a time.
const CHUNK: usize = 256 << 10;

/// What was placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// How many files the archive had.
    pub files: usize,
    /// Their length together.
    pub bytes: u64,
    /// Whether images were among them.
    pub images: bool,
}

/// Why nothing was placed. Reads after "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is something already.
    #[error("restore into {0}: it is not empty")]
    NotEmpty(PathBuf),
    /// The archive is no backup, or is not whole.
    #[error("restore: the archive {0}")]
    Refused(String),
    /// The archive cannot be read as one.
    #[error("read the archive")]
    Archive(#[from] LayerError),
    /// The disk refused.
    #[error("write what was kept")]
    Io(#[from] io::Error),
    /// The database cannot be used, as one of a newer Kiln.
    #[error("use the archive's database")]
    Store(#[from] StoreError),
    /// A configuration cannot be restored.
    #[error("restore a configuration")]
    Configuration(#[from] kiln_config::EnsureError),
}

/// Restores an archive into `into`, which is missing or empty. Nothing of it is there before all is.
///
/// # Errors
/// [`RestoreError`]; `into` is then as it was.
pub async fn restore(
    archive: impl Read + Send + 'static,
    into: &Path,
) -> Result<Restored, RestoreError> {
    if fs::read_dir(into).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(RestoreError::NotEmpty(into.to_owned()));
    }
    let parent = into.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let place = tempfile::Builder::new().prefix(".restoring-").tempdir_in(parent)?;
    let unpacking = tokio::task::spawn_blocking(move || Unpacking::all(archive, place));
    let unpacked = unpacking.await.map_err(io::Error::other)??;
    let (place, restored) = unpacked.finish().await?;
    sync(place.path())?;
    fs::rename(place.path(), into)?;
    // It has another name now.
    let _renamed = place.keep();
    File::open(parent)?.sync_all()?;
    Ok(restored)
}

/// An archive on its way into a directory of its own.
struct Unpacking {
    place: TempDir,
    head: Head,
    found: Manifest,
    names: HashSet<String>,
    bundles: Vec<(AppName, EnvName, PathBuf)>,
    /// Blobs that were damaged where they came from: left out, as their store would.
    damaged: Vec<PathBuf>,
}

impl Unpacking {
    fn all(archive: impl Read, place: TempDir) -> Result<Self, RestoreError> {
        let limits = Limits { attributes: MAX_EXTENSION, total: MAX_TOTAL, ..Limits::default() };
        let mut tar = TarReader::new(archive, limits);
        let first = tar.next()?.ok_or_else(|| refused("is empty"))?;
        if first.path != HEAD.as_bytes() {
            return Err(refused("is no backup of Kiln"));
        }
        let head: Head = document(&mut tar, &first)?;
        if head.kiln_backup != FORM {
            return Err(refused(format!("has form {}, and not {FORM}", head.kiln_backup)));
        }
        let (found, names) = (Manifest::default(), HashSet::new());
        let mut it = Self { place, head, found, names, bundles: Vec::new(), damaged: Vec::new() };
        let manifest: Manifest = loop {
            let member = tar.next()?.ok_or_else(|| refused("lacks its end"))?;
            if member.path == MANIFEST.as_bytes() {
                break document(&mut tar, &member)?;
            }
            it.take(&mut tar, &member)?;
        };
        if tar.next()?.is_some() {
            return Err(refused("goes on behind its end"));
        }
        it.check(&manifest)?;
        Ok(it)
    }

    fn take(&mut self, tar: &mut impl Read, member: &Member) -> Result<(), RestoreError> {
        let shown = String::from_utf8_lossy(&member.path).chars().take(200).collect::<String>();
        let Some(kind) = Name::read(&shown) else {
            return Err(refused(format!("holds {shown:?}, which no backup does")));
        };
        let Kind::File { size } = member.kind else {
            return Err(refused(format!("holds {shown:?}, which is no file")));
        };
        if self.names.len() == MAX_FILES || !self.names.insert(shown.clone()) {
            return Err(refused(format!("holds {shown:?} twice, or more than {MAX_FILES} files")));
        }
        let path = self.place.path().join(&shown);
        let mode = member.meta.mode & 0o700;
        let digest = write(tar, &path, size, mode).map_err(reading)?;
        match kind {
            Name::Blob(name) if name != digest => self.damaged.push(path),
            Name::Bundle(app, env) => self.bundles.push((app, env, path)),
            Name::Blob(_) | Name::Plain => {}
        }
        self.found.files.push(Line { name: shown, bytes: size, mode, digest });
        Ok(())
    }

    fn check(&self, manifest: &Manifest) -> Result<(), RestoreError> {
        let pairs = self.found.files.iter().zip(&manifest.files);
        if let Some((found, _)) = pairs.into_iter().find(|(found, said)| found != said) {
            return Err(refused(format!("holds another {:?} than it says", found.name)));
        }
        if self.found.files.len() != manifest.files.len() {
            return Err(refused("does not hold the files that it says"));
        }
        if !self.names.contains("kiln.db") {
            return Err(refused("holds no database"));
        }
        Ok(())
    }

    /// Makes of the files what a Kiln opens.
    async fn finish(self) -> Result<(TempDir, Restored), RestoreError> {
        Schema::of(&self.place.path().join("kiln.db")).await?;
        self.damaged.iter().try_for_each(fs::remove_file)?;
        let configurations = Repositories::open(self.place.path().join("config"))?;
        for (app, env, bundle) in &self.bundles {
            configurations.unbundle(app, env, bundle).await?;
            fs::remove_file(bundle)?;
        }
        let bytes = self.found.files.iter().map(|line| line.bytes).sum();
        let files = self.found.files.len();
        Ok((self.place, Restored { files, bytes, images: self.head.images }))
    }
}

fn document<T: serde::de::DeserializeOwned>(
    tar: &mut impl Read,
    member: &Member,
) -> Result<T, RestoreError> {
    match member.kind {
        Kind::File { size } if size <= MAX_DOCUMENT => {
            let mut text = Vec::new();
            tar.take(size).read_to_end(&mut text).map_err(reading)?;
            serde_json::from_slice(&text).map_err(|error| refused(format!("is damaged: {error}")))
        }
        _ => Err(refused("describes itself at too great length")),
    }
}

/// Writes exactly `size` bytes to a new file, and digests them.
fn write(from: &mut impl Read, path: &Path, size: u64, mode: u32) -> io::Result<Digest> {
    let parent = path.parent().expect("it lies in the directory");
    DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    let (mut hasher, mut left) = (Sha256::new(), size);
    let mut buffer = vec![0; CHUNK];
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let read = from.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.write_all(&buffer[..read])?;
        hasher.update(&buffer[..read]);
        left -= read as u64;
    }
    Ok(Digest::from_bytes(hasher.finalize().into()))
}

/// All of it is on disk when this returns.
fn sync(directory: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(directory)?)?)
}

/// An archive that is cut short is refused; all else is the disk's.
fn reading(error: io::Error) -> RestoreError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => refused("ends within a file"),
        _ => error.into(),
    }
}

fn refused(why: impl Into<String>) -> RestoreError {
    RestoreError::Refused(why.into())
}
