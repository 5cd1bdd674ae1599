//! The directory of a service: a recipe and its files.

use crate::Kiln;
use std::path::{Path, PathBuf};

/// A service's directory in the test's scratch space.
#[derive(Debug)]
pub struct Project {
    app: String,
    directory: PathBuf,
}

impl Project {
    /// The test service on the base `tiny`: answers with the text of a file, which says `version`.
    /// The application is created.
    ///
    /// # Panics
    /// When it cannot be.
    #[must_use]
    pub fn serving(kiln: &Kiln, app: &str, version: &str) -> Self {
        let project = Self::running(kiln, app, &["serve"]);
        project.says(version);
        project
    }

    /// The test service with other arguments; it says nothing yet.
    ///
    /// # Panics
    /// When the application cannot be created.
    #[must_use]
    pub fn running(kiln: &Kiln, app: &str, arguments: &[&str]) -> Self {
        kiln.done(["app", "create", app]);
        let project = Self { app: app.to_owned(), directory: kiln.scratch().join(app) };
        project.write("files/version", "");
        project.command(arguments);
        project
    }

    /// Replaces the recipe by that of the test service with those arguments.
    pub fn command(&self, arguments: &[&str]) {
        let mut words = vec!["/bin/service"];
        words.extend_from_slice(arguments);
        self.recipe(&format!(
            "[process.web]\ncommand = {words:?}\nport = 8080\nstop = {{ timeout = \"2s\" }}\n"
        ));
    }

    /// Replaces the recipe: the usual head, and those processes.
    pub fn recipe(&self, processes: &str) {
        let app = &self.app;
        self.write(
            "kiln.toml",
            &format!(
                "app = \"{app}\"\n\n[image]\nbase = \"tiny\"\n\
                 copy = [{{ from = \"files/\", to = \"/srv/\" }}]\n\n{processes}"
            ),
        );
    }

    /// Changes what it answers: one line of one file.
    pub fn says(&self, version: &str) {
        self.write("files/version", version);
    }

    /// Writes a file of it.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: &str) {
        let path = self.directory.join(name);
        let parent = path.parent().expect("a file lies in a directory");
        std::fs::create_dir_all(parent).expect("the scratch directory takes directories");
        std::fs::write(path, content).expect("the scratch directory takes files");
    }

    /// Where it lies.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where it lies, as an argument.
    #[must_use]
    pub fn dir(&self) -> &str {
        self.directory.to_str().expect("scratch paths are text")
    }
}
