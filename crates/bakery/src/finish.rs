//! From layers to an image: users looked up, programs found, labels written.

use crate::within::{self, MAX_FILE};
use crate::{BakeError, packages};
use kiln_image::{ImageConfig, Stack};
use kiln_init::PROGRAM;
use kiln_names::{AppName, ProcessName};
use kiln_protocol::recipe::{ImageProcess, Process, Processes, User, labels};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

/// What an image is made of besides its layers.
#[derive(Debug)]
pub(crate) struct Finishing<'r> {
    pub(crate) app: &'r AppName,
    /// As it stands in the label: `NAME@DIGEST`.
    pub(crate) base: String,
    /// The base's own settings.
    pub(crate) base_config: &'r ImageConfig,
    pub(crate) processes: &'r Processes<Process>,
    /// Variables of the processes, besides the base's.
    pub(crate) env: &'r [String],
}

impl Finishing<'_> {
    /// The settings of the image whose layers are `tree`.
    pub(crate) fn config(&self, tree: &Stack) -> Result<ImageConfig, BakeError> {
        let passwd = read(tree, "/etc/passwd", MAX_FILE)?;
        let resolve = |name: &ProcessName, process: &Process| -> Result<ImageProcess, BakeError> {
            check_program(tree, name, process)?;
            let user = process.user.as_ref().unwrap_or(&User::NOBODY);
            let (uid, gid) = ids(user, &passwd).ok_or_else(|| {
                let (process, user) = (name.clone(), user.to_string());
                BakeError::NoUser { process, user }
            })?;
            Ok(process.resolved(uid, gid))
        };
        let processes = self.processes.try_map(resolve)?;
        let installed = packages::installed(&read(tree, "/var/lib/dpkg/status", MAX_FILE)?);
        Ok(self.configured(&processes, &installed))
    }

    fn configured(&self, processes: &Processes<ImageProcess>, installed: &[String]) -> ImageConfig {
        let (_, main) = processes.main().expect("a recipe has a process");
        let ports = processes.iter().filter_map(|(_, process)| process.port);
        let mut labels = self.base_config.labels.clone();
        labels.insert(labels::APP.to_owned(), self.app.to_string());
        labels.insert(labels::BASE.to_owned(), self.base.clone());
        labels.insert(labels::PROCESSES.to_owned(), processes.to_label());
        if !installed.is_empty() {
            labels.insert(labels::PACKAGES.to_owned(), installed.join(" "));
        }
        ImageConfig {
            architecture: self.base_config.architecture.clone(),
            user: format!("{}:{}", main.uid, main.gid),
            exposed_ports: ports.map(u16::from).collect(),
            env: [&self.base_config.env, self.env].concat(),
            entrypoint: vec![PROGRAM.to_owned()],
            cmd: main.command.clone(),
            working_dir: String::new(),
            labels,
            volumes: self.base_config.volumes.clone(),
            stop_signal: main.stop.signal.to_string(),
        }
    }
}

/// A file of the image as text; nothing when it is not there.
pub(crate) fn read(tree: &Stack, path: &str, limit: u64) -> Result<String, BakeError> {
    let Some(file) = tree.find(path)? else { return Ok(String::new()) };
    let bytes = within::read(&file, limit).map_err(BakeError::io("read the image"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The numbers of a user, by the lines of a passwd file.
fn ids(user: &User, passwd: &str) -> Option<(u32, u32)> {
    let name = match user {
        User::Ids { uid, gid } => return Some((*uid, *gid)),
        _ if user.is_root() => return Some((0, 0)),
        User::Name(name) => name,
    };
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then_some(())?;
        // Root is asked for by its own name, and the highest number is nobody's.
        let uid: u32 = fields.nth(1)?.parse().ok()?;
        let gid: u32 = fields.next()?.parse().ok()?;
        (!matches!(uid, 0 | u32::MAX) && gid != u32::MAX).then_some((uid, gid))
    })
}

fn check_program(tree: &Stack, name: &ProcessName, process: &Process) -> Result<(), BakeError> {
    let program = &process.command[0];
    if process.writable.iter().any(|place| is_within(program, place.as_str())) {
        // It is made there at start.
        return Ok(());
    }
    let found: Option<PathBuf> = tree.find(program)?;
    let found = found.and_then(|path| fs::metadata(path).ok());
    let reason = match found {
        None => "the image has no such file",
        Some(found) if !found.is_file() => "it is not a file",
        Some(found) if found.mode() & 0o111 == 0 => "it is not executable",
        Some(_) => return Ok(()),
    };
    let (process, program) = (name.clone(), program.clone());
    Err(BakeError::NoProgram { process, program, reason })
}

fn is_within(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_and_numbers_need_no_finding() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nhello:x:998:997::/:/bin/sh\nbad:x:y:1::/:\n";
        let check = |user: &str, expected| {
            assert_eq!(ids(&User::parse(user).unwrap(), passwd), expected, "{user}");
        };
        check("hello", Some((998, 997)));
        check("root", Some((0, 0)));
        check("1000:1001", Some((1000, 1001)));
        check("hell", None);
        check("bad", None);
        let passwd = "a:x:0:0::/:\nb:x:4294967295:1::/:\nc:x:1:4294967295::/:\nd:x:-1:1::/:\n";
        for name in ["a", "b", "c", "d"] {
            assert_eq!(ids(&User::parse(name).unwrap(), passwd), None, "{name}");
        }
        assert_eq!(ids(&User::NOBODY, ""), Some((65532, 65532)));
    }
}
