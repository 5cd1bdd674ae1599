//! The files that a person sent with a recipe, and which of them each `copy` means. Pure.

use crate::packages::PackageFile;
use kiln_image::{CopyEntry, CopyKind, CopySource};
use kiln_names::Digest;
use kiln_protocol::bake::{ContextContent, ContextEntry};
use kiln_protocol::recipe::{ContextPath, Copy, FilePattern};
use std::collections::BTreeMap;

/// The most entries of one context. A checkout with all its dependencies has a tenth.
const MAX_ENTRIES: usize = 500_000;

/// Why a context cannot be baked. Reads after "failed to …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// An entry that no context may hold.
    #[error("take {path:?}: {reason}")]
    Entry {
        /// Its path.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Too many entries.
    #[error("take {count} files: at most {MAX_ENTRIES} are taken in one bake")]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// A pattern for package files means none.
    #[error("install {pattern}: no file of that name was sent")]
    NoPackage {
        /// The pattern.
        pattern: String,
    },
    /// What is to be installed is not a package file.
    #[error("install {path}: {reason}")]
    Package {
        /// Its path.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Nothing of that name was sent.
    #[error("copy {from}: there is no such file or directory")]
    NoSource {
        /// What the recipe names.
        from: String,
    },
}

/// A checked context.
#[derive(Debug)]
pub(crate) struct Context<'c> {
    entries: BTreeMap<&'c str, &'c ContextEntry>,
}

impl<'c> Context<'c> {
    pub(crate) fn check(entries: &'c [ContextEntry]) -> Result<Self, ContextError> {
        if entries.len() > MAX_ENTRIES {
            return Err(ContextError::TooMany { count: entries.len() });
        }
        let mut checked = BTreeMap::new();
        for entry in entries {
            let refuse = |reason| ContextError::Entry { path: entry.path.clone(), reason };
            check_entry(entry).map_err(refuse)?;
            if checked.insert(entry.path.as_str(), entry).is_some() {
                return Err(refuse("it stands twice"));
            }
        }
        Ok(Self { entries: checked })
    }

    /// The package files that `patterns` mean, in the order of paths.
    pub(crate) fn package_files(
        &self,
        patterns: &[FilePattern],
    ) -> Result<Vec<PackageFile>, ContextError> {
        let means_one = |pattern: &&FilePattern| self.entries.keys().any(|it| pattern.matches(it));
        if let Some(pattern) = patterns.iter().find(|pattern| !means_one(pattern)) {
            return Err(ContextError::NoPackage { pattern: pattern.to_string() });
        }
        let meant = |entry: &&&ContextEntry| patterns.iter().any(|it| it.matches(&entry.path));
        package_files(self.entries.values().filter(meant))
    }

    /// All that was sent, as package files.
    pub(crate) fn all_package_files(&self) -> Result<Vec<PackageFile>, ContextError> {
        package_files(self.entries.values())
    }

    /// What `copy` puts into the image, in the order of paths.
    pub(crate) fn select(&self, copy: &Copy) -> Result<Vec<CopyEntry>, ContextError> {
        let from = copy.from.as_str();
        let to = copy.to.as_str().trim_end_matches('/');
        let named = self.entries.get(from).copied();
        if let Some(entry) = named.filter(|entry| entry.content != ContextContent::Directory) {
            let name = from.rsplit('/').next().unwrap_or(from);
            let path = if copy.into_directory { format!("{to}/{name}") } else { to.to_owned() };
            return Ok(vec![copied(entry, path)]);
        }
        let inside = if from == "." { String::new() } else { format!("{from}/") };
        let below = self.entries.range(inside.as_str()..);
        let below = below.take_while(|(path, _)| path.starts_with(&inside));
        let below =
            below.map(|(path, entry)| copied(entry, format!("{to}/{}", &path[inside.len()..])));
        let below: Vec<CopyEntry> = below.collect();
        if named.is_none() && below.is_empty() && from != "." {
            return Err(ContextError::NoSource { from: from.to_owned() });
        }
        let mode = named.map_or(0o755, |entry| entry.mode);
        let top = CopyEntry { path: format!("{to}/"), mode, kind: CopyKind::Directory };
        Ok([top].into_iter().chain(below).collect())
    }
}

fn package_files<'e, 'c: 'e>(
    entries: impl Iterator<Item = &'e &'c ContextEntry>,
) -> Result<Vec<PackageFile>, ContextError> {
    let mut files: Vec<PackageFile> = Vec::new();
    for entry in entries {
        let refuse = |reason| ContextError::Package { path: entry.path.clone(), reason };
        let ContextContent::File { digest, .. } = &entry.content else {
            return Err(refuse("it is not a file"));
        };
        let file = PackageFile::new(&entry.path, *digest)
            .ok_or_else(|| refuse("package files end with .deb"))?;
        if files.iter().any(|known| known.name == file.name) {
            return Err(refuse("another package file has the same name"));
        }
        files.push(file);
    }
    Ok(files)
}

fn copied(entry: &ContextEntry, path: String) -> CopyEntry {
    let kind = match &entry.content {
        ContextContent::File { digest, .. } => CopyKind::File(CopySource::Blob(*digest)),
        ContextContent::Directory => CopyKind::Directory,
        ContextContent::Link { target } => CopyKind::Symlink(target.clone()),
    };
    CopyEntry { path, mode: entry.mode, kind }
}

fn check_entry(entry: &ContextEntry) -> Result<(), &'static str> {
    let path = ContextPath::parse(&entry.path).ok();
    if path.is_none_or(|path| path.as_str() != entry.path || entry.path == ".") {
        return Err("its path is not relative and plain");
    }
    if entry.mode > 0o7777 {
        return Err("its mode is more than permission bits");
    }
    match &entry.content {
        ContextContent::Link { target } if !stays_inside(&entry.path, target) => {
            Err("it is a link that leaves the directory")
        }
        ContextContent::File { .. } | ContextContent::Directory | ContextContent::Link { .. } => {
            Ok(())
        }
    }
}

/// Whether a link at `path` with this text points into the context, going by the text alone.
fn stays_inside(path: &str, target: &str) -> bool {
    if target.is_empty() || target.starts_with('/') || target.contains('\0') {
        return false;
    }
    let above = path.matches('/').count();
    let depth = target.split('/').try_fold(above, |depth, name| match name {
        "" | "." => Some(depth),
        ".." => depth.checked_sub(1),
        _ => Some(depth + 1),
    });
    depth.is_some()
}

/// The inputs of a copy for its key, each entry as (path, mode, kind, content).
pub(crate) fn key_of(entries: &[CopyEntry]) -> Vec<(&str, u32, &'static str, String)> {
    let one = |entry: &CopyEntry| match &entry.kind {
        CopyKind::Directory => ("directory", String::new()),
        CopyKind::File(CopySource::Blob(digest)) => ("file", digest.to_string()),
        CopyKind::File(CopySource::Path(path)) => ("path", path.display().to_string()),
        CopyKind::Symlink(target) => ("link", target.clone()),
    };
    let keyed = |entry| {
        let (kind, content) = one(entry);
        (entry.path.as_str(), entry.mode, kind, content)
    };
    entries.iter().map(keyed).collect()
}

/// The blobs that copying `entries` reads.
pub(crate) fn blobs(entries: &[CopyEntry]) -> impl Iterator<Item = Digest> {
    entries.iter().filter_map(|entry| match &entry.kind {
        CopyKind::File(CopySource::Blob(digest)) => Some(*digest),
        CopyKind::File(CopySource::Path(_)) | CopyKind::Directory | CopyKind::Symlink(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_protocol::recipe::AbsolutePath;

    fn entry(path: &str, content: ContextContent) -> ContextEntry {
        ContextEntry { path: path.to_owned(), mode: 0o644, content }
    }

    fn file(path: &str) -> ContextEntry {
        entry(path, ContextContent::File { digest: Digest::of(path.as_bytes()), size: 1 })
    }

    fn link(path: &str, target: &str) -> ContextEntry {
        entry(path, ContextContent::Link { target: target.to_owned() })
    }

    fn select(entries: &[ContextEntry], from: &str, to: &str) -> Vec<String> {
        let copy = Copy {
            from: ContextPath::parse(from).unwrap(),
            to: AbsolutePath::parse(to).unwrap(),
            into_directory: to.ends_with('/'),
        };
        let selected = Context::check(entries).unwrap().select(&copy).unwrap();
        selected.into_iter().map(|entry| entry.path).collect()
    }

    #[test]
    fn a_directory_stands_for_its_content_and_a_file_for_itself() {
        let entries = [
            file("app/a.py"),
            file("app/lib/b.py"),
            file("app-x"),
            file("app.txt"),
            entry("empty", ContextContent::Directory),
        ];
        let check = |from, to, expected: &[&str]| assert_eq!(select(&entries, from, to), expected);
        check("app/", "/srv/hello/", &["/srv/hello/", "/srv/hello/a.py", "/srv/hello/lib/b.py"]);
        check("app", "/srv", &["/srv/", "/srv/a.py", "/srv/lib/b.py"]);
        check("app/lib", "/", &["/", "/b.py"]);
        check("app.txt", "/etc/app.conf", &["/etc/app.conf"]);
        check("app/a.py", "/srv/", &["/srv/a.py"]);
        check("empty", "/var/empty", &["/var/empty/"]);
        assert_eq!(select(&entries, ".", "/x").len(), 6);
    }

    #[test]
    fn what_was_not_sent_cannot_be_copied() {
        let entries = [file("app/a.py")];
        let copy = Copy {
            from: ContextPath::parse("ap").unwrap(),
            to: AbsolutePath::parse("/srv").unwrap(),
            into_directory: false,
        };
        let error = Context::check(&entries).unwrap().select(&copy).unwrap_err();
        assert_eq!(error.to_string(), "copy ap: there is no such file or directory");
    }

    #[test]
    fn package_files_are_found_by_their_patterns_in_the_order_of_paths() {
        let entries = [file("d/b_1.deb"), file("d/a_1.deb"), file("c.deb"), file("d/a.txt")];
        let check = |patterns: &[&str], expected: Result<&[&str], &str>| {
            let patterns: Vec<_> =
                patterns.iter().map(|it| FilePattern::parse(it).unwrap()).collect();
            let found = Context::check(&entries).unwrap().package_files(&patterns);
            let found = found.map(|it| it.into_iter().map(|it| it.name).collect::<Vec<_>>());
            match expected {
                Ok(names) => assert_eq!(found.unwrap(), names),
                Err(text) => assert_eq!(found.unwrap_err().to_string(), text),
            }
        };
        check(&[], Ok(&[]));
        check(&["d/*.deb", "d/a*.deb", "*.deb"], Ok(&["c.deb", "a_1.deb", "b_1.deb"]));
        check(&["c.deb", "e/*.deb"], Err("install e/*.deb: no file of that name was sent"));
        check(&["d/*"], Err("install d/a.txt: package files end with .deb"));
    }

    #[test]
    fn entries_that_could_reach_outside_are_refused() {
        let check = |entry: ContextEntry| Context::check(&[entry]).map(drop);
        for good in [link("a/b", "../c"), link("a/b", "c/../../d"), link("a", "./b")] {
            assert_eq!(check(good), Ok(()));
        }
        for bad in [
            link("a/b", "../../c"),
            link("a", ".."),
            link("a", "/etc/passwd"),
            link("a", ""),
            file("../a"),
            file("/a"),
            file("a/"),
            file("./a"),
            file("."),
            file(""),
            ContextEntry { mode: 0o100_644, ..file("a") },
        ] {
            assert!(check(bad.clone()).is_err(), "{bad:?}");
        }
        assert!(Context::check(&[file("a"), file("a")]).is_err());
    }
}
