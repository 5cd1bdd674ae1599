//! The simulated engine passes the suite at both of its paces.

use crate::specs::spec;
use kiln_engine::conformance::{Ask, Subject, all};
use kiln_engine::sim::{Pace, SimEngine};
use kiln_engine::{Engine, GroupSpec, Traffic};
use std::sync::Arc;

struct Simulated(Arc<SimEngine>);

#[async_trait::async_trait]
impl Subject for Simulated {
    fn engine(&self) -> Arc<dyn Engine> {
        self.0.clone()
    }

    fn traffic(&self) -> Arc<dyn Traffic> {
        self.0.clone()
    }

    fn spec(&self, ask: &Ask) -> GroupSpec {
        spec(ask)
    }

    // The world is the provider; its callers have no state of their own to lose.
    async fn restart(&mut self) {}
}

#[tokio::test]
async fn the_instant_engine_conforms() {
    let mut subject = Simulated(Arc::new(SimEngine::new(Pace::Instant)));
    all(&mut subject).await.expect_passed();
}

#[tokio::test]
async fn the_stepped_engine_conforms_while_somebody_steps() {
    let engine = Arc::new(SimEngine::new(Pace::Stepped));
    let mut subject = Simulated(engine.clone());
    let steps = async {
        loop {
            engine.step();
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        report = all(&mut subject) => report.expect_passed(),
        () = steps => unreachable!("the steps do not end"),
    }
}
