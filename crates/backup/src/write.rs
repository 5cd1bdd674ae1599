//! Writing what was gathered.

use crate::gather::{Gathered, ImageChoice};
use crate::manifest::{FORM, HEAD, Head, Line, MANIFEST, Manifest};
use kiln_image::archive::{Kind, Member, Meta, TarWriter};
use kiln_names::Digest;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What went into an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// How many files, its own documents aside.
    pub files: usize,
    /// Their length together.
    pub bytes: u64,
}

impl Gathered {
    /// Writes the archive. Blocks on the disk and on whoever takes it.
    ///
    /// # Errors
    /// Those of either; the archive then lacks its end and is refused.
    pub fn write(self, to: impl Write) -> io::Result<Written> {
        let mut tar = TarWriter::new(to);
        let head = Head { kiln_backup: FORM, images: self.images == ImageChoice::With };
        document(&mut tar, HEAD, &head)?;
        let mut manifest = Manifest::default();
        let mut names = Vec::new();
        names_below(self.held.path(), Path::new(""), &mut names)?;
        names.sort();
        for name in names {
            manifest.files.push(file(&mut tar, self.held.path(), name)?);
        }
        document(&mut tar, MANIFEST, &manifest)?;
        tar.finish()?;
        let bytes = manifest.files.iter().map(|line| line.bytes).sum();
        Ok(Written { files: manifest.files.len(), bytes })
    }
}

fn names_below(root: &Path, below: &Path, names: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(root.join(below))? {
        let entry = entry?;
        let name = below.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => names_below(root, &name, names)?,
            false => names.push(name),
        }
    }
    Ok(())
}

fn file<W: Write>(tar: &mut TarWriter<W>, root: &Path, name: PathBuf) -> io::Result<Line> {
    let file = File::open(root.join(&name))?;
    let meta = file.metadata()?;
    let name = name.into_os_string().into_string().map_err(|_| io::ErrorKind::InvalidFilename)?;
    let (bytes, mode) = (meta.len(), meta.permissions().mode() & 0o700);
    tar.member(&member(&name, bytes, mode))?;
    let mut content = Digesting { from: file, hasher: Sha256::new() };
    tar.content(&mut content, bytes)?;
    Ok(Line { name, bytes, mode, digest: Digest::from_bytes(content.hasher.finalize().into()) })
}

fn document<W: Write>(
    tar: &mut TarWriter<W>,
    name: &str,
    content: &impl serde::Serialize,
) -> io::Result<()> {
    let text = serde_json::to_vec(content)?;
    tar.member(&member(name, text.len() as u64, 0o600))?;
    tar.content(&mut text.as_slice(), text.len() as u64)
}

fn member(name: &str, size: u64, mode: u32) -> Member {
    let meta = Meta { mode, ..Meta::default() };
    Member { path: name.as_bytes().to_vec(), kind: Kind::File { size }, meta }
}

/// Reads, and digests what was read.
struct Digesting<R> {
    from: R,
    hasher: Sha256,
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(into)?;
        self.hasher.update(&into[..read]);
        Ok(read)
    }
}
