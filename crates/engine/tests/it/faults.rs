//! Faults and behaviours of the simulated engine.

use crate::specs::{ask, spec};
use kiln_engine::sim::{Behaviour, Called, Director, Fault, Operation, Pace, SimEngine};
use kiln_engine::{Call, Engine, EngineError, InstanceState};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::Semaphore;

const CALL: Call = Call { epoch: 1 };

#[tokio::test]
async fn a_refused_call_has_no_effect_and_a_lost_reply_has() {
    let engine = SimEngine::new(Pace::Instant);
    let fault = EngineError::retry("reach the provider");
    engine.inject(Operation::EnsureGroup, &Fault::Refuse(fault.clone()), 1);
    engine.inject(Operation::EnsureGroup, &Fault::LoseReply(fault), 1);
    let spec = spec(&ask(1));
    engine.ensure_group(CALL, &spec).await.unwrap_err();
    assert_eq!(engine.groups(), []);
    engine.ensure_group(CALL, &spec).await.unwrap_err();
    assert_eq!(engine.groups(), [spec.id]);
    engine.ensure_group(CALL, &spec).await.unwrap();
}

#[tokio::test]
async fn a_crash_loop_stops_after_three_exits_and_names_the_instance() {
    let engine = SimEngine::new(Pace::Instant);
    let spec = spec(&ask(1));
    let crash = Behaviour::Crash { code: 7, says: "no such table: users".to_owned() };
    engine.behave(spec.image, crash);
    engine.ensure_group(CALL, &spec).await.unwrap();
    engine.resize_group(CALL, spec.id, 1_u32.into()).await.unwrap();
    let seen = engine.observe(None).await.unwrap();
    let crash = seen.groups[0].crash_loop.clone().unwrap();
    assert_eq!((crash.exits, crash.last.cause.as_str()), (3, "exited with code 7"));
    let line = engine.lines().pop().unwrap();
    assert_eq!((line.instance, line.text.as_str()), (crash.instance, "no such table: users"));
}

#[tokio::test]
async fn an_instance_that_never_becomes_healthy_shows_its_check() {
    let engine = SimEngine::new(Pace::Instant);
    let spec = spec(&ask(1));
    engine.behave(spec.image, Behaviour::NeverHealthy { last_check: "500".to_owned() });
    engine.ensure_group(CALL, &spec).await.unwrap();
    engine.resize_group(CALL, spec.id, 1_u32.into()).await.unwrap();
    let seen = engine.observe(None).await.unwrap();
    let instance = &seen.groups[0].instances[0];
    assert_eq!(instance.state, InstanceState::Starting);
    assert_eq!(instance.last_check.as_deref(), Some("500"));
}

#[tokio::test]
async fn a_killed_instance_is_replaced() {
    let engine = SimEngine::new(Pace::Instant);
    let spec = spec(&ask(1));
    engine.ensure_group(CALL, &spec).await.unwrap();
    engine.resize_group(CALL, spec.id, 2_u32.into()).await.unwrap();
    let before = engine.observe(None).await.unwrap().groups[0].instances[0].id;
    engine.kill(before);
    let group = engine.observe(None).await.unwrap().groups.remove(0);
    assert_eq!(group.healthy(), 2);
    assert!(group.instances.iter().all(|instance| instance.id != before));
}

#[tokio::test]
async fn a_stale_look_tells_what_was_before_the_last_change() {
    let engine = SimEngine::new(Pace::Instant);
    engine.inject(Operation::Observe, &Fault::Stale, 1);
    let spec = spec(&ask(1));
    engine.ensure_group(CALL, &spec).await.unwrap();
    engine.resize_group(CALL, spec.id, 2_u32.into()).await.unwrap();
    engine.resize_group(CALL, spec.id, 3_u32.into()).await.unwrap();
    let stale = engine.observe(None).await.unwrap().groups.remove(0);
    assert_eq!((stale.desired, stale.healthy()), (2, 2));
    assert_eq!(engine.observe(None).await.unwrap().groups[0].healthy(), 3);
}

#[tokio::test]
async fn a_partial_look_leaves_out_every_second_group() {
    let engine = SimEngine::new(Pace::Instant);
    for number in 1..=3 {
        engine.ensure_group(CALL, &spec(&ask(number))).await.unwrap();
    }
    engine.inject(Operation::Observe, &Fault::Partial, 1);
    let seen = engine.observe(None).await.unwrap().groups.len();
    assert!((1..=2).contains(&seen), "{seen}");
    assert_eq!(engine.observe(None).await.unwrap().groups.len(), 3);
}

/// Lets each call act when it may, and answer when it may.
#[derive(Debug)]
struct Slowly {
    acts: Semaphore,
    answers: Semaphore,
}

impl Director for Slowly {
    fn act(&self, _: Called) -> Pin<Box<dyn Future<Output = Option<Fault>> + Send + '_>> {
        Box::pin(async {
            self.acts.acquire().await.unwrap().forget();
            Some(Fault::Slow)
        })
    }

    fn answer(&self, _: Called) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async { self.answers.acquire().await.unwrap().forget() })
    }
}

#[tokio::test]
async fn a_slow_call_has_its_effect_when_it_may_act_and_answers_later() {
    let engine = Arc::new(SimEngine::new(Pace::Instant));
    let slowly = Arc::new(Slowly { acts: Semaphore::new(0), answers: Semaphore::new(0) });
    engine.direct(slowly.clone());
    let (spec, caller) = (spec(&ask(1)), engine.clone());
    let id = spec.id;
    let call = tokio::spawn(async move { caller.ensure_group(CALL, &spec).await });
    let others_go_on = async || {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    };
    others_go_on().await;
    assert_eq!(engine.groups(), []);
    slowly.acts.add_permits(1);
    others_go_on().await;
    assert_eq!((engine.groups(), call.is_finished()), (vec![id], false));
    slowly.answers.add_permits(1);
    call.await.unwrap().unwrap();
}
