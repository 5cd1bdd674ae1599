//! The directory of an OCI layout, read as if it were a tar.

use crate::CliError;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The most blobs of one layout.
const MAX_BLOBS: usize = 20_000;
/// Tar counts in blocks of this many bytes.
const BLOCK: usize = 512;

/// A part of the archive.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    /// A header, or what fills a block.
    Bytes(Vec<u8>),
    /// The content of a file, of which so many bytes are left.
    File(PathBuf, u64),
}

/// Reads one piece after the other.
#[derive(Debug)]
pub(super) struct Reader {
    /// The first one last.
    pieces: Vec<Piece>,
    now: Option<(File, u64)>,
}

/// The archive of the layout in `dir`: its documents, and its blobs by name. Nothing else goes out.
pub(super) fn pieces(dir: &Path) -> Result<Vec<Piece>, CliError> {
    if !dir.join("oci-layout").is_file() {
        let message = format!("{} is a directory, and no OCI layout", dir.display());
        return Err(CliError::invalid(message).hint("name a directory with a file oci-layout."));
    }
    let blobs = dir.join("blobs/sha256");
    let failed = |error: &io::Error| CliError::file(&blobs, error);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&blobs).map_err(|error| failed(&error))? {
        let name = entry.map_err(|error| failed(&error))?.file_name();
        names.push(format!("blobs/sha256/{}", name.to_string_lossy()));
        if names.len() > MAX_BLOBS {
            let message = format!("{} has more than {MAX_BLOBS} files", blobs.display());
            return Err(CliError::invalid(message));
        }
    }
    names.sort();
    let mut pieces = Vec::new();
    for name in ["oci-layout".to_owned(), "index.json".to_owned()].into_iter().chain(names) {
        let path = dir.join(&name);
        let size = path.metadata().map_err(|error| CliError::file(&path, &error))?.len();
        pieces.push(Piece::Bytes(header(&name, size)));
        pieces.push(Piece::File(path, size));
        let over = usize::try_from(size % BLOCK as u64).expect("it is less than a block");
        pieces.push(Piece::Bytes(vec![0; (BLOCK - over) % BLOCK]));
    }
    pieces.push(Piece::Bytes(vec![0; 2 * BLOCK]));
    Ok(pieces)
}

fn header(name: &str, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    let field = &mut header.as_ustar_mut().expect("it was made as ustar").name;
    let length = name.len().min(field.len());
    field[..length].copy_from_slice(&name.as_bytes()[..length]);
    header.set_cksum();
    header.as_bytes().to_vec()
}

impl Reader {
    pub(super) fn new(mut pieces: Vec<Piece>) -> Self {
        pieces.reverse();
        Self { pieces, now: None }
    }
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some((file, left)) = &mut self.now {
                if *left > 0 {
                    let read = file.take(*left).read(into)?;
                    *left -= read as u64;
                    // A file that shrinks makes another archive, which the server then refuses.
                    return if read == 0 {
                        Err(io::ErrorKind::UnexpectedEof.into())
                    } else {
                        Ok(read)
                    };
                }
                self.now = None;
            }
            match self.pieces.pop() {
                None => return Ok(0),
                Some(Piece::File(path, size)) => self.now = Some((File::open(path)?, size)),
                Some(Piece::Bytes(bytes)) if bytes.is_empty() => {}
                Some(Piece::Bytes(mut bytes)) => {
                    let count = bytes.len().min(into.len());
                    into[..count].copy_from_slice(&bytes[..count]);
                    if count < bytes.len() {
                        self.pieces.push(Piece::Bytes(bytes.split_off(count)));
                    }
                    return Ok(count);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_layout_is_read_as_a_tar_of_its_documents_and_blobs() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("blobs/sha256")).unwrap();
        for (name, content) in
            [("oci-layout", "{}"), ("index.json", "[]"), ("blobs/sha256/ab", "blob"), ("x", "no")]
        {
            fs::write(dir.path().join(name), content).unwrap();
        }
        let mut bytes = Vec::new();
        Reader::new(pieces(dir.path()).unwrap()).read_to_end(&mut bytes).unwrap();
        let mut tar = tar::Archive::new(bytes.as_slice());
        let found = tar.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            format!("{name}={content}")
        });
        let found: Vec<String> = found.collect();
        assert_eq!(found, ["oci-layout={}", "index.json=[]", "blobs/sha256/ab=blob"]);
    }

    #[test]
    fn another_directory_is_no_layout() {
        let dir = tempfile::tempdir().unwrap();
        assert!(pieces(dir.path()).is_err());
    }
}
