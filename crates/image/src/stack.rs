//! Layers seen as one tree, without a mount: just enough of overlayfs to know what a path is.

use crate::archive::Meta;
use crate::error::{Context as _, Error, LayerError};
use crate::store::Store;
use kiln_names::Digest;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// As many symbolic links as the kernel follows.
const LINKS: usize = 40;

/// Unpacked layers seen as the one tree that they are in an image, without a mount.
#[derive(Debug)]
pub struct Stack {
    /// The top one first.
    layers: Vec<PathBuf>,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stood {
    Nothing,
    Directory(Meta),
    Symlink(Vec<u8>),
    Other,
}

/// What one layer says of a path.
enum Said {
    /// Look further down.
    Nothing,
    /// It is this, whatever is below.
    Is(Stood),
}

impl Store {
    /// The tree that layers, the lowest first, are together.
    ///
    /// # Errors
    /// As [`Store::layer_dir`].
    pub fn stack(&self, layers: &[Digest]) -> Result<Stack, Error> {
        Ok(Stack { layers: self.layer_dirs(layers.iter())? })
    }
}

impl Stack {
    /// The path in the image that `path` leads to once symbolic links are followed, without a slash
    /// before it. What is not there is kept as it is.
    ///
    /// # Errors
    /// As [`Stack::find`].
    pub fn real(&self, path: &str) -> Result<PathBuf, Error> {
        Ok(PathBuf::from(OsStr::from_bytes(&self.follow(path.as_bytes())?.join(&b'/'))))
    }

    /// Where on this machine the file or directory is that `path` leads to in the image, symbolic
    /// links followed within it; `None` when there is nothing. Of a directory that several layers
    /// have it is the topmost one's part.
    ///
    /// # Errors
    /// [`Error::Layer`] for links in a circle; [`Error::Io`].
    pub fn find(&self, path: &str) -> Result<Option<PathBuf>, Error> {
        let real = self.follow(path.as_bytes())?.join(&b'/');
        for layer in &self.layers {
            match in_layer(layer, &real).on("look into", layer)? {
                Said::Nothing => {}
                Said::Is(Stood::Nothing) => return Ok(None),
                Said::Is(_) => return Ok(Some(layer.join(OsStr::from_bytes(&real)))),
            }
        }
        Ok(None)
    }

    pub(crate) fn is_directory(&self, path: &[u8]) -> Result<bool, Error> {
        Ok(matches!(self.at(path)?, Stood::Directory(_)))
    }

    /// What is at `path`, which passes through no symbolic link.
    pub(crate) fn at(&self, path: &[u8]) -> Result<Stood, Error> {
        for layer in &self.layers {
            let said = in_layer(layer, path).on("look into", layer)?;
            if let Said::Is(stood) = said {
                return Ok(stood);
            }
        }
        Ok(Stood::Nothing)
    }

    /// The names that lead to the directory `path`, with every symbolic link of the layers followed
    /// and `..` in their texts stopping at the root. Names that are not there are kept as they are.
    pub(crate) fn follow(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        let mut real: Vec<Vec<u8>> = Vec::new();
        let mut ahead = reversed_names(path);
        let mut links = 0;
        while let Some(name) = ahead.pop() {
            if name == b".." {
                real.pop();
                continue;
            }
            real.push(name);
            let Stood::Symlink(target) = self.at(&real.join(&b'/'))? else { continue };
            links += 1;
            if links > LINKS {
                let reason = "passes through too many symbolic links";
                return Err(LayerError::refused(path, reason).into());
            }
            real.pop();
            if target.starts_with(b"/") {
                real.clear();
            }
            ahead.extend(reversed_names(&target));
        }
        Ok(real)
    }
}

/// The parts of a path, the last one first, as a stack to take them from.
fn reversed_names(path: &[u8]) -> Vec<Vec<u8>> {
    let names = path.split(|byte| *byte == b'/').rev();
    names.filter(|name| !matches!(*name, b"" | b".")).map(<[u8]>::to_vec).collect()
}

/// Looks at `path` name by name: a name on the way that is no directory hides all below it.
fn in_layer(layer: &Path, path: &[u8]) -> io::Result<Said> {
    let mut at = layer.to_owned();
    let mut opaque = false;
    let mut names = path.split(|byte| *byte == b'/').peekable();
    while let Some(name) = names.next() {
        at.push(OsStr::from_bytes(name));
        let found = match at.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(if opaque { Said::Is(Stood::Nothing) } else { Said::Nothing });
            }
            other => other?,
        };
        if found.is_dir() {
            opaque |= xattr::get(&at, "trusted.overlay.opaque")?.as_deref() == Some(b"y");
            if names.peek().is_none() {
                return Ok(Said::Is(Stood::Directory(meta(&found))));
            }
        } else if names.peek().is_some() || found.file_type().is_char_device() {
            return Ok(Said::Is(Stood::Nothing));
        } else if found.is_symlink() {
            let target = std::fs::read_link(&at)?.into_os_string().into_vec();
            return Ok(Said::Is(Stood::Symlink(target)));
        } else {
            return Ok(Said::Is(Stood::Other));
        }
    }
    Ok(Said::Nothing)
}

fn meta(found: &std::fs::Metadata) -> Meta {
    let mode = found.mode() & 0o7777;
    Meta { mode, uid: found.uid(), gid: found.gid(), ..Meta::default() }
}
