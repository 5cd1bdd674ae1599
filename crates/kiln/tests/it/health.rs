//! What the engine does about instances that do not pass their check.

use crate::keeping::{Keeping, SERVE_PAGE};
use crate::machine::until;
use kiln_engine::InstanceState;
use kiln_router::Health;
use std::time::Duration;

#[test]
fn an_unhealthy_instance_is_replaced_while_another_is_healthy() {
    let keeping = Keeping::healthy(SERVE_PAGE, 2);
    let failed = keeping.instances()[0].id;
    let other = keeping.instances()[1].id;
    keeping.fail(failed);
    until("it is gone", || {
        assert_eq!(keeping.state(other), Some(InstanceState::Healthy));
        keeping.state(failed).is_none()
    });
    keeping.until_healthy(2);
    assert!(keeping.ids().contains(&other));
}

#[test]
fn none_is_replaced_when_all_fail_at_once() {
    let mut keeping = Keeping::healthy(SERVE_PAGE, 2);
    let ids = keeping.ids();
    // While no engine looks, so that it hears of both at once.
    keeping.crash();
    ids.iter().for_each(|id| keeping.fail(*id));
    until_router_finds(&keeping, Health::Unhealthy);
    keeping.take_over();
    until("the engine finds all unhealthy", || {
        keeping.instances().iter().all(|i| i.state == InstanceState::Unhealthy)
    });
    assert_eq!(keeping.ids(), ids, "nobody was replaced");
    keeping.crash();
    ids.iter().for_each(|id| keeping.pass(*id));
    until_router_finds(&keeping, Health::Healthy);
    keeping.take_over();
    keeping.until_healthy(2);
    assert_eq!(keeping.ids(), ids, "nobody was replaced");
}

fn until_router_finds(keeping: &Keeping, health: Health) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let router = keeping.machine.router();
    until(&format!("the router finds all {health:?}"), || {
        let status = runtime.block_on(router.status(None, Duration::ZERO)).unwrap();
        status.instances.iter().all(|said| said.health == health)
    });
}
