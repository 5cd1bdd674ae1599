//! One module for each noun of the API.

pub(crate) mod apps;
pub(crate) mod backup;
pub(crate) mod bakes;
pub(crate) mod bases;
pub(crate) mod blobs;
pub(crate) mod configuration;
pub(crate) mod deployments;
pub(crate) mod envs;
pub(crate) mod git;
pub(crate) mod health;
pub(crate) mod images;
pub(crate) mod lock;
pub(crate) mod logs;
pub(crate) mod registry;
pub(crate) mod routers;
pub(crate) mod running;
pub(crate) mod runs;
pub(crate) mod secrets;
pub(crate) mod volumes;

use crate::refusal::Refusal;
use kiln_protocol::Code;

/// Does what blocks on the disk where blocking is allowed.
async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Refusal>
where
    T: Send + 'static,
    E: Into<Refusal> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(Into::into),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Refusal::new(Code::Unavailable, "this Kiln is stopping")),
    }
}
