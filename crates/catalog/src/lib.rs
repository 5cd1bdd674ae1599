//! The catalog: which applications and environments there are, and what people wrote down about
//! them.
//!
//! Metadata is JSON without a schema, edited one property at a time by its dotted path. Two
//! properties have a meaning and are checked: `contact`, `blocked` with `user` and `reason`, and
//! `judgement`.
//!
//! # Guarantees
//! Every change is recorded in the audit in its own transaction. An edit reads, changes and writes
//! in one transaction: two people's edits of different properties both last.

pub mod applications;
pub mod environments;
mod error;
mod metadata;

pub use error::CatalogError;
pub use kiln_store::audit::By;
pub use kiln_store::catalog::{ApplicationRow, EnvironmentRow};
pub use metadata::{Blocked, Edit, Key, MetadataError, blocked, judgement};

use kiln_store::{StoreError, Write};
use std::pin::Pin;

/// Who holds a thing that is about to be deleted: each a short phrase, as "deployed in prod".
///
/// It is asked within the transaction that deletes, so that nothing comes between.
pub type Holders<'a> = Pin<Box<dyn Future<Output = Result<Vec<String>, StoreError>> + Send + 'a>>;

/// The question of [`Holders`]: `|db| Box::pin(deployed(db, app))`.
pub trait AskHolders: for<'a> FnOnce(&'a mut Write) -> Holders<'a> {}

impl<F: for<'a> FnOnce(&'a mut Write) -> Holders<'a>> AskHolders for F {}
