//! Sizes in bytes.

use crate::text::Invalid;

/// A number of bytes. Written as a number with `B`, `KiB`, `MiB`, `GiB` or `TiB`, or as plain
/// bytes; 1 KiB is 1,024 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ByteSize(pub u64);

const UNITS: [(&str, u32); 5] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];

impl ByteSize {
    /// `count` MiB.
    #[must_use]
    pub const fn mib(count: u64) -> Self {
        Self(count << 20)
    }

    /// Reads `512MiB`, `1GiB`, `4096`.
    ///
    /// # Errors
    /// [`Invalid`] for another form, or more than 2^64 bytes.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let rule = "a whole number with B, KiB, MiB, GiB or TiB, such as 512MiB";
        let invalid = || Invalid::new(text, "a size", rule);
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let shift = match unit.trim_start() {
            "" => 0,
            unit => UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(invalid)?.1,
        };
        let number: u64 = number.parse().map_err(|_| invalid())?;
        number.checked_mul(1 << shift).map(Self).ok_or_else(invalid)
    }
}

impl std::str::FromStr for ByteSize {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::parse(text)
    }
}

impl std::fmt::Display for ByteSize {
    /// In the largest unit that holds it exactly, so that it reads back as the same number.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let exact = |shift: u32| self.0 != 0 && self.0.trailing_zeros() >= shift;
        let (unit, shift) = UNITS.iter().find(|(_, shift)| exact(*shift)).unwrap_or(&("B", 0));
        write!(f, "{}{unit}", self.0 >> shift)
    }
}

crate::text_schema!(ByteSize);

impl serde::Serialize for ByteSize {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for ByteSize {
    /// From text with a unit, or from a plain number of bytes.
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Form {
            Number(u64),
            Text(String),
        }
        match Form::deserialize(from)? {
            Form::Number(bytes) => Ok(Self(bytes)),
            Form::Text(text) => Self::parse(&text).map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_reads_back_what_it_shows() {
        for text in ["0B", "1B", "512MiB", "1GiB", "1025B", "3KiB"] {
            assert_eq!(ByteSize::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(ByteSize::parse("2048").unwrap(), ByteSize::parse("2 KiB").unwrap());
    }

    #[test]
    fn sizes_of_no_known_unit_or_beyond_64_bits_are_refused() {
        for bad in ["", "MiB", "1MB", "-1", "1.5GiB", "16777216TiB", "99999999999999999999"] {
            assert!(ByteSize::parse(bad).is_err(), "{bad}");
        }
    }
}
