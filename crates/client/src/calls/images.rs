//! Images.

use crate::{Client, ClientError, Download, Events};
use http::Method;
use kiln_names::{AppName, ImageRef, Span};
use kiln_protocol::image::{
    Collected, ExportFormat, Image, ImageDiff, ImageSummary, ImportEvent, NewImage,
};
use kiln_protocol::paths::{self, fill, query};

/// Every method fails as [`ClientError`] says.
impl Client {
    /// All images, or those of one application, the newest first.
    pub async fn images(&self, app: Option<&AppName>) -> Result<Vec<ImageSummary>, ClientError> {
        let query = query(&[("app", app.map(ToString::to_string))]);
        self.ask(Method::GET, &format!("{}{query}", paths::IMAGES)).await
    }

    /// One image.
    pub async fn image(&self, image: &ImageRef) -> Result<Image, ClientError> {
        self.ask(Method::GET, &fill(paths::IMAGE, &[&image.to_string()])).await
    }

    /// How two images differ.
    pub async fn image_diff(
        &self,
        old: &ImageRef,
        new: &ImageRef,
    ) -> Result<ImageDiff, ClientError> {
        let path = fill(paths::IMAGE_DIFF, &[&old.to_string(), &new.to_string()]);
        self.ask(Method::GET, &path).await
    }

    /// Removes an image that nothing uses, with its names.
    pub async fn remove_image(&self, image: &ImageRef) -> Result<(), ClientError> {
        self.order(Method::DELETE, &fill(paths::IMAGE, &[&image.to_string()])).await
    }

    /// Takes an image from an archive that was sent as a blob. Fails with `context-missing` while the
    /// server lacks it.
    pub async fn import_image(&self, new: &NewImage) -> Result<Events<ImportEvent>, ClientError> {
        self.begin(paths::IMAGES, new).await
    }

    /// One image as an archive for other tools.
    pub async fn export_image(
        &self,
        image: &ImageRef,
        format: ExportFormat,
    ) -> Result<Download, ClientError> {
        let query = query(&[("format", Some(format.as_str().to_owned()))]);
        let path = fill(paths::IMAGE_ARCHIVE, &[&image.to_string()]);
        self.download(&format!("{path}{query}")).await
    }

    /// Removes images that nothing needs any more, if they are older than a day or the given span,
    /// and frees the space of what no image refers to.
    pub async fn collect_images(&self, older: Option<Span>) -> Result<Collected, ClientError> {
        let query = query(&[("older", older.map(|span| span.to_string()))]);
        self.ask(Method::POST, &format!("{}{query}", paths::COLLECT)).await
    }
}
