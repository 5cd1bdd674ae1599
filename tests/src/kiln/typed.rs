//! What is typed at a Kiln.

use super::{Kiln, USER};
use crate::{Ran, program};
use serde_json::Value;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

impl Kiln {
    /// The command line of this Kiln.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        self.command_of(&program::kiln(), arguments)
    }

    /// The command line of this Kiln, with another program.
    pub fn command_of<A: AsRef<OsStr>>(
        &self,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        let mut command = Command::new(program);
        command.env_remove("KILN_URL").env_remove("KILN_TOKEN").env("KILN_DATA", &self.data);
        command.env_remove("SUDO_USER").env("USER", USER);
        command.args(arguments).current_dir(self.scratch.path()).stdin(Stdio::null());
        command
    }

    /// Types a command and waits for its end.
    ///
    /// # Panics
    /// When it cannot be run.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ran {
        Ran::of(self.command(arguments))
    }

    /// Types a command that must end with 0.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn done<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(0), "{ran}\n{}", self.logs());
        ran
    }

    /// Types a command with `--json` that must end with 0 and print one object.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn json<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Value {
        self.done(arguments.into_iter().chain(["--json"])).json()
    }

    /// Types a command with `--json` that must end with 0, and reads one object per line.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn list<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Vec<Value> {
        self.done(arguments.into_iter().chain(["--json"])).lines()
    }

    /// Replaces a configuration file of `app` in `prod`.
    pub fn put(&self, app: &str, file: &str, content: &str) -> Ran {
        self.put_in(app, "prod", file, content)
    }

    /// The same in another environment.
    ///
    /// # Panics
    /// When the command cannot be run.
    pub fn put_in(&self, app: &str, env: &str, file: &str, content: &str) -> Ran {
        let path = self.scratch.path().join(format!("{app}-{env}-{file}"));
        std::fs::write(&path, content).expect("the scratch directory takes files");
        let mut command = self.command(["config", "put", app, env, file, "-m", "test"]);
        command.stdin(std::fs::File::open(path).expect("it was just written"));
        Ran::of(command)
    }

    /// Sets secret `token` of application `app` in `prod`, through standard input.
    ///
    /// # Panics
    /// When the value does not fit a pipe.
    pub fn set_token(&self, app: &str, value: &[u8]) -> Ran {
        assert!(value.len() <= 4096, "a pipe takes it whole before anybody reads");
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        std::io::Write::write_all(&mut writer, value).expect("there is room");
        drop(writer);
        let mut command = self.command(["secret", "set", app, "prod", "token"]);
        command.arg("--json").stdin(reader);
        Ran::of(command)
    }
}
