//! What a repository's name stands for, and the images in it.

use super::denial::{Denial, Reason};
use crate::app::App;
use kiln_names::{AppName, BaseName, Digest};
use kiln_store::{bakes, images};
use std::collections::BTreeSet;

/// The most versions of one application that are looked through.
const MOST: u32 = 10_000;

/// An application's images, or a base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Repository {
    App(AppName),
    Base(BaseName),
}

/// An image of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tagged {
    /// None for a version that cannot be a tag: that image is pulled by its digest.
    pub(super) tag: Option<String>,
    pub(super) digest: Digest,
}

/// The names of all repositories, sorted.
pub(super) async fn names(app: &App) -> Result<Vec<String>, Denial> {
    let mut db = app.database.read().await?;
    let versions = images::versions(&mut db, None, MOST).await?;
    let bases = bakes::bases(&mut db).await?;
    let apps = versions.into_iter().map(|row| row.app.to_string());
    let bases = bases.into_iter().map(|row| Repository::Base(row.name).to_string());
    Ok(apps.chain(bases).collect::<BTreeSet<_>>().into_iter().collect())
}

impl Repository {
    pub(super) fn of_app(name: &str) -> Result<Self, Denial> {
        AppName::parse(name).map(Self::App).map_err(|error| invalid(&error))
    }

    pub(super) fn of_base(name: &str) -> Result<Self, Denial> {
        BaseName::parse(name).map(Self::Base).map_err(|error| invalid(&error))
    }

    /// Its images, the newest first; at least one.
    pub(super) async fn images(&self, app: &App) -> Result<Vec<Tagged>, Denial> {
        let mut db = app.database.read().await?;
        let found: Vec<Tagged> = match self {
            Self::App(name) => {
                let rows = images::versions(&mut db, Some(name), MOST).await?;
                let tagged = |row: images::VersionRow| {
                    // A version may have a plus, a tag may not.
                    let tag = row.version.to_string();
                    Tagged { tag: Some(tag).filter(|tag| !tag.contains('+')), digest: row.digest }
                };
                rows.into_iter().map(tagged).collect()
            }
            Self::Base(name) => {
                let base = bakes::base(&mut db, name).await?;
                let tag = Some("latest".to_owned());
                base.into_iter()
                    .map(|row| Tagged { tag: tag.clone(), digest: row.digest })
                    .collect()
            }
        };
        if found.is_empty() {
            let message = format!("there is no repository {self}: nothing of that name was baked");
            return Err(Denial::new(Reason::NameUnknown, message));
        }
        Ok(found)
    }
}

fn invalid(error: &kiln_names::Invalid) -> Denial {
    Denial::new(Reason::NameInvalid, error.to_string())
}

impl std::fmt::Display for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::App(name) => name.fmt(f),
            Self::Base(name) => write!(f, "base/{name}"),
        }
    }
}
