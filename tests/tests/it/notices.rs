//! Hooks over HTTP: calls of the server's to somebody who is to know, or has to do something.

use crate::crashes::{SOON, serving};
use crate::hooks::{hook, ship_next};
use kiln_tests::{Authority, Canary, Heard, Kiln, Part, Project, Receiver, until};
use serde_json::{Value, json};
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

/// Lets a call be made at a point.
fn calls(kiln: &Kiln, point: &str, call: &Value, deadline: &str) {
    let params = json!({"hooks": {point: {"http": call, "deadline": deadline}}}).to_string();
    let _put = kiln.put("hello", "deployment-params.json", &params).exits(0);
}

fn header<'a>(heard: &'a Heard, name: &str) -> &'a str {
    heard.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[test]
fn a_cdn_is_told_to_purge_once_the_traffic_has_moved_by_a_call_with_a_secret() {
    let (kiln, project) = serving();
    let canary = Canary::hatch();
    let _set = kiln.set_token("hello", canary.value()).exits(0);
    let receiver = Receiver::start();
    let call = json!({"url": receiver.url("/purge?zone=1"), "method": "PUT", "secret": "token",
        "headers": {"X-Zone": "shop"}});
    calls(&kiln, "afterShift", &call, "30s");
    let plan = kiln.done(["plan", "hello", "prod"]);
    let told = format!("afterShift, at most 30s: PUT {}", receiver.url("/purge?zone=1"));
    assert!(plan.stdout.contains(&told), "{plan}");
    let before = kiln.json(["status", "hello", "prod"])["release"].clone();
    let shipped = ship_next(&kiln, &project);
    assert_eq!(shipped.code, Some(0), "{shipped}{}", kiln.logs());
    assert_eq!(hook(&kiln)["note"], "answered 200 OK");

    let [heard] = &receiver.heard()[..] else { panic!("{:?}", receiver.heard()) };
    assert_eq!(heard.what, "PUT /purge?zone=1");
    assert_eq!(
        (header(heard, "x-zone"), header(heard, "content-type")),
        ("shop", "application/json")
    );
    let bearer = format!("Bearer {}", str::from_utf8(canary.value()).unwrap());
    assert_eq!(header(heard, "authorization"), bearer);
    assert_eq!(header(heard, "idempotency-key"), heard.body["id"]);
    let deployment = kiln.list(["deployments", "hello", "prod", "--limit", "1"])[0].clone();
    let status = kiln.json(["status", "hello", "prod"]);
    assert_eq!(heard.body["deployment"], deployment["id"]);
    assert_eq!(heard.body["release"], status["release"], "{status}");
    assert_eq!(heard.body["previousRelease"], before);
    assert_ne!(before, Value::Null, "{status}");
    for (key, value) in [("point", "afterShift"), ("application", "hello"), ("environment", "prod")]
    {
        assert_eq!(heard.body[key], value);
    }
    let image = heard.body["image"].as_str().unwrap();
    assert!(image.starts_with("sha256:"), "{image}");

    nowhere(&kiln, &canary, &format!("{plan}{shipped}"));
}

/// Neither written, nor logged, nor shown.
fn nowhere(kiln: &Kiln, canary: &Canary, said: &str) {
    let id = kiln.list(["deployments"])[0]["id"].as_str().unwrap().to_owned();
    let shown = [kiln.run(["deployment", &id]), kiln.run(["deployment", &id, "--json"])];
    let said = format!("{said}{shown:?}{}", kiln.logs());
    assert!(!canary.is_in(said.as_bytes()), "{said}");
    assert_eq!(canary.files_below(kiln.data()), [""; 0].map(PathBuf::from));
    assert_eq!(canary.processes(&kiln.processes()), [0; 0]);
}

#[test]
fn a_receiver_that_refuses_takes_the_deployment_back_and_its_words_are_kept_without_the_secret() {
    let (kiln, project) = serving();
    let canary = Canary::hatch();
    let _set = kiln.set_token("hello", canary.value()).exits(0);
    let receiver = Receiver::start();
    let value = str::from_utf8(canary.value()).unwrap();
    receiver.answers(500, &format!("no such zone\nnot with {value}\n{}", "more\n".repeat(5_000)));
    calls(&kiln, "afterShift", &json!({"url": receiver.url("/"), "secret": "token"}), "30s");
    let shipped = ship_next(&kiln, &project);
    assert_eq!(shipped.code, Some(3), "{shipped}");
    let said =
        ["hook afterShift: answered 500 Internal Server Error", "no such zone", "not with …"];
    shipped.says(&said);
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
    assert_eq!(receiver.heard().len(), 1, "what is refused is not asked again");
    nowhere(&kiln, &canary, &shipped.to_string());

    // Who is sent elsewhere does not go there.
    receiver.answers(302, "");
    receiver.adds("location", "http://localhost:1/elsewhere");
    let shipped = ship_next(&kiln, &project);
    assert_eq!(shipped.code, Some(3), "{shipped}");
    shipped.says(&["302 Found, which leads to http://localhost:1/elsewhere: redirects are not"]);
}

#[test]
fn a_receiver_that_is_away_or_busy_is_asked_again_with_the_same_id_until_it_answers() {
    let (kiln, project) = serving();
    let receiver = Receiver::away();
    calls(&kiln, "beforeShift", &json!({"url": receiver.url("/")}), "60s");
    project.says("hello 2\n");
    kiln.done(["bake", "hello", "2", "--dir", project.dir()]);
    let told = kiln.scratch().join("told");
    let mut deploy = kiln.command(["deploy", "hello", "prod", "hello:2", "-m", "on"]);
    deploy
        .stdout(File::create(&told).unwrap())
        .stderr(File::options().append(true).open(&told).unwrap());
    let mut deploy = deploy.spawn().unwrap();
    let says = |words: &str| std::fs::read_to_string(&told).unwrap().contains(words);
    until("nobody is there", SOON, || says("Connection refused"));
    receiver.answers(503, "busy");
    receiver.comes();
    until("it is busy", SOON, || says("answered 503 Service Unavailable"));
    receiver.answers(204, "");
    assert_eq!(deploy.wait().unwrap().code(), Some(0));
    let note = hook(&kiln)["note"].clone();
    assert!(note.as_str().unwrap().starts_with("answered 204 No Content at try "), "{note}");
    let ids: Vec<Value> = receiver.heard().iter().map(|heard| heard.body["id"].clone()).collect();
    assert!(ids.len() >= 2 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(kiln.get("hello").text(), "hello 2\n");
}

#[test]
fn a_receiver_that_does_not_answer_in_time_takes_the_deployment_back() {
    let (kiln, project) = serving();
    let receiver = Receiver::away();
    calls(&kiln, "beforeShift", &json!({"url": receiver.url("/")}), "2s");
    let shipped = ship_next(&kiln, &project);
    assert_eq!(shipped.code, Some(3), "{shipped}");
    shipped.says(&["hook beforeShift: it did not end within 2s", "try 1:", "Connection refused"]);
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
    // One that is there and says nothing.
    receiver.comes();
    receiver.takes(Duration::from_secs(60));
    let shipped = ship_next(&kiln, &project);
    shipped.says(&["hook beforeShift: it did not end within 2s"]);
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
}

#[test]
fn a_server_that_was_killed_during_a_call_makes_it_again_with_the_same_id() {
    let (kiln, project) = serving();
    let receiver = Receiver::start();
    receiver.takes(Duration::from_secs(3_600));
    calls(&kiln, "afterShift", &json!({"url": receiver.url("/")}), "60s");
    project.says("hello 2\n");
    kiln.done(["bake", "hello", "2", "--dir", project.dir()]);
    let deploy = ["deploy", "hello", "prod", "hello:2", "-m", "on", "--detach"];
    let id = kiln.json(deploy)["id"].as_str().unwrap().to_owned();
    until("the call is made", SOON, || receiver.heard().len() == 1);
    receiver.takes(Duration::ZERO);
    let server = kiln.pid(Part::Server).unwrap();
    kiln.kill(Part::Server);
    assert_ne!(kiln.successor(Part::Server, server), server);
    kiln.done(["watch", &id]);
    let heard = receiver.heard();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert_eq!(heard[0].body, heard[1].body);
    assert_eq!(header(&heard[0], "idempotency-key"), header(&heard[1], "idempotency-key"));
}

#[test]
fn a_call_over_tls_trusts_what_the_machine_trusts() {
    let kiln = Kiln::not_started();
    let authority = Authority::in_directory(kiln.scratch());
    let root = authority.root();
    let program = kiln_tests::kiln();
    let start = format!("SSL_CERT_FILE={} exec {} \"$@\"", root.display(), program.display());
    kiln.up_from(&kiln.script("trusting", &start)).unwrap();
    kiln.know_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    let receiver = Receiver::with_tls(&authority);
    calls(&kiln, "beforeShift", &json!({"url": receiver.https("/")}), "30s");
    let shipped = ship_next(&kiln, &project);
    assert_eq!(shipped.code, Some(0), "{shipped}");
    assert_eq!(receiver.heard().len(), 1);
    // Another authority of the same name is another one.
    let elsewhere = tempfile::tempdir().unwrap();
    let stranger = Receiver::with_tls(&Authority::in_directory(elsewhere.path()));
    calls(&kiln, "beforeShift", &json!({"url": stranger.https("/")}), "2s");
    let shipped = kiln.run(["redeploy", "hello", "prod", "-m", "again"]);
    assert_eq!(shipped.code, Some(3), "{shipped}");
    shipped.says(&["certificate"]);
    assert_eq!(stranger.heard().len(), 0);
}

#[test]
fn a_call_with_a_secret_that_nobody_has_set_is_refused_before_anything_happens() {
    let (kiln, project) = serving();
    let call = json!({"url": "http://localhost:1/", "secret": "CDN_TOKEN"});
    calls(&kiln, "afterFinish", &call, "30s");
    let shipped = ship_next(&kiln, &project);
    shipped.says(&[
        "hook afterFinish sends the secret CDN_TOKEN",
        "kiln secret set hello prod CDN_TOKEN",
    ]);
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
}
