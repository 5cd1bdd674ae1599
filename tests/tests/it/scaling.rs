//! The number of instances follows the load that really comes.

use crate::crashes::SOON;
use kiln_load::Offer;
use kiln_tests::{Kiln, Project, note, until};
use std::time::Instant;

#[test]
fn a_service_gets_more_instances_under_load_and_fewer_when_it_is_over() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    let params = r#"{"min": 1, "max": 3, "scale": {"requests": 20, "scaleInAfter": "10s"}}"#;
    let _put = kiln.put("hello", "deployment-params.json", params).exits(0);
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "first light"]);
    assert_eq!(kiln.instance_pids().len(), 1);
    let began = Instant::now();
    let running = Offer::new(kiln.target("hello"), 100).start();
    until("there are three", SOON, || kiln.instance_pids().len() == 3);
    note(&format!("three after {:?}", began.elapsed()));
    let newest = &kiln.list(["deployments", "hello", "prod", "--limit", "1"])[0];
    assert_eq!((&newest["verb"], &newest["user"]), (&"resize".into(), &"kiln".into()));
    let report = running.stop();
    assert_eq!(report.failures(), 0, "{report}{}", kiln.logs());
    let over = Instant::now();
    until("one is enough", SOON, || kiln.instance_pids().len() == 1);
    note(&format!("one after {:?}", over.elapsed()));
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
}
