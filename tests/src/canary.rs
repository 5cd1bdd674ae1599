//! A value that must be found nowhere, and where it is looked for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::path::{Path, PathBuf};

/// A random value, and the forms in which it would be recognized.
#[derive(Debug)]
pub struct Canary {
    value: String,
    forms: Vec<Vec<u8>>,
}

impl Canary {
    /// A value that nobody else has.
    ///
    /// # Panics
    /// When the machine has no randomness.
    #[must_use]
    pub fn hatch() -> Self {
        let mut random = [0_u8; 15];
        let mut source = std::fs::File::open("/dev/urandom").expect("randomness");
        std::io::Read::read_exact(&mut source, &mut random).expect("randomness");
        Self::of(&format!("canary-{}", hex(&random)))
    }

    /// The canary of a known value: plain, in hexadecimal, and in base64 wherever in a longer text
    /// it may begin.
    fn of(value: &str) -> Self {
        let hex = hex(value.as_bytes());
        let mut forms = vec![value.as_bytes().to_vec(), hex.clone().into()];
        forms.push(hex.to_ascii_uppercase().into());
        for before in 0..3 {
            let text = STANDARD.encode([&vec![0; before], value.as_bytes()].concat());
            // The first and the last characters also depend on what stands around the value.
            forms.push(text.as_bytes()[4..text.len() - 4].to_vec());
        }
        Self { value: value.to_owned(), forms }
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        self.value.as_bytes()
    }

    /// Whether it is in there, in any of its forms.
    #[must_use]
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        self.forms.iter().any(|form| memchr::memmem::find(bytes, form).is_some())
    }

    /// The files below a directory that hold it, by their names too; links are not followed.
    ///
    /// # Panics
    /// When nothing is there to be looked at.
    #[must_use]
    pub fn files_below(&self, directory: &Path) -> Vec<PathBuf> {
        let (mut found, mut looked) = (Vec::new(), 0);
        self.look(directory, &mut found, &mut looked);
        assert!(looked > 0, "there is nothing in {}", directory.display());
        found
    }

    fn look(&self, directory: &Path, found: &mut Vec<PathBuf>, looked: &mut u32) {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let (path, kind) = (entry.path(), entry.file_type());
            let named = self.is_in(path.as_os_str().as_encoded_bytes());
            if kind.as_ref().is_ok_and(std::fs::FileType::is_dir) {
                self.look(&path, found, looked);
            }
            let is_file = kind.is_ok_and(|kind| kind.is_file());
            *looked += u32::from(is_file);
            let held = is_file && std::fs::read(&path).is_ok_and(|bytes| self.is_in(&bytes));
            if named || held {
                found.push(path);
            }
        }
    }

    /// The processes that have it among their arguments or variables.
    #[must_use]
    pub fn processes(&self, pids: &[i32]) -> Vec<i32> {
        let said = |pid: &i32, what: &str| {
            std::fs::read(format!("/proc/{pid}/{what}")).is_ok_and(|bytes| self.is_in(&bytes))
        };
        let told = |pid: &&i32| said(pid, "cmdline") || said(pid, "environ");
        pids.iter().filter(told).copied().collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_is_found_in_every_form_and_nothing_else_is() {
        let canary = Canary::of("canary-0123456789abcdef");
        let check = |text: &str, expected| assert_eq!(canary.is_in(text.as_bytes()), expected);
        check("x canary-0123456789abcdef y", true);
        check("canary-0123456789abcdee", false);
        check(&hex(b"...canary-0123456789abcdef"), true);
        check(&hex(b"canary-0123456789abcdef").to_uppercase(), true);
        for before in ["", "a", "ab", "abc"] {
            check(&STANDARD.encode(format!("{before}canary-0123456789abcdef and so on")), true);
        }
        check(&STANDARD.encode("canary-0123456788abcdef"), false);
    }

    #[test]
    fn a_canary_is_found_in_files_and_their_names() {
        let canary = Canary::of("canary-0123456789abcdef");
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
        std::fs::write(dir.path().join("a/b/held"), "a\0canary-0123456789abcdef\0").unwrap();
        std::fs::write(dir.path().join("clean"), "canary").unwrap();
        assert_eq!(canary.files_below(dir.path()), [dir.path().join("a/b/held")]);
        std::fs::write(dir.path().join("canary-0123456789abcdef"), "").unwrap();
        assert_eq!(canary.files_below(dir.path()).len(), 2);
    }
}
