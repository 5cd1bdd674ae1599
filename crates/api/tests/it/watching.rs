//! Watching a deployment: what is told of its groups, and events as any client of server-sent events
//! reads them.

use crate::raw::stream_of;
use crate::rig::{Rig, hello, prod};
use futures_util::StreamExt as _;
use kiln_engine::sim::Behaviour;
use kiln_names::{DeploymentId, ImageRef};
use kiln_protocol::deployment::{
    DeployRequest, Deployment, DeploymentEvent, DeploymentState, Happening, Reason,
};
use kiln_protocol::paths::{self, fill};
use kiln_protocol::status::{Group, Instance};
use std::time::Duration;

/// How long what is waited for may take on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// One event as it stands on the wire.
#[derive(Debug, Clone, PartialEq)]
struct Sent {
    id: Option<u64>,
    name: Option<String>,
    event: DeploymentEvent,
}

/// Everything that is sent of a deployment that rests, to one that heard the event of that id last.
async fn sent(rig: &Rig, id: DeploymentId, last: Option<&str>) -> (u16, String) {
    let path = fill(paths::DEPLOYMENT_EVENTS, &[&id.to_string()]);
    let last = last.map(|last| format!("last-event-id: {last}\r\n")).unwrap_or_default();
    // Of this version there are no chunks: what comes is what is sent.
    let request =
        format!("GET {path} HTTP/1.0\r\nhost: x\r\naccept: text/event-stream\r\n{last}\r\n");
    stream_of(rig.data.path(), &request).await
}

fn read(stream: &str) -> Vec<Sent> {
    let event = |block: &str| {
        let field = |name: &str| {
            let mut lines = block.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
        };
        let data = field("data").unwrap_or_else(|| panic!("{block}"));
        Sent {
            id: field("id").map(|id| id.parse().unwrap()),
            name: field("event"),
            event: serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {block}")),
        }
    };
    stream.split_terminator("\n\n").filter(|block| !block.starts_with(':')).map(event).collect()
}

async fn begin(rig: &Rig, content: &str, behaviour: Behaviour) -> Deployment {
    let image = rig.bake(content).await.image;
    rig.engine.behave(image, behaviour);
    let image = Some(ImageRef::Digest(image));
    let request = DeployRequest { image, ..DeployRequest::default() };
    rig.client.deploy(&hello(), &prod(), &request).await.unwrap()
}

#[tokio::test]
async fn every_event_has_its_kind_and_resumes_after_its_id_without_loss_or_repeat() {
    let rig = Rig::ready().await;
    let begun = begin(&rig, "one", Behaviour::Healthy).await;
    let done = rig.end_of(&begun).await;
    let (status, stream) = sent(&rig, done.id, None).await;
    assert_eq!(status, 200);
    let all = read(&stream);
    for Sent { name, event, .. } in &all {
        assert_eq!(name.as_deref(), Some(event.what.name()), "{event:?}");
    }
    assert_eq!(all.last().unwrap().id, Some(done.seq));
    let mut resumed = 0;
    for (at, Sent { id, event, .. }) in all.iter().enumerate() {
        // What has no id of its own is told again after the id before it.
        let Some(id) = id else { continue };
        assert_eq!(*id, event.seq);
        let (_, rest) = sent(&rig, done.id, Some(&id.to_string())).await;
        // Of one that rests, that it does is told every time.
        let expected = &all[(at + 1).min(all.len() - 1)..];
        assert_eq!(read(&rest), expected, "after {id}");
        resumed += 1;
    }
    assert!(resumed > 10 && resumed < all.len(), "{resumed} of {}", all.len());
    let (status, problem) = sent(&rig, done.id, Some("yesterday")).await;
    assert_eq!(status, 400, "{problem}");
}

#[tokio::test]
async fn a_plan_is_told_before_its_first_action_and_so_is_what_takes_it_back() {
    let rig = Rig::ready().await;
    let crash = Behaviour::Crash { code: 3, says: String::new() };
    let begun = begin(&rig, "one", crash).await;
    let done = rig.end_of(&begun).await;
    assert_eq!(done.state, DeploymentState::Undone);
    let mut plans = Vec::new();
    for Sent { event, .. } in read(&sent(&rig, done.id, None).await.1) {
        match event.what {
            Happening::Sealed { plan, actions, .. } => {
                assert_eq!(plan.len(), actions);
                plans.push(plan);
            }
            Happening::Command { plan, .. } => plans.push(plan),
            Happening::ActionStarted { action, phase, summary, place, of } => {
                let plan = plans.last().unwrap();
                let planned = &plan[place - 1];
                assert_eq!(plan.len(), of);
                assert_eq!(
                    (&planned.phase, &planned.name, &planned.description),
                    (&phase, &action, &summary)
                );
            }
            _ => {}
        }
    }
    assert_eq!(plans.len(), 2, "{plans:?}");
}

#[tokio::test]
async fn groups_are_told_while_somebody_watches_and_only_then_looked_at() {
    let rig = Rig::ready().await;
    let sick = Behaviour::NeverHealthy { last_check: "GET / → 503".to_owned() };
    let begun = begin(&rig, "one", sick).await;
    assert_eq!(rig.app.orchestrator.looked_at(), 0);
    let mut one = rig.client.watch(begun.id, None).await.unwrap();
    let mut other = rig.client.watch(begun.id, None).await.unwrap();
    // Whoever comes when nothing moves any more is told as well.
    let mut late = None;
    for turn in 0..3 {
        let events = match turn {
            0 => &mut one,
            1 => &mut other,
            _ => late.insert(rig.client.watch(begun.id, None).await.unwrap()),
        };
        let seen = |groups: &[Group], instances: &[Instance]| {
            groups.iter().any(|group| (group.healthy, group.size) == (0, 2))
                && instances.iter().any(|it| it.last_check.as_deref() == Some("GET / → 503"))
        };
        let looked = async {
            while let Some(event) = events.next().await {
                match event.unwrap().what {
                    Happening::Groups { groups, instances } if seen(&groups, &instances) => return,
                    _ => {}
                }
            }
            panic!("it ended first");
        };
        tokio::time::timeout(SOON, looked).await.unwrap();
    }
    assert_eq!(rig.app.orchestrator.looked_at(), 1, "all who watch are told of the same look");
    drop((one, other, late));
    let nobody = async {
        while rig.app.orchestrator.looked_at() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, nobody).await.unwrap();
}

#[tokio::test]
async fn what_does_not_change_is_not_told_again_and_the_last_look_is_from_the_end() {
    let rig = Rig::ready().await;
    let sick = Behaviour::NeverHealthy { last_check: "GET / → 503".to_owned() };
    let begun = begin(&rig, "one", sick).await;
    let mut events = rig.client.watch(begun.id, None).await.unwrap();
    let mut told: Vec<Happening> = Vec::new();
    // Two seconds in which nothing moves are ten looks.
    let still = async {
        while let Some(event) = events.next().await {
            told.push(event.unwrap().what);
        }
    };
    tokio::time::timeout(Duration::from_secs(2), still).await.unwrap_err();
    rig.client.undo(&hello(), &prod(), &Reason::default()).await.unwrap();
    let rest = async {
        while let Some(event) = events.next().await {
            told.push(event.unwrap().what);
        }
    };
    tokio::time::timeout(SOON, rest).await.unwrap();
    let looks: Vec<_> =
        told.iter().filter(|what| matches!(what, Happening::Groups { .. })).collect();
    assert!(looks.windows(2).all(|pair| pair[0] != pair[1]), "{looks:#?}");
    assert!((2..=8).contains(&looks.len()), "{looks:#?}");
    let [.., before, Happening::Ended { .. }] = &told[..] else { panic!("{told:#?}") };
    assert!(
        matches!(before, Happening::Groups { groups, .. } if groups.is_empty()),
        "what was undone has no group left: {before:?}"
    );
}

#[tokio::test]
async fn whoever_comes_later_is_told_what_is_waited_for() {
    let rig = Rig::ready().await;
    let sick = Behaviour::NeverHealthy { last_check: "GET / → 503".to_owned() };
    let begun = begin(&rig, "one", sick).await;
    let wait = async || {
        let mut events = rig.client.watch(begun.id, None).await.unwrap();
        while let Some(event) = events.next().await {
            match event.unwrap().what {
                Happening::ActionWaiting { note, .. } if note.contains("0 of 2") => return note,
                _ => {}
            }
        }
        panic!("it ended first");
    };
    let first = tokio::time::timeout(SOON, wait()).await.unwrap();
    // Nothing moves any more: what is told now is not news.
    let second = tokio::time::timeout(SOON, wait()).await.unwrap();
    assert_eq!(first, second);
}
