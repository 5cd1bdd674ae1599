//! What a Prometheus knows of a new release decides whether it stays.

use crate::crashes::serving;
use crate::hooks::ship_next;
use kiln_tests::{Kiln, Prometheus, Receiver};
use serde_json::json;

/// Asks for the jobs that failed.
fn asks(kiln: &Kiln, prometheus: &Prometheus, query: &str) {
    let query = json!({"name": "failed jobs", "query": query, "max": 5});
    let asked = json!({"url": prometheus.url(), "queries": [query]});
    let analysis = json!({"notEnoughData": "pass", "prometheus": asked});
    let params = json!({"watch": "1s", "analysis": analysis}).to_string();
    let _put = kiln.put("hello", "deployment-params.json", &params).exits(0);
}

#[test]
fn a_release_of_which_prometheus_knows_bad_figures_is_taken_back_with_the_number() {
    let (kiln, project) = serving();
    let exporter = Receiver::start();
    exporter.adds("content-type", "text/plain; version=0.0.4");
    let series = |group: &str, value: u32| format!("jobs_failed{{group=\"{group}\"}} {value}\n");
    let all = [series("hello-prod-web-v002", 7), series("hello-prod-web-v003", 3)].concat();
    exporter.answers(200, &all);
    let prometheus = Prometheus::scraping(&exporter, kiln.scratch());
    prometheus.knows("jobs_failed");

    asks(&kiln, &prometheus, "sum(jobs_failed{group=\"{group}\"})");
    let shipped = ship_next(&kiln, &project);
    assert_eq!(shipped.code, Some(3), "{shipped}");
    shipped.says(&["failed jobs of web 7 (at most 5)"]);
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
    let shipped = ship_next(&kiln, &project);
    assert_eq!(shipped.code, Some(0), "{shipped}");
    assert!(note(&kiln).contains("failed jobs of web 3 (at most 5)"), "{}", note(&kiln));

    // Of the next one nothing is known.
    let redeploy = || kiln.run(["redeploy", "hello", "prod", "-m", "again"]);
    assert_eq!(redeploy().code, Some(0));
    assert!(note(&kiln).contains("failed jobs of web: there is no such series"), "{}", note(&kiln));
    for (query, told) in [
        ("jobs_failed", "failed jobs: it has 2 elements"),
        ("sum(jobs_failed", "failed jobs: the query is refused: "),
        ("jobs_failed[1m]", "failed jobs: it is a range of values"),
    ] {
        asks(&kiln, &prometheus, query);
        let again = redeploy();
        assert_eq!(again.code, Some(3), "{again}");
        again.says(&[told]);
    }
    asks(&kiln, &prometheus, "scalar(sum(jobs_failed))");
    redeploy().says(&["failed jobs 10 (at most 5)"]);
    drop(prometheus);
    assert_eq!(redeploy().code, Some(0));
    assert!(note(&kiln).contains("Connection refused"), "{}", note(&kiln));
}

/// What the newest deployment was measured by.
fn note(kiln: &Kiln) -> String {
    let newest = &kiln.list(["deployments", "hello", "prod", "--limit", "1"])[0];
    let deployment = kiln.json(["deployment", newest["id"].as_str().unwrap()]);
    let actions = deployment["actions"].as_array().unwrap();
    let action = actions.iter().rfind(|action| action["name"] == "analyze").unwrap();
    action["note"].as_str().unwrap().to_owned()
}
