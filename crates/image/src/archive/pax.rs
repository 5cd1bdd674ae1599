//! The records of pax extended headers: `<length> <key>=<value>\n`, where the length counts itself.
//!
//! Values may hold any byte, line ends included: binary attributes do. Hence not `tar`'s own reader,
//! which splits at line ends.

/// What pax calls an extended attribute, ahead of the attribute's name.
pub(super) const XATTR: &[u8] = b"SCHILY.xattr.";

/// Appends one record.
pub(super) fn append(to: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    to.extend_from_slice(length.to_string().as_bytes());
    to.push(b' ');
    to.extend_from_slice(key);
    to.push(b'=');
    to.extend_from_slice(value);
    to.push(b'\n');
}

/// Takes the first record off `block`; nothing when it is not one.
pub(super) fn split_first<'b>(block: &mut &'b [u8]) -> Option<(&'b [u8], &'b [u8])> {
    let space = block.iter().take(20).position(|byte| *byte == b' ')?;
    let digits = block.get(..space).filter(|it| it.iter().all(u8::is_ascii_digit))?;
    let length: usize = str::from_utf8(digits).ok()?.parse().ok()?;
    let (record, rest) = block.split_at_checked(length)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    *block = rest;
    Some((&record[..equals], &record[equals + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_every_length_and_content_read_back() {
        for length in [0, 1, 85, 86, 87, 88, 89, 90, 984, 985, 986, 987, 988, 989, 990, 9_999] {
            let value = b"\n=\0 \xff".iter().copied().cycle().take(length).collect::<Vec<_>>();
            let mut block = Vec::new();
            append(&mut block, b"SCHILY.xattr.user.x", &value);
            append(&mut block, b"path", b"a");
            let mut rest = block.as_slice();
            let expected = (&b"SCHILY.xattr.user.x"[..], value.as_slice());
            assert_eq!(split_first(&mut rest), Some(expected), "{length}");
            assert_eq!(split_first(&mut rest), Some((&b"path"[..], &b"a"[..])));
            assert_eq!(rest, b"");
        }
    }

    #[test]
    fn what_is_not_a_record_is_refused() {
        for bad in [
            "",
            " ",
            "9",
            "5 a=b",
            "0 a=b\n",
            "2 \n",
            "6 abc\n",
            "99999999 a=b\n",
            "-6 a=b\n",
            "+7 a=b\n",
        ] {
            assert_eq!(split_first(&mut bad.as_bytes()), None, "{bad:?}");
        }
    }
}
