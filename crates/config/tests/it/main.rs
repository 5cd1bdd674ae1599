//! Repositories with the real git, each test in a directory of its own.

#![expect(clippy::unwrap_used, reason = "in a test, to panic is to fail")]

mod concurrency;
mod history;
mod pushing;
mod revisions;
mod writing;

use kiln_config::{Put, Repositories};
use kiln_names::{AppName, CommitId, EnvName};
use kiln_protocol::configuration::ConfigurationFile;
use std::process::Command;

pub(crate) const PARAMS: ConfigurationFile = ConfigurationFile::Params;

/// The repository of hello in prod, in a directory that goes with it.
pub(crate) struct Bench {
    pub(crate) repositories: Repositories,
    pub(crate) app: AppName,
    pub(crate) env: EnvName,
    directory: tempfile::TempDir,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let bench = Self::empty();
        bench.repositories.ensure(&bench.app, &bench.env).await.unwrap();
        bench
    }

    pub(crate) fn empty() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            repositories: Repositories::open(directory.path()).unwrap(),
            app: AppName::parse("hello").unwrap(),
            env: EnvName::parse("prod").unwrap(),
            directory,
        }
    }

    /// Puts deployment parameters with so many instances.
    pub(crate) async fn put_min(&self, min: u32) -> CommitId {
        let (text, message) = (format!("{{\"min\": {min}}}\n"), format!("min {min}"));
        let put = Put { message: &message, author: "zoe", when: 1_700_000_000, expect: None };
        let outcome =
            self.repositories.put(&self.app, &self.env, PARAMS, text.as_bytes(), &put).await;
        outcome.unwrap().commit()
    }

    /// Runs git as a person would who has the repository's path.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        self.git_with(&[], arguments)
    }

    /// The same with more in its environment.
    pub(crate) fn git_with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> String {
        let output = Command::new("git")
            .envs(environment.iter().copied())
            .args(["-c", "user.name=p", "-c", "user.email=p@x", "--git-dir"])
            .arg(self.repositories.path(&self.app, &self.env))
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// What is in the directory.
    pub(crate) fn entries(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }
}
