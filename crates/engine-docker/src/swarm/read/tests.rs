use super::*;
use crate::render::tests::{birth, owner};
use serde_json::{Value, json};

fn places_of(down: bool) -> Places {
    let place = Place { name: "alpha".into(), down, ip: Some([10, 0, 0, 1].into()) };
    HashMap::from([("n1".to_owned(), place)])
}

fn seen(task: &Value, down: bool) -> Seen {
    seen_with(task, down, &HashSet::new())
}

fn seen_with(task: &Value, down: bool, running: &HashSet<InstanceId>) -> Seen {
    let labels = owner().of(&birth());
    let mut task = task.clone();
    task["NodeID"] = "n1".into();
    task["ServiceID"] = "s".into();
    task["Spec"]["ContainerSpec"]["Labels"] = json!(labels);
    let service = json!({"ID": "s", "Spec": {"Labels": labels}});
    let services: Vec<Service> = serde_json::from_value(json!([service])).unwrap();
    let tasks: Vec<Task> = serde_json::from_value(json!([task])).unwrap();
    all(&owner(), &services, &tasks, &places_of(down), running).remove(&birth().id).unwrap()
}

fn ended(code: Option<i64>, error: Option<&str>, container: Option<&str>) -> Seen {
    let (error, container) = (error.map(str::to_owned), container.map(str::to_owned));
    Seen::Ended(Ended { code, error, container })
}

#[test]
fn a_task_that_waits_says_for_what() {
    let error = "no suitable node (insufficient resources on 1 node)";
    let task = json!({"DesiredState": "running", "Status": {"State": "pending", "Err": error}});
    assert_eq!(seen(&task, false), Seen::Pending(Some(error.to_owned())));
}

#[test]
fn a_running_task_says_where() {
    let task = json!({"DesiredState": "running", "Status": {"State": "running"}});
    assert_eq!(seen(&task, false), Seen::Running(Some("10.0.0.1:0".parse().unwrap())));
    // The Swarm has lost the node, and has not given up the task.
    assert_eq!(seen(&task, true), Seen::Running(Some("10.0.0.1:0".parse().unwrap())));
}

#[test]
fn a_container_that_was_seen_started_runs_before_the_swarm_has_heard_of_it() {
    let starting = json!({"DesiredState": "running", "Status": {"State": "starting"}});
    assert_eq!(seen(&starting, false), Seen::Pending(None));
    let running = HashSet::from([birth().id]);
    let there = Seen::Running(Some("10.0.0.1:0".parse().unwrap()));
    assert_eq!(seen_with(&starting, false, &running), there);
    // Later words of the Swarm count for more.
    let failed = json!({"DesiredState": "shutdown", "Status": {"State": "rejected", "Err": "no"}});
    assert_eq!(seen_with(&failed, false, &running), ended(None, Some("no"), None));
}

#[test]
fn ends_are_told_with_their_code() {
    let container = json!({"ContainerID": "c", "PID": 0, "ExitCode": 7});
    let status = json!({"State": "shutdown", "ContainerStatus": container});
    let task = json!({"DesiredState": "shutdown", "Status": status});
    assert_eq!(seen(&task, false), ended(Some(7), None, Some("c")));
    let error = "task: non-zero exit (7)";
    let status = json!({"State": "failed", "Err": error, "ContainerStatus": container});
    let task = json!({"DesiredState": "shutdown", "Status": status});
    assert_eq!(seen(&task, false), ended(Some(7), None, Some("c")));
}

#[test]
fn what_never_ran_says_why() {
    let status = json!({"State": "rejected", "Err": "No such image: x"});
    let task = json!({"DesiredState": "shutdown", "Status": status});
    assert_eq!(seen(&task, false), ended(None, Some("No such image: x"), None));
    let task = json!({"DesiredState": "shutdown", "Status": {"State": "running"}});
    assert_eq!(seen(&task, true), ended(None, Some("its node alpha is down"), None));
}

#[test]
fn the_task_that_stands_for_a_stopped_service_says_nothing() {
    let labels = owner().of(&birth());
    let template = json!({"ContainerSpec": {"Labels": labels},
        "Placement": {"Constraints": ["node.id==stopped-by-kiln"]}});
    let service = json!([{"ID": "s", "Spec": {"Labels": labels, "TaskTemplate": template}}]);
    let task = json!([{"Spec": template, "DesiredState": "running",
        "Status": {"State": "pending"}}]);
    let services: Vec<Service> = serde_json::from_value(service).unwrap();
    let tasks: Vec<Task> = serde_json::from_value(task).unwrap();
    let all = all(&owner(), &services, &tasks, &Places::new(), &HashSet::new());
    assert_eq!(all[&birth().id], ended(None, None, None));
}

#[test]
fn addresses_that_only_the_node_itself_reaches_are_not_used() {
    let nodes = json!([
        {"ID": "n1", "Description": {"Hostname": "alpha"},
            "Status": {"State": "ready", "Addr": "127.0.0.1"}},
        {"ID": "n2", "Status": {"State": "down", "Addr": "10.0.0.2"}},
    ]);
    let places = places(serde_json::from_value(nodes).unwrap());
    assert_eq!(places["n1"], Place { name: "alpha".into(), down: false, ip: None });
    assert_eq!((places["n2"].down, places["n2"].ip), (true, Some([10, 0, 0, 2].into())));
}
