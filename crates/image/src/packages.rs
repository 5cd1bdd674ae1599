//! The distribution's packages in an image, as the package database in its layers has them, and how
//! two images differ in them.
//!
//! Read are dpkg's `var/lib/dpkg/status` and apk's `lib/apk/db/installed`: both are paragraphs of
//! `Key: value` lines, parted by blank ones.

use crate::error::{Context as _, Error};
use crate::store::Store;
use kiln_names::Digest;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The most bytes of a package database that are read: ten times the largest installations'.
const MAX_DATABASE: u64 = 64 << 20;
/// The longest name or version that is believed.
const MAX_WORD: usize = 256;

/// A package that two images do not have alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageChange {
    /// Its name.
    pub name: String,
    /// Its version in the old image, if it is there.
    pub old: Option<String>,
    /// Its version in the new image, if it is there.
    pub new: Option<String>,
}

/// A package database, with the words it uses.
struct Kind {
    path: &'static str,
    name: &'static str,
    version: &'static str,
    /// A line that tells what is installed from what was, where removed packages stay listed.
    status: Option<&'static str>,
}

const KINDS: [Kind; 2] = [
    Kind {
        path: "var/lib/dpkg/status",
        name: "Package",
        version: "Version",
        status: Some("Status"),
    },
    Kind { path: "lib/apk/db/installed", name: "P", version: "V", status: None },
];

impl Store {
    /// How the packages of two images differ, by name. Images of which either has no package
    /// database differ in nothing that can be told.
    ///
    /// # Errors
    /// As [`Store::image`] and [`Store::layer_dir`].
    pub fn package_changes(&self, old: &Digest, new: &Digest) -> Result<Vec<PackageChange>, Error> {
        let (Some(before), Some(after)) = (self.database_of(old)?, self.database_of(new)?) else {
            return Ok(Vec::new());
        };
        // One file of one layer is in both: the common case, and nothing needs to be read.
        if before.1 == after.1 {
            return Ok(Vec::new());
        }
        Ok(changes(&installed(&before)?, &installed(&after)?))
    }

    fn database_of(&self, image: &Digest) -> Result<Option<(&'static Kind, PathBuf)>, Error> {
        let layers = self.image(image)?.layers;
        let diff_ids: Vec<Digest> = layers.iter().map(|layer| layer.diff_id).collect();
        let stack = self.stack(&diff_ids)?;
        for kind in &KINDS {
            if let Some(found) = stack.find(kind.path)?.filter(|found| found.is_file()) {
                return Ok(Some((kind, found)));
            }
        }
        Ok(None)
    }
}

fn installed((kind, path): &(&Kind, PathBuf)) -> Result<BTreeMap<String, String>, Error> {
    Ok(parse(kind, &read(path)?))
}

fn read(path: &Path) -> Result<String, Error> {
    let mut bytes = Vec::new();
    let file = File::open(path).on("open", path)?;
    file.take(MAX_DATABASE).read_to_end(&mut bytes).on("read", path)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Versions by package; a package of several architectures has them all in one line.
fn parse(kind: &Kind, text: &str) -> BTreeMap<String, String> {
    let mut packages: BTreeMap<String, String> = BTreeMap::new();
    for paragraph in text.split("\n\n") {
        let field = |key: &str| {
            let lines = paragraph.lines().filter_map(|line| line.split_once(':'));
            let mut values =
                lines.filter(|(found, _)| *found == key).map(|(_, value)| value.trim());
            values.next().filter(|value| !value.is_empty() && value.len() <= MAX_WORD)
        };
        let removed = kind.status.and_then(field).is_some_and(|word| !word.ends_with(" installed"));
        let (Some(name), Some(version), false) = (field(kind.name), field(kind.version), removed)
        else {
            continue;
        };
        packages
            .entry(name.to_owned())
            .and_modify(|known| {
                if known != version && known.len() <= MAX_WORD {
                    known.push_str(", ");
                    known.push_str(version);
                }
            })
            .or_insert_with(|| version.to_owned());
    }
    packages
}

fn changes(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<PackageChange> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differ = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    let change = |name: &String| PackageChange {
        name: name.clone(),
        old: old.get(name).cloned(),
        new: new.get(name).cloned(),
    };
    differ.map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &Kind, text: &str, expected: &[(&str, &str)]) {
        let found = parse(kind, text);
        let found: Vec<_> = found.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn paragraphs_name_packages_and_versions() {
        let [dpkg, apk] = &KINDS;
        check(dpkg, "", &[]);
        let text = "Package: libpq5\nStatus: install ok installed\nVersion: 15.3-1\n\n\
             Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
             Package: no-version\nStatus: install ok installed\n";
        check(dpkg, text, &[("libpq5", "15.3-1")]);
        let two = "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2\n\n\
             Package: libc6\nStatus: install ok installed\nArchitecture: i386\nVersion: 3\n";
        check(dpkg, two, &[("libc6", "2, 3")]);
        check(
            apk,
            "C:Q1\nP:musl\nV:1.2.4-r2\n\nP:zlib\nV:1.3\n",
            &[("musl", "1.2.4-r2"), ("zlib", "1.3")],
        );
        let long = format!("Package: {}\nVersion: 1\n", "x".repeat(1000));
        check(dpkg, &long, &[]);
    }

    #[test]
    fn packages_come_go_and_change() {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
        };
        let found = changes(
            &map(&[("kept", "1"), ("libpq5", "9.1"), ("gone", "1")]),
            &map(&[("kept", "1"), ("libpq5", "9.6"), ("new", "2")]),
        );
        let short: Vec<_> =
            found.iter().map(|c| (c.name.as_str(), c.old.as_deref(), c.new.as_deref())).collect();
        let expected = [
            ("gone", Some("1"), None),
            ("libpq5", Some("9.1"), Some("9.6")),
            ("new", None, Some("2")),
        ];
        assert_eq!(short, expected);
    }
}
