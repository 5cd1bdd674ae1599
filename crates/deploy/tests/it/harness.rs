//! One harness for every action of every kind of plan: run twice, fail at each, crash around each
//! record and recover, abort at each, undo from each.

use crate::world::{World, deploy, finish, image, request, rest, target};
use kiln_deploy::{Ask, Deploy, Fuse, Orchestrator};
use kiln_engine::EngineError;
use kiln_engine::sim::{Behaviour, Fault, Operation};
use kiln_protocol::deployment::DeploymentState::{Completed, Invalid, Stuck, Undone};
use kiln_protocol::status::GroupState;

/// A kind of plan, and the world it starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    First,
    Second,
    WithWorkers,
    WarmRollback,
    ColdRollback,
    MixedRollback,
    MakesRoom,
    Resize,
    Stop,
    Canary,
    Rolling,
    RollingUneven,
    Highlander,
    OneByOne,
    OneByOneUneven,
}

pub(crate) const CASES: [Case; 15] = [
    Case::First,
    Case::Second,
    Case::WithWorkers,
    Case::WarmRollback,
    Case::ColdRollback,
    Case::MixedRollback,
    Case::MakesRoom,
    Case::Resize,
    Case::Stop,
    Case::Canary,
    Case::Rolling,
    Case::RollingUneven,
    Case::Highlander,
    Case::OneByOne,
    Case::OneByOneUneven,
];

impl Case {
    /// A world as it is before.
    pub(crate) async fn world(self) -> World {
        let world = World::new().await;
        let workers = [Self::WithWorkers, Self::MixedRollback, Self::Rolling, Self::Highlander]
            .into_iter()
            .chain([Self::OneByOne]);
        let workers: Vec<Self> = workers.collect();
        if workers.contains(&self) {
            for version in ["1", "2", "3"] {
                world.bake(version, &["web", "worker"]);
            }
        }
        if matches!(self, Self::ColdRollback) {
            world.configure("{}", "[]", r#"{"keepWarm": "0s"}"#);
        }
        let before: &[&str] = match self {
            Self::First => &[],
            Self::Second | Self::WithWorkers | Self::Resize | Self::Stop => &["1"],
            _ if self.strategy().is_some() => &["1"],
            _ => &["1", "2"],
        };
        let orchestrator = world.start().await;
        for version in before {
            let deployment = deploy(&orchestrator, version).await;
            assert_eq!(deployment.summary.state, Completed, "{deployment:#?}");
        }
        if matches!(self, Self::MakesRoom) {
            let memory = kiln_names::ByteSize::mib(10);
            let left = kiln_engine::Resources { cpu_millis: 0, memory };
            world.engine.set_capacity(kiln_engine::Capacity::unused(left));
        }
        if matches!(self, Self::ColdRollback) {
            crate::world::eventually("the old group is gone", async || {
                orchestrator.status(&target()).await.unwrap().groups.len() == 1
            })
            .await;
        }
        if let Some(params) = self.strategy() {
            world.configure("{}", "[]", params);
        }
        orchestrator.halt();
        world
    }

    /// How the version that is deployed takes over, if not as it is by default.
    fn strategy(self) -> Option<&'static str> {
        match self {
            Self::Canary => Some(
                r#"{"strategy": {"type": "canary", "steps": [
                    {"weight": 10, "duration": "1s"}, {"weight": 50, "duration": "0s"}]}}"#,
            ),
            Self::Rolling => Some(r#"{"strategy": {"type": "rolling"}}"#),
            Self::RollingUneven => {
                Some(r#"{"strategy": {"type": "rolling", "batch": 2}, "desiredCapacity": 5}"#)
            }
            Self::Highlander => Some(r#"{"strategy": {"type": "highlander"}}"#),
            Self::OneByOne => Some(r#"{"strategy": {"type": "one-by-one"}}"#),
            Self::OneByOneUneven => {
                Some(r#"{"strategy": {"type": "one-by-one"}, "desiredCapacity": 3}"#)
            }
            _ => None,
        }
    }

    pub(crate) fn ask(self) -> Ask {
        match self {
            Self::First => Ask::Deploy(image("1")),
            Self::Second | Self::WithWorkers => Ask::Deploy(image("2")),
            Self::MakesRoom => Ask::Deploy(image("3")),
            Self::WarmRollback | Self::ColdRollback | Self::MixedRollback => {
                Ask::Rollback { to: None }
            }
            Self::Resize => Ask::Resize { process: None, size: 4 },
            Self::Stop => Ask::Stop,
            _ => Ask::Deploy(image("2")),
        }
    }

    /// The groups that take requests before.
    fn before(self) -> &'static [&'static str] {
        match self {
            Self::First => &[],
            Self::Second | Self::WithWorkers | Self::Resize | Self::Stop => {
                &["hello-prod-web-v001"]
            }
            _ if self.strategy().is_some() => &["hello-prod-web-v001"],
            _ => &["hello-prod-web-v002"],
        }
    }

    /// The groups that take requests after.
    fn after(self) -> &'static [&'static str] {
        match self {
            Self::First | Self::Resize | Self::WarmRollback | Self::MixedRollback => {
                &["hello-prod-web-v001"]
            }
            Self::Second | Self::WithWorkers => &["hello-prod-web-v002"],
            _ if self.strategy().is_some() => &["hello-prod-web-v002"],
            Self::ColdRollback | Self::MakesRoom => &["hello-prod-web-v003"],
            _ => &[],
        }
    }

    /// Whether somebody serves at every moment.
    fn always_serves(self) -> bool {
        !matches!(self, Self::Stop | Self::Highlander)
    }

    /// Everything is as asked for.
    pub(crate) async fn assert_done(self, world: &World, orchestrator: &Orchestrator) {
        assert_eq!(world.serving(orchestrator).await, self.after(), "{self:?}");
        self.assert_clean(world, orchestrator).await;
        if self.always_serves() {
            world.assert_always_served();
        }
    }

    /// Everything is as before.
    async fn assert_undone(self, world: &World, orchestrator: &Orchestrator) {
        assert_eq!(world.serving(orchestrator).await, self.before(), "{self:?}");
        self.assert_clean(world, orchestrator).await;
        // What was never there before, an undo takes away; a stop means to.
        if self.always_serves() && self != Self::First {
            world.assert_always_served();
        }
        let running = orchestrator.status(&target()).await.unwrap();
        let active = running.groups.iter().filter(|group| group.state == GroupState::Active);
        for group in active {
            assert_eq!(group.size, 2, "{self:?}: {group:#?}");
            assert_eq!(group.instances.as_ref().unwrap().len(), 2, "{self:?}: {group:#?}");
        }
    }

    /// The engine holds exactly what the database knows, and nothing is in between.
    async fn assert_clean(self, world: &World, orchestrator: &Orchestrator) {
        crate::world::eventually("what is due is removed", async || {
            let running = orchestrator.status(&target()).await.unwrap();
            running.groups.iter().all(|group| group.state != GroupState::Draining)
        })
        .await;
        let running = orchestrator.status(&target()).await.unwrap();
        let mut known: Vec<_> = running.groups.iter().map(|group| group.id).collect();
        known.sort();
        assert_eq!(world.engine.groups(), known, "{self:?}: leaked or lost");
        for group in &running.groups {
            let settled = matches!(group.state, GroupState::Active | GroupState::Warm);
            assert!(settled, "{self:?}: {group:#?}");
        }
    }
}

#[tokio::test]
async fn every_plan_completes() {
    for case in CASES {
        let world = case.world().await;
        let orchestrator = world.start().await;
        let deployment = finish(&orchestrator, case.ask()).await;
        assert_eq!(deployment.summary.state, Completed, "{case:?}: {deployment:#?}");
        case.assert_done(&world, &orchestrator).await;
    }
}

/// Each action that looks or changes runs again after its reply was lost.
#[tokio::test]
async fn every_action_runs_twice() {
    use Operation::{
        ApplyTraffic, EnsureGroup, EnsureImage, Observe, ObserveTraffic, RemoveGroup, ResizeGroup,
    };
    let calls =
        [EnsureImage, EnsureGroup, ResizeGroup, ApplyTraffic, RemoveGroup, Observe, ObserveTraffic];
    for case in CASES {
        let world = case.world().await;
        let orchestrator = world.start().await;
        let lost = Fault::LoseReply(EngineError::retry("answer"));
        for call in calls.into_iter().filter(|call| !call.only_reads()) {
            world.engine.inject(call, &lost, 1);
        }
        let deployment = finish(&orchestrator, case.ask()).await;
        assert_eq!(deployment.summary.state, Completed, "{case:?}: {deployment:#?}");
        case.assert_done(&world, &orchestrator).await;
    }
}

/// The kinds of calls that a deployment makes while it is carried out, and how often each.
async fn calls_of(case: Case) -> Vec<(Operation, usize)> {
    let world = case.world().await;
    let before = world.engine.calls().len();
    let orchestrator = world.start().await;
    finish(&orchestrator, case.ask()).await;
    let mut counts: Vec<(Operation, usize)> = Vec::new();
    for call in world.engine.calls().into_iter().skip(before) {
        match counts.iter_mut().find(|(known, _)| *known == call) {
            Some((_, count)) => *count += 1,
            None => counts.push((call, 1)),
        }
    }
    counts
}

/// A call that fails for good: the deployment is undone, or was invalid, and nothing is left.
#[tokio::test]
async fn a_failure_at_each_call_leaves_everything_as_it_was() {
    for case in CASES {
        for (operation, times) in calls_of(case).await {
            for at in 0..times {
                let world = case.world().await;
                let orchestrator = world.start().await;
                let refuse = Fault::Refuse(EngineError::permanent("do it"));
                world.engine.inject_after(operation, at, &refuse);
                let deployment = finish(&orchestrator, case.ask()).await;
                let what = format!("{case:?}, {operation:?} {at}: {deployment:#?}");
                match deployment.summary.state {
                    Completed => case.assert_done(&world, &orchestrator).await,
                    Invalid | Undone => case.assert_undone(&world, &orchestrator).await,
                    Stuck => {
                        assert!(matches!(case, Case::Stop | Case::Highlander), "{what}");
                        orchestrator.undo(&target(), "bob").await.unwrap();
                        let undone = rest(&orchestrator, deployment.summary.id).await;
                        assert_eq!(undone.summary.state, Undone, "{undone:#?}");
                        case.assert_undone(&world, &orchestrator).await;
                    }
                    _ => panic!("{what}"),
                }
            }
        }
    }
}

/// The server dies before and after each of its commits; the next one completes the deployment.
#[tokio::test]
async fn a_crash_around_each_record_is_recovered_from() {
    for case in CASES {
        for notch in 0.. {
            let world = case.world().await;
            let doomed = world.start_with(Fuse::at(notch)).await;
            let id = doomed.begin(request(case.ask())).await.unwrap();
            if crash_or_rest(&doomed, id).await {
                case.assert_done(&world, &doomed).await;
                assert!(notch > 2, "a plan has more than one commit");
                break;
            }
            doomed.halt();
            let next = world.start().await;
            let deployment = rest(&next, id).await;
            assert_eq!(deployment.summary.state, Completed, "{case:?}, {notch}: {deployment:#?}");
            case.assert_done(&world, &next).await;
        }
    }
}

/// Whether the deployment came to rest before the fuse blew.
pub(crate) async fn crash_or_rest(doomed: &Orchestrator, id: kiln_names::DeploymentId) -> bool {
    tokio::select! {
        _ = doomed.wait(id) => true,
        () = crate::world::eventually("the fuse blows", async || doomed.has_blown()) => false,
    }
}

/// Aborted at each record, then taken up again: it completes.
#[tokio::test]
async fn an_abort_at_each_record_can_be_retried() {
    for case in CASES {
        for notch in 0.. {
            let world = case.world().await;
            let Some((orchestrator, id)) = stop_at(&world, case, notch).await else { break };
            orchestrator.retry(&target(), "bob").await.unwrap();
            let deployment = rest(&orchestrator, id).await;
            assert_eq!(deployment.summary.state, Completed, "{case:?}, {notch}: {deployment:#?}");
            case.assert_done(&world, &orchestrator).await;
        }
    }
}

/// Aborted at each record, then undone: everything is as before. A second undo says that there is
/// nothing to undo.
#[tokio::test]
async fn an_abort_at_each_record_can_be_undone() {
    for case in CASES {
        for notch in 0.. {
            let world = case.world().await;
            let Some((orchestrator, id)) = stop_at(&world, case, notch).await else { break };
            orchestrator.undo(&target(), "bob").await.unwrap();
            let deployment = rest(&orchestrator, id).await;
            assert_eq!(deployment.summary.state, Undone, "{case:?}, {notch}: {deployment:#?}");
            case.assert_undone(&world, &orchestrator).await;
            orchestrator.undo(&target(), "bob").await.unwrap_err();
        }
    }
}

/// An undo that is itself cut off by a crash at each of its commits.
#[tokio::test]
async fn a_crash_around_each_record_of_an_undo_is_recovered_from() {
    let cases = [Case::Second, Case::WithWorkers, Case::MixedRollback, Case::Canary];
    for case in cases.into_iter().chain([Case::Rolling, Case::Highlander, Case::OneByOne]) {
        let world = case.world().await;
        let last = last_stop(&world, case).await;
        for notch in 0.. {
            let world = case.world().await;
            let (orchestrator, id) = stop_at(&world, case, last).await.unwrap();
            orchestrator.halt();
            let doomed = world.start_with(Fuse::at(notch)).await;
            let asked = doomed.undo(&target(), "bob").await;
            if asked.is_ok() && crash_or_rest(&doomed, id).await {
                break;
            }
            doomed.halt();
            let next = world.start().await;
            // Before the request is on disk, nobody asked for anything.
            if next.deployment(id).await.unwrap().summary.state == Stuck {
                next.undo(&target(), "bob").await.unwrap();
            }
            let deployment = rest(&next, id).await;
            assert_eq!(deployment.summary.state, Undone, "{case:?}, {notch}: {deployment:#?}");
            case.assert_undone(&world, &next).await;
        }
    }
}

/// The last notch at which a deployment can be stopped.
async fn last_stop(first: &World, case: Case) -> i64 {
    let mut last = 0;
    let mut stopped = stop_at(first, case, 0).await.is_some();
    while stopped {
        last += 1;
        let world = case.world().await;
        stopped = stop_at(&world, case, last).await.is_some();
    }
    last - 1
}

/// Lets a server die at the given notch and the next one abort what it finds running. None when
/// the deployment was over by then; those still preparing are gone on with first.
async fn stop_at(
    world: &World,
    case: Case,
    notch: i64,
) -> Option<(Orchestrator, kiln_names::DeploymentId)> {
    // The first two notches end the preparation, where an abort makes it invalid.
    let doomed = world.start_with(Fuse::at(notch + 2)).await;
    let id = doomed.begin(request(case.ask())).await.unwrap();
    if crash_or_rest(&doomed, id).await {
        return None;
    }
    doomed.halt();
    let next = kiln_deploy::Orchestrator::new(world.db.clone(), world.ports(Fuse::none()));
    let state = next.deployment(id).await.unwrap().summary.state;
    if state == Completed {
        return None;
    }
    next.abort(&target(), "ann").await.unwrap();
    let stopped = rest(&next, id).await;
    assert_eq!(stopped.summary.state, Stuck, "{case:?}, {notch}: {stopped:#?}");
    assert_eq!(stopped.summary.reason.as_deref(), Some("aborted by ann"));
    next.recover().await.unwrap();
    Some((next, id))
}

/// Faults at random, before and after effects: whatever comes, nobody loses requests.
#[tokio::test]
async fn random_faults_never_cost_a_request() {
    for seed in 1..=24 {
        let world = World::new().await;
        let orchestrator = world.start().await;
        deploy(&orchestrator, "1").await;
        world.engine.inject_at_random(seed, 4);
        let bad = world.bake("bad", &["web"]);
        let never = Behaviour::Crash { code: 1, says: "no".to_owned() };
        world.engine.behave(bad, never);
        for version in ["2", "bad", "3"] {
            let ask = Ask::Deploy(Deploy { hold: false, ..image(version) });
            let deployment = finish(&orchestrator, ask).await;
            let state = deployment.summary.state;
            let expected = if version == "bad" { [Undone, Invalid] } else { [Completed, Invalid] };
            assert!(expected.contains(&state), "seed {seed}: {deployment:#?}");
        }
        world.assert_always_served();
    }
}
