//! Reading archives of strangers: every length is checked against a limit before it is believed.

use super::{BLOCK, Kind, Member, Meta, padding, pax};
use crate::error::{Context as _, LayerError, shown};
use std::collections::BTreeMap;
use std::io::{self, Read, Seek};
use tar::{EntryType, Header};

/// Reads one archive, member by member.
#[derive(Debug)]
pub(crate) struct TarReader<R> {
    from: R,
    /// Content and padding of the current member that nobody has read yet.
    content: u64,
    padding: u64,
    /// The most that an extended header or a long name may take.
    extension_limit: u64,
}

/// What extended headers said about the member that follows them.
#[derive(Debug, Default)]
struct Extension {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    uid: Option<u64>,
    gid: Option<u64>,
    mtime: Option<i64>,
    size: Option<u64>,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl<R: Read> TarReader<R> {
    pub(crate) fn new(from: R, extension_limit: u64) -> Self {
        Self { from, content: 0, padding: 0, extension_limit }
    }

    /// The next member, or nothing at the end of the archive. Content left unread is skipped.
    pub(crate) fn next(&mut self) -> Result<Option<Member>, LayerError> {
        let mut extension = Extension::default();
        loop {
            self.skip()?;
            let Some(header) = self.header()? else { return Ok(None) };
            let size =
                header.entry_size().map_err(|_| LayerError::Archive("a size is malformed"))?;
            match header.entry_type() {
                EntryType::XHeader => extension.read_pax(&self.small(size)?)?,
                EntryType::XGlobalHeader => drop(self.small(size)?),
                EntryType::GNULongName => extension.path = Some(without_end(self.small(size)?)),
                EntryType::GNULongLink => extension.target = Some(without_end(self.small(size)?)),
                _ => return self.member(&header, size, extension).map(Some),
            }
        }
    }

    fn member(&mut self, header: &Header, size: u64, ext: Extension) -> Result<Member, LayerError> {
        let path = ext.path.unwrap_or_else(|| header.path_bytes().into_owned());
        let target = ext.target.or_else(|| header.link_name_bytes().map(|name| name.into_owned()));
        let target = target.unwrap_or_default();
        if ext.size.is_some_and(|stated| stated != size) {
            return Err(LayerError::refused(&path, "is larger than a tar header can say"));
        }
        let kind = match header.entry_type() {
            EntryType::Directory => Kind::Directory,
            // Archives from before 1988 know directories by their slash alone.
            EntryType::Regular if path.ends_with(b"/") => Kind::Directory,
            EntryType::Regular | EntryType::Continuous => Kind::File { size },
            EntryType::Symlink => Kind::Symlink { target },
            EntryType::Link => Kind::HardLink { target },
            EntryType::Fifo => Kind::Fifo,
            EntryType::Char | EntryType::Block => Kind::Device,
            _ => return Err(LayerError::refused(&path, "is of a kind that no layer may hold")),
        };
        // Only files have content; some archivers leave a size in the headers of other kinds.
        if let Kind::File { size } = kind {
            (self.content, self.padding) = (size, padding(size));
        }
        let malformed = || LayerError::refused(&path, "has malformed numbers in its header");
        let meta = Meta {
            mode: header.mode().map_err(|_| malformed())? & 0o7777,
            uid: ext
                .uid
                .map_or_else(|| header.uid(), Ok)
                .ok()
                .and_then(id)
                .ok_or_else(malformed)?,
            gid: ext
                .gid
                .map_or_else(|| header.gid(), Ok)
                .ok()
                .and_then(id)
                .ok_or_else(malformed)?,
            mtime: match ext.mtime {
                Some(mtime) => mtime,
                None => header.mtime().map_err(|_| malformed())?.cast_signed(),
            },
            xattrs: ext.xattrs,
        };
        Ok(Member { path, kind, meta })
    }

    /// The next header block, checked; nothing at the end mark.
    fn header(&mut self) -> Result<Option<Header>, LayerError> {
        let mut header = Header::new_old();
        self.exactly(header.as_mut_bytes())?;
        let bytes = header.as_bytes();
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        // The sum is taken as if its own eight bytes were spaces.
        let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
        let expected = sum(&bytes[..148]) + 8 * u32::from(b' ') + sum(&bytes[156..]);
        if header.cksum().ok() != Some(expected) {
            return Err(LayerError::Archive("a header has a wrong checksum"));
        }
        Ok(Some(header))
    }

    /// The content of an extended header, which has to be held in memory.
    fn small(&mut self, size: u64) -> Result<Vec<u8>, LayerError> {
        let (limit, what) = (self.extension_limit, "bytes in an extended header");
        if size > limit {
            return Err(LayerError::Limit { path: String::from("extended header"), limit, what });
        }
        let mut bytes = vec![0; usize::try_from(size).expect("checked against a small limit")];
        self.exactly(&mut bytes)?;
        self.padding = padding(size);
        Ok(bytes)
    }

    fn skip(&mut self) -> Result<(), LayerError> {
        let left = self.unread();
        let skipped = io::copy(&mut (&mut self.from).take(left), &mut io::sink());
        match skipped.within(b"archive")? {
            skipped if skipped == left => Ok(()),
            _ => Err(LayerError::Archive("it ends within a file")),
        }
    }

    /// How far the next header is, which is then taken for reached.
    fn unread(&mut self) -> u64 {
        std::mem::take(&mut self.content).saturating_add(std::mem::take(&mut self.padding))
    }

    fn exactly(&mut self, into: &mut [u8]) -> Result<(), LayerError> {
        self.from.read_exact(into).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => LayerError::Archive("it ends without an end mark"),
            _ => LayerError::Io { path: String::from("archive"), source: error },
        })
    }
}

impl<R: Read + Seek> TarReader<R> {
    /// Where the content of the current member begins. It is passed over unread.
    pub(crate) fn pass_over(&mut self) -> Result<u64, LayerError> {
        let at = self.from.stream_position().within(b"archive")?;
        let end = at.saturating_add(self.unread());
        if end > self.from.seek(io::SeekFrom::End(0)).within(b"archive")? {
            return Err(LayerError::Archive("it ends within a file"));
        }
        self.from.seek(io::SeekFrom::Start(end)).within(b"archive")?;
        Ok(at)
    }

    /// What it reads from.
    pub(crate) fn into_inner(self) -> R {
        self.from
    }
}

/// Reads the content of the current member.
impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = (&mut self.from).take(self.content).read(into)?;
        if read == 0 && self.content > 0 && !into.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.content -= read as u64;
        Ok(read)
    }
}

impl Extension {
    fn read_pax(&mut self, mut block: &[u8]) -> Result<(), LayerError> {
        while !block.is_empty() {
            let record = pax::split_first(&mut block);
            let (key, value) = record.ok_or(LayerError::Archive("a pax record is malformed"))?;
            self.record(key, value)?;
        }
        Ok(())
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), LayerError> {
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.target = Some(value.to_vec()),
            b"uid" => self.uid = Some(number(value)?),
            b"gid" => self.gid = Some(number(value)?),
            b"size" => self.size = Some(number(value)?),
            b"mtime" => self.mtime = Some(whole_seconds(value)?),
            _ if key.starts_with(b"GNU.sparse.") => {
                return Err(LayerError::Archive("sparse files are not supported"));
            }
            _ => {
                if let Some(name) = key.strip_prefix(pax::XATTR) {
                    self.xattrs.insert(name.to_vec(), value.to_vec());
                }
            }
        }
        Ok(())
    }
}

/// A user or group; the highest number means "leave as it is" to the kernel and is nobody's.
fn id(number: u64) -> Option<u32> {
    u32::try_from(number).ok().filter(|id| *id != u32::MAX)
}

fn number<N: std::str::FromStr>(value: &[u8]) -> Result<N, LayerError> {
    let number = str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| LayerError::Refused {
        path: shown(value),
        reason: "is not a number a pax record may hold",
    })
}

/// Seconds before the point, rounded down: a time before 1970 has its fraction count upwards.
fn whole_seconds(value: &[u8]) -> Result<i64, LayerError> {
    let point = value.iter().position(|byte| *byte == b'.').unwrap_or(value.len());
    let seconds: i64 = number(&value[..point])?;
    let fraction = value[point..].iter().any(|byte| (b'1'..=b'9').contains(byte));
    Ok(if fraction && value.starts_with(b"-") { seconds - 1 } else { seconds })
}

fn without_end(mut name: Vec<u8>) -> Vec<u8> {
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    name.truncate(end);
    name
}

const _: () = assert!(BLOCK == size_of::<Header>() as u64);
