//! Reading archives of strangers: every length is checked against a limit before it is believed.

use super::{BLOCK, Kind, Member, Meta, padding, pax};
use crate::error::{Context as _, LayerError};
use crate::limits::Limits;
use std::collections::BTreeMap;
use std::io::{self, Read, Seek};
use std::ops::RangeInclusive;
use tar::{EntryType, Header};

/// Reads one archive, member by member.
#[derive(Debug)]
pub struct TarReader<R> {
    from: R,
    /// Content and padding of the current member that nobody has read yet.
    content: u64,
    padding: u64,
    limits: Limits,
    /// What headers of all kinds took so far.
    headers: u64,
}

/// The times that a layer keeps: what ext4 can say, which is the least of the file systems that
/// layers lie on. Archivers that know no time write the year 1; what is beyond becomes the nearest.
const TIMES: RangeInclusive<i64> = -(1 << 31)..=(1 << 34) - (1 << 31) - 1;

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
    /// How much they took.
    bytes: u64,
    /// A member has to follow.
    announces: bool,
}

impl<R: Read> TarReader<R> {
    /// Reads from there, no more than `limits` allow of headers.
    pub fn new(from: R, limits: Limits) -> Self {
        Self { from, content: 0, padding: 0, limits, headers: 0 }
    }

    /// The next member, or nothing at the end of the archive. Content left unread is skipped.
    ///
    /// # Errors
    /// [`LayerError`] when the archive is malformed or cut short.
    #[expect(clippy::should_implement_trait, reason = "an iterator could not lend the content")]
    pub fn next(&mut self) -> Result<Option<Member>, LayerError> {
        let mut extension = Extension::default();
        loop {
            self.skip()?;
            let Some(header) = self.header()? else {
                return match extension.announces {
                    false => Ok(None),
                    true => Err(LayerError::Archive("it ends where a file was announced")),
                };
            };
            let size = header.entry_size().ok().filter(|size| i64::try_from(*size).is_ok());
            let size = size.ok_or(LayerError::Archive("a size is malformed"))?;
            if !is_extension(header.entry_type()) {
                return self.member(&header, size, extension).map(Some);
            }
            let block = self.extension(&mut extension.bytes, size)?;
            extension.announces |= header.entry_type() != EntryType::XGlobalHeader;
            match header.entry_type() {
                EntryType::XHeader => extension.read_pax(&block)?,
                EntryType::GNULongName => extension.path = Some(without_end(block)),
                EntryType::GNULongLink => extension.target = Some(without_end(block)),
                // What is said of all members is a comment: nothing of it describes a file.
                _ => {}
            }
        }
    }

    fn member(&mut self, header: &Header, size: u64, ext: Extension) -> Result<Member, LayerError> {
        let path = ext.path.unwrap_or_else(|| header.path_bytes().into_owned());
        let target = ext.target.or_else(|| header.link_name_bytes().map(|name| name.into_owned()));
        let target = target.unwrap_or_default();
        if ext.size.is_some_and(|stated| stated != size) {
            return Err(LayerError::refused(
                &path,
                "has two sizes, in a pax record and its header",
            ));
        }
        let kind = match header.entry_type() {
            EntryType::Directory => Kind::Directory,
            // Archives from before 1988 know directories by their slash alone.
            EntryType::Regular if path.ends_with(b"/") && size == 0 => Kind::Directory,
            EntryType::Regular if path.ends_with(b"/") => {
                return Err(LayerError::refused(&path, "is a directory with content"));
            }
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
            }
            .clamp(*TIMES.start(), *TIMES.end()),
            xattrs: ext.xattrs,
        };
        Ok(Member { path, kind, meta })
    }

    /// The next header block, checked; nothing at the end mark.
    fn header(&mut self) -> Result<Option<Header>, LayerError> {
        let mut header = Header::new_old();
        self.spend(BLOCK)?;
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

    /// The content of an extended header, which has to be held in memory; `spent` is what those
    /// ahead of the same member took.
    fn extension(&mut self, spent: &mut u64, size: u64) -> Result<Vec<u8>, LayerError> {
        let (limit, what) = (self.limits.attributes.0, "bytes in extended headers");
        // Empty ones count too: else an archive of nothing but headers would have no end.
        *spent = spent.saturating_add(size).saturating_add(BLOCK);
        if *spent > limit.saturating_add(BLOCK) {
            return Err(LayerError::Limit { path: String::from("extended header"), limit, what });
        }
        self.spend(size)?;
        let mut bytes = vec![0; usize::try_from(size).expect("checked against a small limit")];
        self.exactly(&mut bytes)?;
        self.padding = padding(size);
        Ok(bytes)
    }

    /// Counts bytes that belong to no file.
    fn spend(&mut self, bytes: u64) -> Result<(), LayerError> {
        self.headers = self.headers.saturating_add(bytes);
        let (limit, what) = (self.limits.total.0, "bytes in all headers");
        if self.headers > limit {
            return Err(LayerError::Limit { path: String::from("archive"), limit, what });
        }
        Ok(())
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
            // Nothing at all means "as the header says".
            b"path" | b"linkpath" | b"uid" | b"gid" | b"size" | b"mtime" if value.is_empty() => {}
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

/// A number of nothing but digits, with a minus before them where `N` takes one.
fn number<N: std::str::FromStr>(value: &[u8]) -> Result<N, LayerError> {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    let plain = digits.iter().all(u8::is_ascii_digit).then_some(value);
    let number = plain.and_then(|value| str::from_utf8(value).ok()?.parse().ok());
    number.ok_or_else(|| LayerError::refused(value, "is not a number a pax record may hold"))
}

/// Seconds before the point, rounded down: a time before 1970 has its fraction count upwards.
fn whole_seconds(value: &[u8]) -> Result<i64, LayerError> {
    let point = value.iter().position(|byte| *byte == b'.').unwrap_or(value.len());
    let seconds: i64 = number(&value[..point])?;
    let fraction = value.get(point + 1..).unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err(LayerError::refused(value, "is not a time a pax record may hold"));
    }
    let below = value.starts_with(b"-") && fraction.iter().any(|digit| *digit != b'0');
    Ok(seconds.saturating_sub(i64::from(below)))
}

/// Whether a header describes the member after it.
fn is_extension(kind: EntryType) -> bool {
    use EntryType::{GNULongLink, GNULongName, XGlobalHeader, XHeader};
    matches!(kind, XHeader | XGlobalHeader | GNULongName | GNULongLink)
}

fn without_end(mut name: Vec<u8>) -> Vec<u8> {
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    name.truncate(end);
    name
}

const _: () = assert!(BLOCK == size_of::<Header>() as u64);
