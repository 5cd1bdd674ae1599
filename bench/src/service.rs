//! The service that Kiln and its peers deploy: a copy of the greeter, whose greeting is the one line
//! that a new version changes.

use anyhow::{Context, Result};
use std::cell::Cell;
use std::path::PathBuf;

/// Its directory, with Kiln's recipe and Docker's beside each other.
pub(crate) struct Service {
    directory: PathBuf,
    versions: Cell<u32>,
}

impl Service {
    pub(crate) fn new(directory: PathBuf) -> Result<Self> {
        let repository = kiln_tests::repository();
        let original = repository.join("examples/greeter");
        std::fs::create_dir_all(directory.join("app"))?;
        for file in ["app/greeter.py", "app/greeting.txt"] {
            std::fs::copy(original.join(file), directory.join(file))?;
        }
        std::fs::copy(repository.join("bench/peers/Dockerfile"), directory.join("Dockerfile"))?;
        let recipe = std::fs::read_to_string(original.join("kiln.toml"))?;
        // Python is in the base, for Kiln as for its peers: nothing can be fetched here.
        let recipe: Vec<&str> =
            recipe.lines().filter(|line| !line.starts_with("packages")).collect();
        std::fs::write(directory.join("kiln.toml"), recipe.join("\n") + "\n")?;
        Ok(Self { directory, versions: Cell::new(0) })
    }

    /// Changes one line, to one that was never there before, and returns it.
    pub(crate) fn change(&self) -> Result<String> {
        crate::interrupt::check()?;
        self.versions.set(self.versions.get() + 1);
        let version = format!("greeter v{}", self.versions.get());
        std::fs::write(self.directory.join("app/greeting.txt"), format!("{version}\n"))?;
        Ok(version)
    }

    pub(crate) fn dir(&self) -> &str {
        self.directory.to_str().expect("scratch paths are text")
    }

    /// What starts, without anything around it.
    pub(crate) fn program(&self) -> PathBuf {
        self.directory.join("app/greeter.py")
    }
}

/// The example's configuration.
pub(crate) fn params() -> Result<String> {
    let path = "examples/greeter/config/deployment-params.json";
    std::fs::read_to_string(kiln_tests::repository().join(path)).context("read the configuration")
}
