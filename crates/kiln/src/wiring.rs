//! Which part of Kiln stands behind each of the orchestrator's ports.

mod catalog;
mod configurations;
mod engines;
mod hooks;
mod http;
mod images;
mod metrics;

pub(crate) use catalog::DatabaseCatalog;
pub(crate) use configurations::GitConfigurations;
pub(crate) use engines::{AllEngines, DOCKER, Parts};
pub(crate) use hooks::LiveHooks;
pub(crate) use images::BakedImages;
pub(crate) use metrics::PrometheusMetrics;

use crate::clock;
use kiln_deploy::ports::{Clock, Ids};
use kiln_names::{DeploymentId, GroupId};
use std::time::Duration;

/// The machine's clock.
#[derive(Debug)]
pub(crate) struct SystemClock;

#[async_trait::async_trait]
impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        clock::now_ms()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// Ids from the machine's randomness.
#[derive(Debug)]
pub(crate) struct RandomIds;

impl Ids for RandomIds {
    fn deployment(&self) -> DeploymentId {
        DeploymentId::from_random(clock::random())
    }

    fn group(&self) -> GroupId {
        GroupId::from_random(clock::random())
    }
}
