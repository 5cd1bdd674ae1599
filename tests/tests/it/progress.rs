//! What people and programs see while a deployment goes on: a tree on a terminal, lines elsewhere, and
//! events over HTTP.

use kiln_tests::{Kiln, Project, Ran, Shown, Terminal, note};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;

/// `hello 1` serves; the next one takes a fifth of the traffic for two seconds, then all of it.
fn canary() -> (Kiln, Project) {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    let params = r#"{"strategy": {"type": "canary", "steps": [{"weight": 20, "duration": "2s"}]}}"#;
    let _put = kiln.put("hello", "deployment-params.json", params).exits(0);
    kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "works"]);
    project.says("hello 2\n");
    (kiln, project)
}

#[test]
fn a_terminal_shows_phases_groups_and_durations_in_one_tree() {
    let (kiln, project) = canary();
    let ship = ["ship", "hello", "prod", "--dir", project.dir(), "-m", "on"];
    let shown = Terminal::of(24, 80).run(&kiln, ship);
    assert_eq!(shown.code, Some(0), "{shown}");
    note(&shown.left);
    // The share, while both have some, with what is waited for and what is to come.
    shown.shows(&["● shift", "● watch", "s are left", "○ finish", "20 %", "80 %", "v001"]);
    let ticks = times(&shown, "● watch");
    assert!(ticks.len() > 5, "the time of what is under way goes on: {ticks:?}");
    for phase in ["prepare", "create", "settle", "shift", "finish"] {
        let line = shown.line(&format!("✓ {phase} "));
        assert!(line.contains(" s  "), "{line}");
    }
    // Drawn over in place: the tree is there once, in its last form.
    for word in ["✓ completed", "✓ settle", "web  v002", "web  v001"] {
        assert_eq!(shown.left.matches(word).count(), 1, "{word}: {shown}");
    }
    assert!(!shown.left.contains('●'), "{shown}");
    assert!(shown.line("v002").contains("active  100 %  healthy 2/2"), "{shown}");
    assert!(shown.line("v001").contains("warm      0 %  healthy 2/2"), "{shown}");
    let tree = shown.left.lines().take_while(|line| !line.contains("serves in"));
    assert!(tree.map(|line| line.chars().count()).all(|columns| columns < 80), "{shown}");
}

/// The times that a line of the tree showed, over all screens.
fn times(shown: &Shown, line: &str) -> BTreeSet<String> {
    let lines = shown.screens.iter().flat_map(|screen| screen.lines());
    let ours = lines.filter_map(|shown| shown.trim_start().strip_prefix(line));
    ours.filter_map(|rest| Some(rest.split_once(" s ")?.0.trim().to_owned())).collect()
}

#[test]
fn a_small_terminal_is_never_scrolled_by_its_tree() {
    let (kiln, project) = canary();
    kiln.done(["bake", "hello", "2", "--dir", project.dir()]);
    let deploy = ["deploy", "hello", "prod", "hello:2", "-m", "on"];
    let shown = Terminal::of(8, 50).run(&kiln, deploy);
    assert_eq!(shown.code, Some(0), "{shown}");
    shown.shows(&["● running", "● watch"]);
    assert!(!shown.left.contains('●'), "{shown}");
    assert_eq!(shown.left.matches("✓ completed").count(), 1, "{shown}");
}

#[test]
fn a_service_that_starts_late_is_shown_with_its_check_and_in_colour_where_that_is_wanted() {
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    project.command(&["late"]);
    kiln.done(["bake", "hello", "1", "--dir", project.dir()]);
    let deploy = ["deploy", "hello", "prod", "hello:1", "-m", "slowly"];
    let shown = Terminal::of(24, 100).run(&kiln, deploy);
    assert_eq!(shown.code, Some(0), "{shown}");
    shown.shows(&["● settle", "starting", "healthy 0/2, 2 starting: "]);
    assert!(shown.is_coloured());
    // Whoever comes later sees the same tree, here without colour.
    let id = kiln.list(["deployments", "hello", "prod"])[0]["id"].as_str().unwrap().to_owned();
    let again = Terminal::of(24, 100).without_colour().run(&kiln, ["watch", &id]);
    assert!(!again.is_coloured(), "{again:?}");
    for part in ["✓ completed", "✓ prepare", "✓ settle", "✓ finish"] {
        assert_eq!(again.line(part), shown.line(part));
    }
}

#[test]
fn a_failure_is_in_the_tree_with_what_takes_it_back() {
    let kiln = Kiln::with_tiny();
    let project = Project::running(&kiln, "hello", &["exit"]);
    let ship = ["ship", "hello", "prod", "--dir", project.dir(), "-m", "no"];
    let shown = Terminal::of(40, 80).run(&kiln, ship);
    assert_eq!(shown.code, Some(3), "{shown}");
    assert!(shown.line("✗ undone").contains("of hello in prod"), "{shown}");
    assert!(shown.line("✗ await-").contains("hello-prod-web-v001"), "{shown}");
    assert!(shown.line("✓ undo ").contains("action"), "{shown}");
    assert!(!shown.left.contains("shift "), "what was never reached is left out: {shown}");
    assert!(shown.left.contains("no database at db.example"), "{shown}");
}

#[test]
fn without_a_terminal_everything_that_happens_is_one_line() {
    let (kiln, project) = canary();
    let shipped = kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "on"]);
    assert!(!shipped.stderr.contains(['\x1b', '\r', '●']), "{shipped}");
    let lines: Vec<&str> = shipped.stderr.lines().filter(|line| line.contains('…')).collect();
    let watch = lines.iter().filter(|line| line.contains("s are left")).count();
    assert_eq!(watch, 1, "a count that goes on is told now and then: {shipped}");
    for action in ["apply-traffic", "await-in-force", "retire-groups"] {
        assert!(shipped.stderr.contains(&format!("\n  {action} ")), "{shipped}");
    }
}

/// One event as it stands on the wire.
struct Sent {
    id: Option<u64>,
    kind: String,
    data: Value,
}

/// What `curl` reads of a deployment to its end.
fn curl(kiln: &Kiln, id: &str, more: &[&str]) -> Vec<Sent> {
    let token = std::fs::read_to_string(kiln.data().join("admin.token")).unwrap();
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--no-buffer", "--fail", "--max-time", "60"]);
    curl.args(["-H", "Accept: text/event-stream"]).args(more);
    curl.arg("-H").arg(format!("Authorization: Bearer {}", token.trim()));
    curl.arg(format!("http://{}/v1/deployments/{id}/events", kiln.api()));
    let ran = Ran::of(curl).exits(0);
    ran.stdout.split_terminator("\n\n").filter(|block| !block.starts_with(':')).map(sent).collect()
}

fn sent(block: &str) -> Sent {
    let field = |name: &str| {
        let mut lines = block.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    Sent {
        id: field("id").map(|id| id.parse().unwrap()),
        kind: field("event").unwrap_or_else(|| panic!("{block}")).to_owned(),
        data: serde_json::from_str(field("data").unwrap()).unwrap(),
    }
}

#[test]
fn curl_follows_a_deployment_to_its_end_and_resumes_where_it_was() {
    let (kiln, project) = canary();
    kiln.done(["bake", "hello", "2", "--dir", project.dir()]);
    let deploy = ["deploy", "hello", "prod", "hello:2", "-m", "on", "--detach"];
    let id = kiln.json(deploy)["id"].as_str().unwrap().to_owned();
    let events = curl(&kiln, &id, &[]);
    assert!(events.iter().all(|event| event.data["event"] == event.kind.as_str()));
    let weights = |event: &Sent| -> Vec<u64> {
        let groups = event.data["groups"].as_array().unwrap().iter();
        groups.filter_map(|group| group["weight"].as_u64()).collect()
    };
    let looks: Vec<Vec<u64>> =
        events.iter().filter(|event| event.kind == "groups").map(weights).collect();
    let after = looks.last().is_some_and(|last| *last == [100, 0]);
    assert!(looks.contains(&vec![20, 80]) && after, "{looks:?}");
    let last = events.last().unwrap();
    assert_eq!((&*last.kind, &last.data["deployment"]["state"]), ("ended", &"completed".into()));
    // Now that it rests, only what the journal has is told again, and only what comes later.
    let journaled = || events.iter().filter_map(|event| Some((event.id?, &event.data)));
    let (middle, _) = journaled().nth(journaled().count() / 2).unwrap();
    let header = format!("Last-Event-ID: {middle}");
    let resumed = curl(&kiln, &id, &["-H", &header]);
    let resumed: Vec<_> = resumed.iter().filter_map(|it| Some((it.id?, &it.data))).collect();
    let later: Vec<_> = journaled().filter(|(id, _)| *id > middle).collect();
    assert_eq!(resumed, later);
}
