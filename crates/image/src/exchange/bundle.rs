//! The members of an archive by their names: read in any order, however the archive has them.

use super::error::ImportError;
use super::inflate::{self, Packing};
use crate::archive::{Kind, TarReader};
use crate::error::{Context as _, LayerError, shown};
use crate::limits::Limits;
use crate::store::blobs::DOCUMENT_LIMIT;
use crate::store::{Staging, Store};
use crate::tree::clean_path;
use kiln_names::{ByteSize, Digest};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;

/// The most members of an archive of images: each image has some dozens.
const MAX_MEMBERS: usize = 20_000;
/// The longest name of a member that is kept; the names that matter have at most 100 bytes.
const MAX_NAME: usize = 1024;
/// What the headers of one member, and those of all, may take.
const HEADERS: (ByteSize, ByteSize) = (ByteSize(64 << 10), ByteSize::mib(64));
/// `docker save` writes a layer once and links to it from the other images that have it.
const MAX_LINKS: usize = 4;

/// An archive, and where in it everything is.
#[derive(Debug)]
pub(super) struct Bundle {
    file: File,
    members: BTreeMap<String, Place>,
    /// Holds the archive that was inflated, if it came compressed.
    _inflated: Option<Staging>,
}

#[derive(Debug, Clone)]
enum Place {
    File { at: u64, size: u64 },
    Link { target: String },
}

/// The content of one member.
#[derive(Debug)]
pub(super) struct Section<'b> {
    file: &'b File,
    at: u64,
    pub(super) left: u64,
}

impl Bundle {
    /// Finds the members of an archive, which may be compressed as a whole.
    pub(super) fn open(store: &Store, file: File) -> Result<Self, ImportError> {
        let (mut file, inflated) = plain(store, file)?;
        file.seek(SeekFrom::Start(0)).within(b"archive")?;
        let mut members = BTreeMap::new();
        let (attributes, total) = HEADERS;
        let mut tar = TarReader::new(file, Limits { attributes, total, ..Limits::default() });
        while let Some(member) = tar.next()? {
            let path = clean_path(&member.path)?;
            let place = match member.kind {
                Kind::File { size } => Place::File { at: tar.pass_over()?, size },
                Kind::Symlink { target } => Place::Link { target: beside(&path, &target)? },
                Kind::HardLink { target } => Place::Link { target: name(&clean_path(&target)?)? },
                _ => continue,
            };
            members.insert(name(&path)?, place);
            if members.len() > MAX_MEMBERS {
                let (limit, what) = (MAX_MEMBERS as u64, "members of an archive of images");
                return Err(LayerError::Limit { path: shown(&path), limit, what }.into());
            }
        }
        Ok(Self { file: tar.into_inner(), members, _inflated: inflated })
    }

    /// Whether there is a file of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.section(name).is_ok()
    }

    /// The content of a file.
    pub(super) fn section(&self, name: &str) -> Result<Section<'_>, ImportError> {
        let mut at = name;
        for _ in 0..MAX_LINKS {
            match self.members.get(at) {
                Some(Place::File { at, size }) => {
                    return Ok(Section { file: &self.file, at: *at, left: *size });
                }
                Some(Place::Link { target }) => at = target,
                None => break,
            }
        }
        Err(ImportError::Lacks { path: shown(name.as_bytes()) })
    }

    /// The whole content of a small file.
    pub(super) fn document(&self, name: &str) -> Result<Vec<u8>, ImportError> {
        let mut section = self.section(name)?;
        if section.left > DOCUMENT_LIMIT {
            let (limit, what) = (DOCUMENT_LIMIT, "bytes in a document");
            return Err(LayerError::Limit { path: name.to_owned(), limit, what }.into());
        }
        let mut content = Vec::new();
        section.read_to_end(&mut content).within(name.as_bytes())?;
        Ok(content)
    }

    /// A whole small file of an OCI layout, which has its digest.
    pub(super) fn blob_document(&self, digest: &Digest) -> Result<Vec<u8>, ImportError> {
        let content = self.document(&blob_name(digest))?;
        match Digest::of(&content) {
            found if found == *digest => Ok(content),
            found => Err(crate::Error::Mismatch { expected: *digest, found }.into()),
        }
    }
}

/// The name of a blob in an OCI layout.
pub(super) fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The archive as a plain tar: `docker save` is often piped through gzip.
fn plain(store: &Store, mut file: File) -> Result<(File, Option<Staging>), ImportError> {
    let mut magic = [0; 4];
    let read = file.read_at(&mut magic, 0).within(b"archive")?;
    let packing = Packing::sniff(&magic[..read]);
    if packing == Packing::Plain {
        return Ok((file, None));
    }
    let size = file.metadata().within(b"archive")?.len();
    file.seek(SeekFrom::Start(0)).within(b"archive")?;
    let staging = store.staging()?;
    let path = staging.root().join("archive");
    let mut inflated =
        File::options().create_new(true).read(true).write(true).open(&path).on("create", &path)?;
    inflate::inflate(packing, &mut file, size, &mut inflated)?;
    Ok((inflated, Some(staging)))
}

fn name(path: &[u8]) -> Result<String, LayerError> {
    let text = str::from_utf8(path).ok().filter(|text| text.len() <= MAX_NAME);
    text.map(str::to_owned)
        .ok_or_else(|| LayerError::refused(path, "has a name that no archive of images holds"))
}

/// Where a symbolic link leads that stands at `path`; one that leads out leads nowhere.
fn beside(path: &[u8], target: &[u8]) -> Result<String, LayerError> {
    let mut parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    parts.pop();
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    name(&parts.join(&b'/'))
}

impl Read for Section<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let wanted = into.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut into[..wanted], self.at)?;
        if read == 0 && wanted > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_from_its_own_directory_and_never_out() {
        let check = |path: &str, target: &str, expected: &str| {
            assert_eq!(beside(path.as_bytes(), target.as_bytes()).unwrap(), expected);
        };
        check("b/layer.tar", "../a/layer.tar", "a/layer.tar");
        check("layer.tar", "./other.tar", "other.tar");
        check("a/x", "../../../etc/passwd", "etc/passwd");
    }
}
