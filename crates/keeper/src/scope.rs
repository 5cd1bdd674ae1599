//! Which environments a keeper answers for.

use kiln_names::EnvName;
use kiln_store::{Connection, StoreError, catalog};
use std::collections::BTreeSet;

/// Which environments a keeper answers for. Each has exactly one keeper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// A single one.
    Environment(EnvName),
    /// All but those whose engine is another than the named one, deleted ones included.
    AllBut {
        /// The engine that runs them.
        engine: &'static str,
    },
}

/// A scope at one moment.
#[derive(Debug)]
pub(crate) enum Held {
    Only(EnvName),
    AllBut(BTreeSet<EnvName>),
}

impl Scope {
    pub(crate) async fn read(&self, db: &mut Connection) -> Result<Held, StoreError> {
        let engine = match self {
            Self::Environment(env) => return Ok(Held::Only(env.clone())),
            Self::AllBut { engine } => engine,
        };
        let rows = catalog::environments(db).await?;
        let others = rows.into_iter().filter(|row| row.engine != *engine);
        Ok(Held::AllBut(others.map(|row| row.name).collect()))
    }
}

impl Held {
    pub(crate) fn holds(&self, env: &EnvName) -> bool {
        match self {
            Self::Only(only) => only == env,
            Self::AllBut(others) => !others.contains(env),
        }
    }
}
