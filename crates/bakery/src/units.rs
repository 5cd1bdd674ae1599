//! The systemd units that packages ship, found in the tree that they were installed into.

use crate::unit::Unit;
use crate::within::MAX_FILE;
use crate::{BakeError, finish};
use kiln_image::Stack;
use std::collections::{BTreeMap, BTreeSet};

/// Where packages put their units; of merged trees the second is a link to the first.
const DIRECTORIES: [&str; 2] = ["/usr/lib/systemd/system/", "/lib/systemd/system/"];
/// The longest unit that is read. Those of Debian have less than a tenth.
const MAX_UNIT: u64 = 64 << 10;
/// How many units a choice names.
const MAX_NAMED: usize = 20;
/// What units of services are called.
const SERVICE: &str = ".service";

/// Why a package's unit does not say how to run it. Reads after "failed to …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// No package has one.
    #[error("find a command: {packages} has no systemd unit")]
    None {
        /// The packages that were looked into.
        packages: String,
    },
    /// There are several, and none was chosen.
    #[error("choose a systemd unit: there are {}", .units.join(", "))]
    Several {
        /// Their names.
        units: Vec<String>,
    },
    /// The one that was chosen is not there.
    #[error("find the systemd unit {unit}: there are {}", .units.join(", "))]
    Unknown {
        /// The name that was given.
        unit: String,
        /// The names that there are.
        units: Vec<String>,
    },
    /// It says what is not understood.
    #[error("understand {unit}, line {line}: {setting}: {reason}")]
    Setting {
        /// The unit.
        unit: String,
        /// The line.
        line: usize,
        /// What stands there.
        setting: String,
        /// What is not understood about it.
        reason: String,
    },
    /// It lacks something.
    #[error("understand {unit}: {reason}")]
    Lacks {
        /// The unit.
        unit: String,
        /// What it lacks.
        reason: &'static str,
    },
    /// It would run as root.
    #[error("run {unit} as root without being asked to: it names no user")]
    Root {
        /// The unit.
        unit: String,
    },
}

/// The unit to run of those that `packages` have in `tree`: the only one, or the one `asked` for.
pub(crate) fn choose(
    tree: &Stack,
    packages: &BTreeSet<String>,
    asked: Option<&str>,
) -> Result<Unit, BakeError> {
    let units = shipped(tree, packages)?;
    let mut meant = units.iter().filter(|(name, _)| {
        asked.is_none_or(|it| *name == it || name.strip_suffix(SERVICE) == Some(it))
    });
    match (meant.next(), meant.next()) {
        (Some((name, path)), None) => Ok(Unit::parse(name, &finish::read(tree, path, MAX_UNIT)?)?),
        _ => Err(unclear(packages, units.into_keys().collect(), asked).into()),
    }
}

fn unclear(packages: &BTreeSet<String>, mut units: Vec<String>, asked: Option<&str>) -> UnitError {
    units.truncate(MAX_NAMED);
    match asked {
        _ if units.is_empty() => {
            let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
            UnitError::None { packages: packages.join(", ") }
        }
        Some(asked) => UnitError::Unknown { unit: asked.to_owned(), units },
        None => UnitError::Several { units },
    }
}

/// The units that `packages` have by dpkg's lists of their files: where each is, by name.
/// A link to a unit is that unit; a template cannot be run without a name.
fn shipped(
    tree: &Stack,
    packages: &BTreeSet<String>,
) -> Result<BTreeMap<String, String>, BakeError> {
    let mut units = BTreeMap::new();
    for package in packages {
        for path in files_of(tree, package)?.lines() {
            let within = DIRECTORIES.iter().find_map(|dir| path.strip_prefix(dir));
            if within.is_some_and(|name| name.ends_with(SERVICE) && !name.contains('/')) {
                let real = tree.real(path)?.to_string_lossy().into_owned();
                let name = real.rsplit('/').next().unwrap_or(&real).to_owned();
                units.insert(name, real);
            }
        }
    }
    units.retain(|name, _| is_service(name));
    Ok(units)
}

fn is_service(name: &str) -> bool {
    name.ends_with(SERVICE) && !name.contains('@') && !name.contains(char::is_control)
}

/// What dpkg keeps of a package: `NAME.list`, or `NAME:ARCHITECTURE.list` where packages of several
/// architectures could be there. It was just installed, so it is in the topmost layer.
fn files_of(tree: &Stack, package: &str) -> Result<String, BakeError> {
    let name = package.split(':').next().unwrap_or(package);
    let Some(info) = tree.find("/var/lib/dpkg/info")? else { return Ok(String::new()) };
    let read = |source| BakeError::Io { doing: "read what packages were installed", source };
    for entry in std::fs::read_dir(&info).map_err(read)? {
        let file = entry.map_err(read)?.file_name();
        let stem = file.to_str().and_then(|file| file.strip_suffix(".list"));
        if stem.and_then(|stem| stem.split(':').next()) == Some(name) {
            // By its path in the image: what lies there may be a link.
            let path = format!("/var/lib/dpkg/info/{}", file.to_string_lossy());
            return finish::read(tree, &path, MAX_FILE);
        }
    }
    Ok(String::new())
}
