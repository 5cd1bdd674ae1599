//! Deployments over the wire, on a simulated engine.

use crate::rig::{Rig, all, code, ended, hello, problem, prod};
use kiln_engine::sim::Behaviour;
use kiln_names::{Digest, ImageRef};
use kiln_protocol::Code;
use kiln_protocol::deployment::{
    DeployRequest, Deployment, DeploymentState, Happening, Reason, ResizeRequest, RollbackRequest,
};
use kiln_protocol::status::GroupState;

fn of(image: Digest) -> DeployRequest {
    let image = Some(ImageRef::Digest(image));
    DeployRequest { image, message: "because".to_owned(), ..DeployRequest::default() }
}

async fn deploy(rig: &Rig, content: &str) -> Deployment {
    let image = rig.bake(content).await.image;
    let begun = rig.client.deploy(&hello(), &prod(), &of(image)).await.unwrap();
    rig.end_of(&begun).await
}

#[tokio::test]
async fn a_deployment_is_planned_carried_out_and_shown() {
    let rig = Rig::ready().await;
    let image = rig.bake("one").await.image;
    let plan = rig.client.plan(&hello(), &prod(), &of(image)).await.unwrap();
    assert_eq!((plan.image, plan.from), (Some(image), None));
    assert_eq!(plan.groups[0].routes[0].to_string(), "hello.prod.localhost/");

    let begun = rig.client.deploy(&hello(), &prod(), &of(image)).await.unwrap();
    let events = all(rig.client.watch(begun.id, None).await.unwrap()).await.unwrap();
    assert!(events.is_sorted_by_key(|event| event.seq), "{events:?}");
    let sealed = events.iter().any(|it| matches!(it.what, Happening::Sealed { .. }));
    assert!(sealed, "{events:?}");
    let done = ended(events);
    assert_eq!(done.state, DeploymentState::Completed, "{done:?}");
    assert_eq!((done.release, done.image), (plan.release, Some(image)));
    assert_eq!((done.user.as_str(), done.message.as_str()), ("ada", "because"));
    assert_eq!(rig.client.deployment(begun.id).await.unwrap(), done);

    let status = rig.client.status(None, None).await.unwrap().remove(0);
    assert_eq!((status.release, status.version), (done.release, done.version));
    let group = &status.groups[0];
    assert_eq!((group.state, group.healthy, group.size), (GroupState::Active, 2, 2));
    assert_eq!(group.weight, Some(100));
    let instances = rig.client.instances(&hello(), &prod()).await.unwrap();
    assert_eq!(instances.len(), 2);
    assert_eq!(instances[0].state, "healthy");
    let listed = rig.client.deployments(Some(&hello()), None, None, 9).await.unwrap();
    assert_eq!((listed.len(), listed[0].id), (1, begun.id));
}

#[tokio::test]
async fn whoever_watches_again_is_told_only_what_came_later() {
    let rig = Rig::ready().await;
    let done = deploy(&rig, "one").await;
    let events = all(rig.client.watch(done.id, None).await.unwrap()).await.unwrap();
    let middle = events[events.len() / 2].seq;
    let rest = all(rig.client.watch(done.id, Some(middle)).await.unwrap()).await.unwrap();
    assert!(rest.iter().all(|event| event.seq > middle), "{rest:?}");
    assert_eq!(ended(rest), done);
    let last = all(rig.client.watch(done.id, Some(done.seq)).await.unwrap()).await.unwrap();
    assert_eq!(last.len(), 1);
}

#[tokio::test]
async fn a_rollback_goes_back_with_image_and_configuration() {
    let rig = Rig::ready().await;
    let (one, two) = (deploy(&rig, "one").await, deploy(&rig, "two").await);
    assert_eq!(two.from, one.release);
    assert_eq!(two.differences[0].kind, "image");
    let request = RollbackRequest::default();
    let begun = rig.client.rollback(&hello(), &prod(), &request).await.unwrap();
    let done = rig.end_of(&begun).await;
    assert_eq!((done.state, done.release), (DeploymentState::Completed, one.release));
    let status = rig.client.status(Some(&hello()), Some(&prod())).await.unwrap();
    assert_eq!(status[0].release, one.release);
}

#[tokio::test]
async fn a_failure_is_undone_and_shows_why() {
    let rig = Rig::ready().await;
    let good = deploy(&rig, "one").await;
    let bad = rig.bake("two").await.image;
    rig.engine.behave(bad, Behaviour::Crash { code: 3, says: "no such table".to_owned() });
    let begun = rig.client.deploy(&hello(), &prod(), &of(bad)).await.unwrap();
    let done = rig.end_of(&begun).await;
    assert_eq!(done.state, DeploymentState::Undone);
    let failure = done.failure.unwrap();
    assert!(failure.instance.is_some());
    assert!(failure.log.iter().any(|line| line == "no such table"), "{failure:?}");
    let status = rig.client.status(Some(&hello()), Some(&prod())).await.unwrap();
    assert_eq!(status[0].release, good.release);
}

#[tokio::test]
async fn a_held_failure_locks_until_somebody_undoes_it() {
    let rig = Rig::ready().await;
    deploy(&rig, "one").await;
    let bad = rig.bake("two").await.image;
    rig.engine.behave(bad, Behaviour::Crash { code: 3, says: String::new() });
    let request = DeployRequest { hold: true, ..of(bad) };
    let begun = rig.client.deploy(&hello(), &prod(), &request).await.unwrap();
    let stuck = rig.end_of(&begun).await;
    assert_eq!(stuck.state, DeploymentState::Stuck);

    let refused = problem(rig.client.deploy(&hello(), &prod(), &of(bad)).await);
    assert_eq!(refused.code, Code::InProgress);
    assert!(refused.hint.unwrap().contains("kiln undo hello prod"));
    let undoing = rig.client.undo(&hello(), &prod(), &Reason::default()).await.unwrap();
    assert_eq!(undoing.id, begun.id);
    let events = rig.client.watch(begun.id, Some(undoing.seq)).await.unwrap();
    let events = all(events).await.unwrap();
    assert_eq!(ended(events).state, DeploymentState::Undone);
    let again = rig.client.undo(&hello(), &prod(), &Reason::default()).await;
    assert_eq!(code(again), Code::NotInProgress);
}

#[tokio::test]
async fn size_changes_instances_are_replaced_and_everything_can_stop() {
    let rig = Rig::ready().await;
    deploy(&rig, "one").await;
    let request = ResizeRequest { process: None, size: 3, message: String::new() };
    let begun = rig.client.resize(&hello(), &prod(), &request).await.unwrap();
    assert_eq!(rig.end_of(&begun).await.state, DeploymentState::Completed);
    let before = rig.client.instances(&hello(), &prod()).await.unwrap();
    assert_eq!(before.len(), 3);
    let begun = rig.client.replace(before[0].id, &Reason::default()).await.unwrap();
    assert_eq!(rig.end_of(&begun).await.state, DeploymentState::Completed);
    let after = rig.client.instances(&hello(), &prod()).await.unwrap();
    assert!(after.iter().all(|instance| instance.id != before[0].id), "{after:?}");

    assert_eq!(code(rig.client.delete_app(&hello()).await), Code::InUse);
    let begun = rig.client.stop(&hello(), &prod(), &Reason::default()).await.unwrap();
    assert_eq!(rig.end_of(&begun).await.state, DeploymentState::Completed);
    assert!(rig.client.instances(&hello(), &prod()).await.unwrap().is_empty());
    rig.client.delete_app(&hello()).await.unwrap();
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let rig = Rig::ready().await;
    let nowhere = kiln_names::EnvName::parse("nowhere").unwrap();
    let request = DeployRequest::default();
    assert_eq!(code(rig.client.deploy(&hello(), &nowhere, &request).await), Code::EnvNotFound);
    let version = kiln_names::Version::parse("9").unwrap();
    let image = Some(ImageRef::Version(hello(), version));
    let request = DeployRequest { image, ..DeployRequest::default() };
    assert_eq!(code(rig.client.deploy(&hello(), &prod(), &request).await), Code::ImageNotFound);
    let id = kiln_names::DeploymentId::from_random([9; 6]);
    assert_eq!(code(rig.client.deployment(id).await), Code::DeploymentNotFound);
    assert_eq!(code(rig.client.watch(id, None).await), Code::DeploymentNotFound);
    let instance = kiln_names::InstanceId::from_random([9; 6]);
    let replaced = rig.client.replace(instance, &Reason::default()).await;
    assert_eq!(code(replaced), Code::InstanceNotFound);
}

#[tokio::test]
async fn an_image_that_a_group_runs_is_in_use() {
    let rig = Rig::ready().await;
    let done = deploy(&rig, "one").await;
    let removed = rig.client.remove_image(&ImageRef::Digest(done.image.unwrap())).await;
    assert_eq!(code(removed), Code::InUse);
}

#[tokio::test]
async fn log_lines_of_instances_come_as_events() {
    let rig = Rig::ready().await;
    deploy(&rig, "one").await;
    let query = kiln_client::LogQuery { group: None, instance: None, tail: 10, follow: false };
    let lines = rig.client.logs(&hello(), &prod(), &query).await.unwrap();
    let lines = all(lines).await.unwrap();
    let expected = rig.engine.lines();
    assert_eq!(lines.len(), expected.len());
    assert!(lines.iter().zip(expected).all(|(line, expected)| line.text == expected.text));
}
