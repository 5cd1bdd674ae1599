//! The rows of the table, in their order; each measures one or a few figures that belong together.

mod bake;
mod command_line;
mod deploy;
mod failures;
mod many;
mod memory;
mod rollback;
mod router;
mod run;
mod ship;
mod start;
mod swarm;

use crate::figure::Figure;
use crate::stage::Stage;
use anyhow::Result;

/// One row.
pub(crate) struct Row {
    /// What people type to have it alone.
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) measure: fn(&Stage) -> Result<Vec<Figure>>,
}

/// All rows.
pub(crate) const ALL: &[Row] = &[
    Row { name: "ship", about: "a one-line change until both serve it", measure: ship::measure },
    Row { name: "bake", about: "an image, a file changed or nothing", measure: bake::measure },
    Row { name: "deploy", about: "what a deployment adds to the start", measure: deploy::measure },
    Row { name: "rollback", about: "back to what is still warm", measure: rollback::measure },
    Row { name: "swarm", about: "all of that on a Swarm", measure: swarm::measure },
    Row { name: "start", about: "one instance", measure: start::measure },
    Row { name: "run", about: "an image here and now", measure: run::measure },
    Row { name: "many", about: "64 instances at once", measure: many::measure },
    Row { name: "failures", about: "a hundred changes under load", measure: failures::measure },
    Row { name: "router", about: "requests per processor", measure: router::measure },
    Row { name: "memory", about: "what is held at rest", measure: memory::measure },
    Row { name: "cli", about: "the command line itself", measure: command_line::measure },
];

/// Their names, for the command line.
pub(crate) fn names() -> Vec<&'static str> {
    ALL.iter().map(|row| row.name).collect()
}
