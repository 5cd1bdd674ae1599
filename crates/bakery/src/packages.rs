//! The distribution's packages, by apt: what to run, and how to read what it says. Pure.

use crate::BakeError;
use kiln_protocol::recipe::Package;
use serde::{Deserialize, Serialize};

/// Nothing but what was asked for is installed, no question is asked, lists come without
/// translations, and no file is synced: the layer is, at its end.
const APT: &str = "apt-get -y -q --no-install-recommends -o Acquire::Retries=3 \
    -o Acquire::Languages=none -o Dpkg::Use-Pty=0 -o DPkg::Options::=--force-unsafe-io \
    -o DPkg::Options::=--force-confnew";

/// One package as apt would install it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Resolved {
    /// The name, with its architecture where apt names one.
    pub(crate) name: String,
    /// The version.
    pub(crate) version: String,
    /// Whether the base lacks it; otherwise it is another version there.
    pub(crate) new: bool,
}

/// Reads the lists of packages, and says what would be installed.
pub(crate) fn resolve_command(asked: &[Package]) -> Vec<String> {
    shell(&format!("{APT} update && {APT} --simulate install {}", join(asked.iter())))
}

/// Reads the lists of packages.
pub(crate) fn update_command() -> Vec<String> {
    shell(&format!("{APT} update"))
}

/// Installs exactly `resolved`, and remembers which of them nobody asked for.
pub(crate) fn install_command(asked: &[Package], resolved: &[Resolved]) -> Vec<String> {
    let plain = |name: &str| name.split(':').next().unwrap_or(name).to_owned();
    let wanted: Vec<String> = asked.iter().map(|it| plain(it.name())).collect();
    let pinned = resolved.iter().map(|it| format!("{}={}", it.name, it.version));
    // What the base has already, or what a virtual name stands for, is asked for as it was written.
    let known: Vec<String> = resolved.iter().map(|it| plain(&it.name)).collect();
    let rest = asked.iter().filter(|it| !known.contains(&plain(it.name())));
    let all: Vec<String> = rest.map(ToString::to_string).chain(pinned).collect();
    let helpers = resolved.iter().filter(|it| it.new && !wanted.contains(&plain(&it.name)));
    let helpers: Vec<&str> = helpers.map(|it| it.name.as_str()).collect();
    let mark = match helpers.is_empty() {
        true => String::new(),
        false => format!(" && apt-mark auto {} >/dev/null", helpers.join(" ")),
    };
    shell(&format!("{APT} --allow-downgrades install {}{mark}", all.join(" ")))
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
    let version = rest.split([' ', ')']).next()?;
    // It goes back into a command, so it is what a recipe could have asked for.
    let package = Package::parse(&format!("{name}={version}")).ok()?;
    Some(Resolved { name: package.name().to_owned(), version: version.to_owned(), new })
}

/// The installed packages of a dpkg status file, as `name=version`, sorted.
pub(crate) fn installed(status: &str) -> Vec<String> {
    let field = |stanza: &str, name: &str| {
        let found = |line: &str| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned);
        stanza.lines().find_map(found)
    };
    let one = |stanza: &str| {
        field(stanza, "Status").filter(|status| status.ends_with(" installed"))?;
        Some(format!("{}={}", field(stanza, "Package")?, field(stanza, "Version")?))
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
        let command = install_command(&packages(&["tree", "bash"]), &plan).pop().unwrap();
        let install = "install bash gcc-12-base:i386=12.2.0-14 libc6=2.36-9+deb12u13 tree=2.1.0-1";
        assert!(command.contains(install), "{command}");
        assert!(command.ends_with("&& apt-mark auto gcc-12-base:i386 >/dev/null"), "{command}");
        let alone = install_command(&packages(&["bash"]), &[]).pop().unwrap();
        assert!(alone.ends_with("install bash"), "{alone}");
    }

    #[test]
    fn the_status_file_names_what_is_installed() {
        let status = "Package: tree\nStatus: install ok installed\nVersion: 2.1.0-1\n\n\
            Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
            Package: adduser\nStatus: install ok installed\nDescription: x\n Version: 9\n\
            Version: 3.134\n";
        assert_eq!(installed(status), ["adduser=3.134", "tree=2.1.0-1"]);
    }
}
