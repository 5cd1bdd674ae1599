//! A service that moves in from elsewhere, and back out: an external group takes a part of the
//! requests. Elsewhere is another Kiln, whose router knows the same hosts.

use crate::traffic::{let_pass, load};
use kiln_load::Allowed;
use kiln_tests::{Kiln, Project, note, until};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// Lets what runs elsewhere have its part from the next deployment on.
fn share(kiln: &Kiln, elsewhere: &Kiln, weight: u32) {
    let address = elsewhere.http();
    let params = format!(
        r#"{{"keepWarm": "1h", "processes": {{"web": {{"external":
            {{"addresses": ["{address}"], "weight": {weight}}}}}}}}}"#
    );
    let _put = kiln.put("hello", "deployment-params.json", &params).exits(0);
}

/// How many of a hundred requests are answered elsewhere.
fn elsewhere(kiln: &Kiln) -> usize {
    (0..100).filter(|_| kiln.get("hello").text() == "hello 0\n").count()
}

#[test]
fn a_service_moves_in_by_shares_and_back_out_and_no_request_fails() {
    let old = Kiln::with_tiny();
    let before = Project::serving(&old, "hello", "hello 0\n");
    old.done(["ship", "hello", "prod", "--dir", before.dir(), "-m", "as ever"]);
    let kiln = Kiln::with_tiny();
    let project = Project::serving(&kiln, "hello", "hello 1\n");
    share(&kiln, &old, 100);
    let ship = ["ship", "hello", "prod", "--dir", project.dir(), "-m", "moves in"];
    kiln.done(ship);
    // The first check of what is outside may still be under way.
    until("what is outside is checked", SOON, || elsewhere(&kiln) == 100);
    let allowed = Allowed::only_now("hello 0");
    let running = load(&kiln, &allowed);
    let_pass(&running, 40);

    allowed.also("hello 1");
    share(&kiln, &old, 50);
    kiln.run(["plan", "hello", "prod"]).says(&["external", "50% to "]);
    kiln.done(["redeploy", "hello", "prod", "-m", "half of it"]);
    let half = elsewhere(&kiln);
    // A deviation of 5: six of those to either side.
    assert!((20..=80).contains(&half), "{half} of 100 at a weight of 50");
    kiln.run(["status", "hello", "prod"]).says(&["external", "1/1", "50%"]);
    share(&kiln, &old, 0);
    kiln.done(["redeploy", "hello", "prod", "-m", "all of it"]);
    allowed.only("hello 1");
    let_pass(&running, 40);
    assert_eq!(elsewhere(&kiln), 0);

    allowed.also("hello 0");
    kiln.done(["rollback", "hello", "prod", "-m", "half of it was better"]);
    until("half of it is elsewhere again", SOON, || elsewhere(&kiln) > 20);
    let report = running.stop();
    note(&report.to_string());
    assert_eq!(report.failures(), 0, "{report}{}", kiln.logs());

    // Whoever is away loses its part to those that are there.
    old.down();
    until("nobody asks there any more", SOON, || elsewhere(&kiln) == 0);
    until("the status says so", SOON, || {
        kiln.run(["status", "hello", "prod"]).stdout.contains("gets no requests")
    });
    assert!((0..100).all(|_| kiln.get("hello").text() == "hello 1\n"));
}
