//! The distribution's packages, by apt: what to run, and how to read what it says. Pure.

use crate::BakeError;
use crate::chain::Chain;
use kiln_names::Digest;
use kiln_protocol::recipe::Package;
use serde::{Deserialize, Serialize};

/// Nothing but what was asked for is installed, no question is asked, lists come without
/// translations, and no file is synced: the layer is, at its end.
const APT: &str = "apt-get -y -q --no-install-recommends -o Acquire::Retries=3 \
    -o Acquire::Languages=none -o Dpkg::Use-Pty=0 -o DPkg::Options::=--force-unsafe-io \
    -o DPkg::Options::=--force-confnew";

/// How package files are asked for: even when the same version is there, or a newer one, and it is
/// the file's content that counts.
const FILES: &str = "--allow-downgrades --reinstall install";

/// The directory at the root of a step's tree in which package files are found.
pub(crate) const OFFERED: &str = "kiln-install";

/// What apt calls the origin of a package file.
const FROM_FILE: &str = "local-deb";

/// One package as apt would install it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Resolved {
    /// The name, with its architecture where apt names one.
    pub(crate) name: String,
    /// The version.
    pub(crate) version: String,
    /// Whether the base lacks it; otherwise it is another version there.
    pub(crate) new: bool,
    /// Whether it is in a package file that apt was given.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) from_file: bool,
}

/// A package file that came with a recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackageFile {
    /// Its name, without signs that a shell or apt gives a meaning.
    pub(crate) name: String,
    /// The digest of its bytes.
    pub(crate) digest: Digest,
}

/// What a step asks apt for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asked<'s> {
    /// Packages of the distribution, by name.
    Packages(&'s [Package]),
    /// Package files.
    Files(&'s [PackageFile]),
}

impl PackageFile {
    /// The file at `path` of a context; nothing when its name is not a package file's.
    pub(crate) fn new(path: &str, digest: Digest) -> Option<Self> {
        let name = path.rsplit('/').next().filter(|name| name.ends_with(".deb"))?;
        let kept = |sign: char| sign.is_ascii_alphanumeric() || "+-._~".contains(sign);
        let name = name.chars().map(|sign| if kept(sign) { sign } else { '_' }).collect();
        Some(Self { name, digest })
    }

    /// What keys are made of: the names do not count.
    pub(crate) fn digests(files: &[Self]) -> Vec<Digest> {
        files.iter().map(|file| file.digest).collect()
    }
}

impl Asked<'_> {
    /// Says what would be installed, once the lists of packages are read. Package files need the
    /// lists only when they depend on what is not there; and first they have to be package files,
    /// since what apt says of others is hard to understand.
    pub(crate) fn resolve_command(self) -> Vec<String> {
        match self {
            Self::Packages(asked) => {
                shell(&format!("{APT} update && {APT} --simulate install {}", join(asked.iter())))
            }
            Self::Files(files) => {
                let files = offered(files);
                let simulate = format!("{APT} --simulate {FILES} {files}");
                shell(&format!(
                    "for file in {files}; do dpkg-deb --field $file Package >/dev/null || exit; done\n\
                     if plan=$({simulate} 2>/dev/null); then printf '%s\\n' \"$plan\"\n\
                     else {APT} update && {simulate}; fi"
                ))
            }
        }
    }

    /// Reads the lists of packages, when installing `resolved` takes that.
    pub(crate) fn update_command(self, resolved: &[Resolved]) -> Option<Vec<String>> {
        let needed = match self {
            Self::Packages(_) => true,
            Self::Files(_) => resolved.iter().any(|it| !it.from_file),
        };
        needed.then(|| shell(&format!("{APT} update")))
    }

    /// Installs exactly `resolved`, and remembers which of them nobody asked for.
    pub(crate) fn install_command(self, resolved: &[Resolved]) -> Vec<String> {
        let wanted: Vec<String> = match self {
            Self::Packages(asked) => asked.iter().map(|it| plain(it.name())).collect(),
            Self::Files(_) => Vec::new(),
        };
        let listed = || resolved.iter().filter(|it| !it.from_file);
        let pinned = join(listed().map(|it| format!("{}={}", it.name, it.version)));
        let install = match self {
            Self::Packages(asked) => {
                format!("--allow-downgrades install {}", join(unresolved(asked, resolved)))
            }
            Self::Files(files) => format!("{FILES} {}", offered(files)),
        };
        let helpers = listed().filter(|it| it.new && !wanted.contains(&plain(&it.name)));
        let helpers = join(helpers.map(|it| &it.name));
        let mark = match helpers.is_empty() {
            true => String::new(),
            false => format!(" && apt-mark auto {helpers} >/dev/null"),
        };
        shell(&format!("{APT} {} {pinned}{mark}", install.trim_end()))
    }

    /// The key of the layer that installing `resolved` on `chain` leaves.
    pub(crate) fn key(self, chain: Chain, resolved: &[Resolved]) -> Digest {
        match self {
            Self::Packages(asked) => {
                let asked: Vec<&str> = asked.iter().map(Package::as_str).collect();
                chain.key("packages", &(asked, resolved))
            }
            Self::Files(files) => chain.key("install", &(PackageFile::digests(files), resolved)),
        }
    }
}

/// What the base has already, or what a virtual name stands for: asked for as it was written.
fn unresolved<'a>(
    asked: &'a [Package],
    resolved: &[Resolved],
) -> impl Iterator<Item = &'a Package> {
    let known: Vec<String> = resolved.iter().map(|it| plain(&it.name)).collect();
    asked.iter().filter(move |it| !known.contains(&plain(it.name())))
}

fn plain(name: &str) -> String {
    name.split(':').next().unwrap_or(name).to_owned()
}

fn offered(files: &[PackageFile]) -> String {
    join(files.iter().map(|file| format!("/{OFFERED}/{}", file.name)))
}

fn shell(script: &str) -> Vec<String> {
    ["/bin/sh", "-c", script].map(str::to_owned).into()
}

fn join(packages: impl Iterator<Item = impl ToString>) -> String {
    packages.map(|it| it.to_string()).collect::<Vec<_>>().join(" ")
}

/// Reads a simulation's `Inst NAME [OLD] (NEW ORIGIN…)` lines, sorted by name.
pub(crate) fn read_plan(said: &str) -> Result<Vec<Resolved>, BakeError> {
    let lines = said.lines().filter_map(|line| Some((line, line.strip_prefix("Inst ")?)));
    let read = |(line, rest)| read_line(rest).ok_or_else(|| BakeError::Plan(String::from(line)));
    let mut plan: Vec<Resolved> = lines.map(read).collect::<Result<_, _>>()?;
    plan.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(plan)
}

fn read_line(rest: &str) -> Option<Resolved> {
    let (name, rest) = rest.split_once(' ')?;
    let new = !rest.starts_with('[');
    let (_, rest) = rest.split_once('(')?;
    let mut words = rest.split(' ').map(|word| word.trim_end_matches(')'));
    let version = words.next()?;
    let from_file = words.next() == Some(FROM_FILE);
    // It goes back into a command, so it is what a recipe could have asked for.
    let package = Package::parse(&format!("{name}={version}")).ok()?;
    Some(Resolved { name: package.name().to_owned(), version: version.to_owned(), new, from_file })
}

/// The installed packages of a dpkg status file, as `name=version`, sorted.
pub(crate) fn installed(status: &str) -> Vec<String> {
    let field = |stanza: &str, name: &str| {
        let found = |line: &str| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned);
        stanza.lines().find_map(found)
    };
    let one = |stanza: &str| {
        field(stanza, "Status").filter(|status| status.ends_with(" installed"))?;
        let named = format!("{}={}", field(stanza, "Package")?, field(stanza, "Version")?);
        // Anybody may have written that file; what is no package's name is not passed on.
        Package::parse(&named).is_ok().then_some(named)
    };
    let mut packages: Vec<String> = status.split("\n\n").filter_map(one).collect();
    packages.sort();
    packages.dedup();
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "Get:1 http://deb.debian.org/debian bookworm InRelease\n\
        NOTE: This is only a simulation!\n\
        Inst tree (2.1.0-1 Debian:12.11/oldstable [amd64])\n\
        Inst libc6 [2.36-9] (2.36-9+deb12u13 Debian-Security:12/oldstable [amd64]) []\n\
        Inst gcc-12-base:i386 (12.2.0-14 Debian:12 [i386])\n\
        Conf tree (2.1.0-1 Debian:12.11/oldstable [amd64])\n";

    fn packages(names: &[&str]) -> Vec<Package> {
        names.iter().map(|name| Package::parse(name).unwrap()).collect()
    }

    #[test]
    fn a_simulation_names_each_package_and_its_version() {
        let plan = read_plan(SAID).unwrap();
        let shown: Vec<_> =
            plan.iter().map(|it| (it.name.as_str(), it.version.as_str(), it.new)).collect();
        let expected = [
            ("gcc-12-base:i386", "12.2.0-14", true),
            ("libc6", "2.36-9+deb12u13", false),
            ("tree", "2.1.0-1", true),
        ];
        assert_eq!(shown, expected);
        assert!(read_plan("Inst x (1;reboot Debian)").is_err());
        assert!(read_plan("Inst what").is_err());
    }

    #[test]
    fn what_is_installed_is_pinned_and_what_nobody_asked_for_is_marked() {
        let plan = read_plan(SAID).unwrap();
        let asked = packages(&["tree", "bash"]);
        let command = Asked::Packages(&asked).install_command(&plan).pop().unwrap();
        let install = "install bash gcc-12-base:i386=12.2.0-14 libc6=2.36-9+deb12u13 tree=2.1.0-1";
        assert!(command.contains(install), "{command}");
        assert!(command.ends_with("&& apt-mark auto gcc-12-base:i386 >/dev/null"), "{command}");
        let asked = packages(&["bash"]);
        let alone = Asked::Packages(&asked).install_command(&[]).pop().unwrap();
        assert!(alone.trim_end().ends_with("install bash"), "{alone}");
    }

    #[test]
    fn files_are_installed_with_what_they_depend_on_pinned() {
        let files = [PackageFile::new("dist/hello 1%3a2.deb", Digest::of(b"")).unwrap()];
        let plan = read_plan(
            "Inst tree (2.1.0-1 Debian:12.11/oldstable [amd64])\n\
             Inst hello [1:1] (1:2 local-deb [all])\n",
        );
        let plan = plan.unwrap();
        assert_eq!(plan.iter().map(|it| it.from_file).collect::<Vec<_>>(), [true, false]);
        let asked = Asked::Files(&files);
        let command = asked.install_command(&plan).pop().unwrap();
        let install = "install /kiln-install/hello_1_3a2.deb tree=2.1.0-1 && apt-mark auto tree";
        assert!(command.contains(install), "{command}");
        assert!(asked.update_command(&plan).is_some());
        assert!(asked.update_command(&plan[..1]).is_none());
    }

    #[test]
    fn the_status_file_names_what_is_installed() {
        let status = "Package: tree\nStatus: install ok installed\nVersion: 2.1.0-1\n\n\
            Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
            Package: adduser\nStatus: install ok installed\nDescription: x\n Version: 9\n\
            Version: 3.134\n";
        assert_eq!(installed(status), ["adduser=3.134", "tree=2.1.0-1"]);
        let odd = "Package: a\x1b[31m\nStatus: install ok installed\nVersion: 1 2\n";
        assert_eq!(installed(odd), [""; 0]);
    }
}
