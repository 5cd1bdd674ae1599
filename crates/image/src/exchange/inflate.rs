//! Compressed content into plain, with a limit on how far it may grow.

use super::error::ImportError;
use crate::error::Context as _;
use crate::limits::Limits;
use flate2::bufread::MultiGzDecoder;
use kiln_names::ByteSize;
use std::io::{self, BufReader, Read, Write};

/// How many times its size compressed content may grow. Programs grow threefold, text tenfold; only
/// what is nearly all zeros grows further.
const RATIO: u64 = 200;
/// What content of any size may grow to: little enough to be harmless.
const HARMLESS: u64 = 64 << 20;
/// The most memory that zstd may ask for, as a power of two: what its own tools write by default.
const WINDOW: u32 = 27;
/// Large enough that calls do not take the time.
const BUFFER: usize = 256 << 10;

/// How content is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    /// What a layer's media type says, in OCI's words or in Docker's older ones; nothing for a layer
    /// that no one can unpack here.
    pub(super) fn of_layer(media_type: &str) -> Option<Self> {
        Some(match media_type {
            "application/vnd.oci.image.layer.v1.tar"
            | "application/vnd.docker.image.rootfs.diff.tar" => Self::Plain,
            "application/vnd.oci.image.layer.v1.tar+gzip"
            | "application/vnd.docker.image.rootfs.diff.tar.gzip" => Self::Gzip,
            "application/vnd.oci.image.layer.v1.tar+zstd"
            | "application/vnd.docker.image.rootfs.diff.tar.zstd" => Self::Zstd,
            _ => return None,
        })
    }

    /// What the first bytes say.
    pub(super) fn sniff(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }
}

/// Unpacks `size` bytes `from` there; says how many they became.
///
/// # Errors
/// [`ImportError::Bomb`] as soon as they grow too far; [`ImportError::Archive`] for content that is
/// damaged, and when either side fails.
pub(super) fn inflate(
    packing: Packing,
    from: impl Read,
    size: u64,
    mut to: impl Write,
) -> Result<u64, ImportError> {
    let from = BufReader::with_capacity(BUFFER, from);
    let mut plain: Box<dyn Read + '_> = match packing {
        Packing::Plain => Box::new(from),
        Packing::Gzip => Box::new(MultiGzDecoder::new(from)),
        Packing::Zstd => Box::new(zstd_reader(from).within(b"zstd")?),
    };
    let limit = limit(packing, size);
    let mut buffer = vec![0; BUFFER];
    let mut grown = 0;
    loop {
        let read = match plain.read(&mut buffer) {
            Ok(0) => return Ok(grown),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other.within(b"compressed content")?,
        };
        grown += read as u64;
        if grown > limit {
            let (compressed, limit) = (ByteSize(size), ByteSize(limit));
            return Err(ImportError::Bomb { compressed, limit });
        }
        to.write_all(&buffer[..read]).within(b"plain content")?;
    }
}

fn limit(packing: Packing, size: u64) -> u64 {
    let most = Limits::default().total.0;
    match packing {
        Packing::Plain => most,
        Packing::Gzip | Packing::Zstd => size.saturating_mul(RATIO).max(HARMLESS).min(most),
    }
}

fn zstd_reader<R: io::BufRead>(from: R) -> io::Result<zstd::stream::read::Decoder<'static, R>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(from)?;
    decoder.window_log_max(WINDOW)?;
    Ok(decoder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(plain).unwrap();
        gzip.finish().unwrap()
    }

    fn check(packing: Packing, packed: &[u8], expected: &[u8]) {
        let mut plain = Vec::new();
        assert_eq!(Packing::sniff(packed), packing);
        let grown = inflate(packing, packed, packed.len() as u64, &mut plain).unwrap();
        assert_eq!((plain.as_slice(), grown), (expected, expected.len() as u64));
    }

    #[test]
    fn content_is_unpacked_in_several_parts_too() {
        check(Packing::Plain, b"hello", b"hello");
        check(Packing::Gzip, &gzip(b"hello"), b"hello");
        check(Packing::Gzip, &[gzip(b"hel"), gzip(b"lo")].concat(), b"hello");
        let zstd = |plain: &[u8]| zstd::encode_all(plain, 3).unwrap();
        check(Packing::Zstd, &zstd(b"hello"), b"hello");
        check(Packing::Zstd, &[zstd(b"hel"), zstd(b"lo")].concat(), b"hello");
    }

    #[test]
    fn what_grows_too_far_is_given_up_at_the_limit() {
        let zeros = vec![0; 65 << 20];
        for (packing, packed) in
            [(Packing::Gzip, gzip(&zeros)), (Packing::Zstd, zstd::encode_all(&*zeros, 3).unwrap())]
        {
            let size = packed.len() as u64;
            let error = inflate(packing, &*packed, size, io::sink()).unwrap_err();
            assert!(matches!(error, ImportError::Bomb { .. }), "{error}");
            let enough = zeros.len() as u64;
            assert_eq!(inflate(packing, &*packed, enough, io::sink()).unwrap(), enough);
        }
    }

    #[test]
    fn what_is_damaged_or_cut_short_is_refused() {
        for (packing, mut packed) in [
            (Packing::Gzip, gzip(b"hello, world")),
            (Packing::Zstd, zstd::encode_all(&b"hello, world"[..], 3).unwrap()),
        ] {
            packed.truncate(packed.len() - 4);
            assert!(inflate(packing, &*packed, 99, io::sink()).is_err(), "{packing:?}");
            assert!(inflate(packing, &b"not this"[..], 99, io::sink()).is_err(), "{packing:?}");
        }
    }
}
