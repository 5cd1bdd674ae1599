//! Processes as they travel in an image's labels.

use super::{
    AbsolutePath, Capability, MAX_ARGUMENT_BYTES, MAX_ARGUMENTS, MAX_STOP, MAX_WRITABLE, Processes,
    Stop, is_services_own,
};
use kiln_names::Span;
use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU16;

/// The labels of an image's OCI configuration that Kiln writes and reads.
pub mod labels {
    /// The application that the image is of.
    pub const APP: &str = "dev.kiln.app";
    /// The base's name and digest, as `debian-12@sha256:…`.
    pub const BASE: &str = "dev.kiln.base";
    /// The resolved packages, as `name=version` joined by spaces.
    pub const PACKAGES: &str = "dev.kiln.packages";
    /// The processes, as JSON: see [`super::Processes::from_label`].
    pub const PROCESSES: &str = "dev.kiln.processes";
}

/// One way to run an image, complete: its user is numbers, so that nothing is looked up at start.
///
/// Members that a later Kiln adds are ignored by an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageProcess {
    /// The program, by its whole path, and its arguments.
    pub command: Vec<String>,
    /// The port that it listens on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<NonZeroU16>,
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// Directories that it may write to, besides `/tmp`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writable: Vec<AbsolutePath>,
    /// What root keeps of its powers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<Capability>,
    /// How it is asked to stop.
    #[serde(default)]
    pub stop: Stop,
    /// Where it starts; without one, at the root. No recipe says it; images from elsewhere do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<AbsolutePath>,
}

/// Why the text of a label is not the processes of an image.
#[derive(Debug, thiserror::Error)]
#[error("the label {} does not hold processes", labels::PROCESSES)]
pub struct InvalidLabel(#[from] serde_json::Error);

impl Processes<ImageProcess> {
    /// The text of the label [`labels::PROCESSES`]; the same processes give the same bytes.
    #[must_use]
    pub fn to_label(&self) -> String {
        serde_json::to_string(self).expect("names are strings and nothing else can fail")
    }

    /// Reads the text of that label.
    ///
    /// # Errors
    /// [`InvalidLabel`] when it is not what [`Processes::to_label`] writes, or says what no recipe
    /// could: images come from elsewhere, too.
    pub fn from_label(text: &str) -> Result<Self, InvalidLabel> {
        let processes: Self = serde_json::from_str(text)?;
        if processes.is_empty() {
            return Err(serde_json::Error::custom("it names none").into());
        }
        for (name, process) in processes.iter() {
            let wrong = |rule| serde_json::Error::custom(format!("process {name}: {rule}"));
            process.check().map_err(wrong)?;
        }
        Ok(processes)
    }
}

impl ImageProcess {
    /// What a recipe could not have said.
    fn check(&self) -> Result<(), &'static str> {
        let fits = |word: &String| word.len() <= MAX_ARGUMENT_BYTES && !word.contains('\0');
        match () {
            () if !self.command.first().is_some_and(|program| program.starts_with('/')) => {
                Err("its program is not named by its whole path")
            }
            () if self.command.len() > MAX_ARGUMENTS || !self.command.iter().all(fits) => {
                Err("its command is too long")
            }
            // To the kernel that number means "as before": as root.
            () if self.uid == u32::MAX || self.gid == u32::MAX => {
                Err("nobody has its user's number")
            }
            () if self.uid != 0 && !self.capabilities.is_empty() => {
                Err("only root can have capabilities")
            }
            () if self.writable.len() > MAX_WRITABLE
                || !self.writable.iter().all(is_services_own) =>
            {
                Err("it would write to what is not the service's")
            }
            () if !(Span::millis(1)..=MAX_STOP).contains(&self.stop.timeout) => {
                Err("its time to stop is too short or too long")
            }
            () => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"web":{"command":["/a"],"uid":1,"gid":1,"writable":["/var/x"]}}"#;

    #[test]
    fn a_label_that_no_recipe_would_have_made_is_refused() {
        let check = |from: &str, to: &str, why: &str| {
            let error = Processes::from_label(&GOOD.replace(from, to)).unwrap_err();
            let error = std::error::Error::source(&error).unwrap().to_string();
            assert!(error.contains(why), "{error}");
        };
        Processes::from_label(GOOD).unwrap();
        check(GOOD, "{}", "it names none");
        check(r#"["/a"]"#, "[]", "process web: its program is not named by its whole path");
        check("/a", "a", "its program");
        check("/a", r"/a\u0000b", "its command is too long");
        check(r#""uid":1"#, r#""uid":4294967295"#, "nobody has its user's number");
        check(r#""gid":1"#, r#""gid":1,"capabilities":["KILL"]"#, "only root");
        for place in ["/", "/proc", "/proc/sys", "/dev/shm", "/sys", "/run/kiln"] {
            check("/var/x", place, "it would write to what is not the service's");
        }
        check(
            r#""gid":1"#,
            r#""gid":1,"stop":{"signal":"SIGTERM","timeout":"2h"}"#,
            "its time to stop",
        );
        check("web", "../web", "is not a process name");
    }
}
