//! What deployments ask of images: names from the database, facts from the image store.

use kiln_deploy::Problem;
use kiln_deploy::ports::{ImageFacts, Images};
use kiln_image::{Image, Store};
use kiln_names::{AppName, Digest, EnvName, ImageRef};
use kiln_protocol::recipe::{ImageProcess, Processes, labels};
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
        let read = tokio::task::spawn_blocking(move || store.image(&digest)).await;
        let read = read.map_err(|error| Problem::unavailable(error.to_string()))?;
        facts(&read.map_err(|error| Problem::invalid(error.to_string()))?)
    }
}

fn facts(image: &Image) -> Result<ImageFacts, Problem> {
    let label = |name: &str| image.config.labels.get(name);
    let processes =
        label(labels::PROCESSES).map(|text| Processes::<ImageProcess>::from_label(text));
    let processes = processes.transpose().map_err(|error| {
        Problem::invalid(format!("the image {} says what it runs in vain: {error}", image.digest))
    })?;
    Ok(ImageFacts {
        app: label(labels::APP).and_then(|name| name.parse().ok()),
        processes: processes.unwrap_or_default(),
        architecture: image.config.architecture.clone(),
        embargo: None,
    })
}
