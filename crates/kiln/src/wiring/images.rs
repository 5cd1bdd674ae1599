//! What deployments ask of images: names from the database, facts from the image store.

use crate::chain::chain;
use kiln_bakery::{Runnable, runnable};
use kiln_deploy::Problem;
use kiln_deploy::ports::{Foreign, ImageFacts, Images};
use kiln_image::{PackageChange, Store};
use kiln_names::{AppName, Digest, EnvName, ImageRef};
use kiln_protocol::deployment::Difference;
use kiln_store::{Database, images};

/// Images that were baked here.
#[derive(Debug)]
pub(crate) struct BakedImages {
    pub(crate) database: Database,
    pub(crate) store: Store,
}

#[async_trait::async_trait]
impl Images for BakedImages {
    async fn resolve(&self, image: &ImageRef) -> Result<Digest, Problem> {
        let mut db = self.database.read().await?;
        let found = match image {
            ImageRef::Digest(digest) => images::image(&mut db, digest).await?.map(|row| row.digest),
            ImageRef::Version(app, version) => {
                images::version(&mut db, app, version).await?.map(|row| row.digest)
            }
            ImageRef::Prefix(hex) => match &images::images_by_prefix(&mut db, hex, 2).await?[..] {
                [] => None,
                [only] => Some(*only),
                _ => return Err(Problem::invalid(format!("{hex} begins more than one image"))),
            },
        };
        found.ok_or_else(|| Problem::not_found(format!("there is no image {image}")))
    }

    async fn newest(&self, app: &AppName) -> Result<Option<(Digest, String)>, Problem> {
        let mut db = self.database.read().await?;
        let newest = images::versions(&mut db, Some(app), 1).await?.pop();
        Ok(newest.map(|row| (row.digest, format!("{}:{}", row.app, row.version))))
    }

    async fn facts(&self, image: &Digest, _env: Option<&EnvName>) -> Result<ImageFacts, Problem> {
        let (store, digest) = (self.store.clone(), *image);
        let read = tokio::task::spawn_blocking(move || facts(&store, &digest)).await;
        read.map_err(|error| Problem::unavailable(error.to_string()))?
    }

    async fn package_changes(
        &self,
        old: &Digest,
        new: &Digest,
    ) -> Result<Vec<Difference>, Problem> {
        let (store, old, new) = (self.store.clone(), *old, *new);
        let compare = move || store.package_changes(&old, &new);
        let compared = tokio::task::spawn_blocking(compare).await;
        let compared = compared.map_err(|error| Problem::unavailable(error.to_string()))?;
        let changes = compared.map_err(|error| Problem::unavailable(error.to_string()))?;
        Ok(changes.into_iter().map(difference).collect())
    }
}

fn difference(change: PackageChange) -> Difference {
    let PackageChange { name, old, new } = change;
    Difference { kind: "packages".to_owned(), name, old, new }
}

fn facts(store: &Store, digest: &Digest) -> Result<ImageFacts, Problem> {
    let image = store.image(digest).map_err(|error| Problem::invalid(error.to_string()))?;
    let Runnable { app, processes, has_init, ports } = runnable(store, &image)
        .map_err(|error| Problem::invalid(format!("failed to {}", chain(&error.into()))))?;
    Ok(ImageFacts {
        app,
        processes,
        architecture: image.config.architecture,
        embargo: None,
        foreign: (!has_init).then_some(Foreign { ports }),
    })
}
