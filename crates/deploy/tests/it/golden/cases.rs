//! The deployments whose journals are kept: of every strategy, with every end.

use crate::secrets::set_secret;
use crate::world::{World, deploy, eventually, finish, image, request, rest, target};
use kiln_deploy::{Ask, Deploy, Orchestrator};
use kiln_engine::EngineError;
use kiln_engine::sim::{Behaviour, Fault, Operation};
use kiln_names::{DeploymentId, Digest};
use kiln_protocol::deployment::DeploymentState::{Completed, Invalid, Paused, Stuck, Undone};
use std::fmt::{Display, Formatter, Result};

/// The kinds of records, as they stand in journals.
pub(crate) const EVENTS: &[&str] = &[
    "requested",
    "prepare-step-done",
    "refused",
    "sealed",
    "intended",
    "finished",
    "failed",
    "stuck",
    "abort-asked",
    "undo-asked",
    "paused",
    "pause-asked",
    "resume-asked",
    "retry-asked",
    "completed",
    "undone",
];

const STRATEGIES: [(&str, &str); 5] = [
    ("red-black", r#""strategy": {"type": "red-black"}"#),
    (
        "canary",
        r#""strategy": {"type": "canary", "steps": [
            {"weight": 10, "duration": "1s"}, {"weight": 50, "duration": "0s"}]}"#,
    ),
    ("rolling", r#""strategy": {"type": "rolling"}"#),
    ("highlander", r#""strategy": {"type": "highlander"}"#),
    ("one-by-one", r#""strategy": {"type": "one-by-one"}"#),
];

const ENDS: [End; 6] =
    [End::Completed, End::Undone, End::Aborted, End::Paused, End::Resumed, End::RolledBack];

/// Those that have no strategy, or need no more than one.
const OTHERS: [End; 6] =
    [End::Refused, End::Held, End::Retried, End::Stopped, End::Resized, End::Replaced];

/// A deployment, and how it ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    strategy: (&'static str, &'static str),
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Completed,
    Undone,
    Aborted,
    Paused,
    Resumed,
    RolledBack,
    Refused,
    Held,
    Retried,
    Stopped,
    Resized,
    Replaced,
    /// With a hook, and the new group compared with the old one.
    Measured,
    /// With a call over HTTP.
    Told,
    /// With a Prometheus that is asked.
    Asked,
}

/// All of them.
pub(crate) fn cases() -> impl Iterator<Item = Case> {
    let ends = STRATEGIES.into_iter().flat_map(|strategy| ENDS.map(|end| Case { strategy, end }));
    let measured = [Case { strategy: STRATEGIES[1], end: End::Measured }];
    let told = [End::Told, End::Asked].map(|end| Case { strategy: STRATEGIES[0], end });
    ends.chain(OTHERS.map(|end| Case { strategy: STRATEGIES[0], end })).chain(measured).chain(told)
}

impl Display for Case {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let end = match self.end {
            End::Completed => "completed",
            End::Undone => "undone",
            End::Aborted => "aborted",
            End::Paused => "paused",
            End::Resumed => "resumed",
            End::RolledBack => "rolled-back",
            End::Refused => "refused",
            End::Held => "held",
            End::Retried => "retried",
            End::Stopped => "stopped",
            End::Resized => "resized",
            End::Replaced => "replaced",
            End::Measured => "measured",
            End::Told => "told",
            End::Asked => "asked",
        };
        write!(f, "{}-{end}", self.strategy.0)
    }
}

// === impl Case ===

impl Case {
    /// Lets it happen, to its end.
    pub(crate) async fn play(self) -> (World, Orchestrator, DeploymentId) {
        let world = World::new().await;
        for version in ["1", "2"] {
            world.bake(version, &["web", "worker"]);
        }
        let orchestrator = world.start().await;
        deploy(&orchestrator, "1").await;
        if self.end == End::Told {
            set_secret(&world, "token", 1).await;
        }
        self.configure(&world);
        let id = self.end(&world, &orchestrator).await;
        (world, orchestrator, id)
    }

    fn configure(self, world: &World) {
        let pauses = match self.end {
            End::Paused | End::Resumed => r#", "pauseAfterInstancesHealthy": true"#,
            End::Measured => {
                r#", "analysis": {}, "hooks": {"beforeShift": {"command": ["/bin/migrate"]}}"#
            }
            End::Told => {
                r#", "hooks": {"afterShift": {"http": {"url": "https://cdn.example/",
                    "headers": {"X-Zone": "shop"}, "secret": "token"}}}"#
            }
            End::Asked => {
                r#", "watch": "1s", "analysis": {"prometheus": {"url": "http://prometheus:9090",
                    "queries": [{"name": "up", "query": "up", "min": 1, "max": 1}]}}"#
            }
            _ => "",
        };
        let properties = r#"{"greeting": "hello"}"#;
        world.configure(properties, "[]", &format!("{{{}{pauses}}}", self.strategy.1));
    }

    async fn end(self, world: &World, orchestrator: &Orchestrator) -> DeploymentId {
        let second = || Ask::Deploy(image("2"));
        let (ask, expected) = match self.end {
            End::Completed | End::Measured | End::Told | End::Asked => (second(), Completed),
            End::Undone => {
                let says = "no".to_owned();
                let image = Digest::of(b"2");
                world.engine.behave(image, Behaviour::Crash { code: 1, says });
                (second(), Undone)
            }
            End::Held => {
                let refuse = Fault::Refuse(EngineError::permanent("do it"));
                world.engine.inject(Operation::ApplyTraffic, &refuse, 1);
                (Ask::Deploy(Deploy { hold: true, ..image("2") }), Stuck)
            }
            End::RolledBack => {
                deploy(orchestrator, "2").await;
                (Ask::Rollback { to: None }, Completed)
            }
            End::Refused => (Ask::Deploy(image("99")), Invalid),
            End::Stopped => (Ask::Stop, Completed),
            End::Resized => {
                (Ask::Resize { process: Some("web".parse().unwrap()), size: 3 }, Completed)
            }
            End::Replaced => {
                let groups = orchestrator.status(&target()).await.unwrap().groups;
                let instance = groups[0].instances.as_ref().unwrap()[0].id;
                (Ask::Replace { instance }, Completed)
            }
            End::Paused => return paused(orchestrator).await,
            End::Resumed => return resumed(world, orchestrator).await,
            End::Aborted => return aborted(world, orchestrator).await,
            End::Retried => {
                let id = aborted(world, orchestrator).await;
                orchestrator.retry(&target(), "bob").await.unwrap();
                assert_eq!(rest(orchestrator, id).await.summary.state, Completed, "{self}");
                return id;
            }
        };
        let deployment = finish(orchestrator, ask).await;
        assert_eq!(deployment.summary.state, expected, "{self}: {deployment:#?}");
        deployment.summary.id
    }
}

/// It waits where its configuration says.
async fn paused(orchestrator: &Orchestrator) -> DeploymentId {
    let id = orchestrator.begin(request(Ask::Deploy(image("2")))).await.unwrap();
    is_paused(orchestrator, id).await;
    id
}

async fn is_paused(orchestrator: &Orchestrator, id: DeploymentId) {
    let state = async || orchestrator.deployment(id).await.unwrap().summary.state;
    eventually("it is paused", async || state().await == Paused).await;
}

/// A person pauses it, then it pauses by itself, and goes on both times.
async fn resumed(world: &World, orchestrator: &Orchestrator) -> DeploymentId {
    let id = hanging(world, orchestrator).await;
    orchestrator.pause(&target(), "bob").await.unwrap();
    is_paused(orchestrator, id).await;
    orchestrator.resume(&target(), "bob").await.unwrap();
    loop {
        is_paused_or_at_rest(orchestrator, id).await;
        if orchestrator.deployment(id).await.unwrap().summary.state == Completed {
            break;
        }
        orchestrator.resume(&target(), "bob").await.unwrap();
    }
    id
}

async fn is_paused_or_at_rest(orchestrator: &Orchestrator, id: DeploymentId) {
    let state = async || orchestrator.deployment(id).await.unwrap().summary.state;
    eventually("it stands", async || matches!(state().await, Paused | Completed)).await;
}

/// A person stops it in the middle of a call.
async fn aborted(world: &World, orchestrator: &Orchestrator) -> DeploymentId {
    let id = hanging(world, orchestrator).await;
    orchestrator.abort(&target(), "bob").await.unwrap();
    assert_eq!(rest(orchestrator, id).await.summary.state, Stuck);
    id
}

/// A deployment whose first call to make a group hangs.
async fn hanging(world: &World, orchestrator: &Orchestrator) -> DeploymentId {
    let count = || world.engine.calls().iter().filter(|c| **c == Operation::EnsureGroup).count();
    let before = count();
    world.engine.inject(Operation::EnsureGroup, &Fault::Hang, 1);
    let id = orchestrator.begin(request(Ask::Deploy(image("2")))).await.unwrap();
    eventually("the call hangs", async || count() > before).await;
    id
}
