//! The clients against real servers of this process: what is right counts as right, and nothing
//! that is wrong goes unseen.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there and then")]

mod server;

use kiln_load::{Allowed, Kind, Load, Report, Running, Target};
use server::{Behaviour, Server};
use std::time::{Duration, Instant};

/// Waits until the load has ended `count` requests.
fn until(running: &Running, count: u64) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while running.ended() < count {
        assert!(Instant::now() < deadline, "only {} requests ended", running.ended());
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "the clients are on another thread")]
fn pause() {
    std::thread::sleep(Duration::from_millis(1));
}

fn run(behaviour: Behaviour, kind: Kind, count: u64) -> Report {
    let server = Server::start(behaviour);
    let target = Target::new(server.address, "hello.test.localhost").unwrap();
    let mut load = Load::new(target).rate(500);
    for other in Kind::ALL {
        load = load.clients(other, usize::from(other == kind));
    }
    let running = load.start();
    until(&running, count);
    running.stop()
}

#[test]
fn every_kind_of_client_is_content_with_a_server_that_works() {
    for kind in Kind::ALL {
        let report = run(Behaviour::Works, kind, 5);
        assert!(report.requests() >= 5, "{report}");
        assert_eq!(report.failures(), 0, "{report}");
    }
}

#[test]
fn an_answer_that_breaks_off_is_a_failure_for_every_kind() {
    for kind in Kind::ALL {
        let report = run(Behaviour::BreaksOff, kind, 3);
        assert_eq!(report.failures(), report.requests(), "{report}");
    }
}

#[test]
fn an_error_status_is_a_failure_and_is_shown_with_its_body() {
    let report = run(Behaviour::Fails, Kind::KeepAlive, 3);
    assert_eq!(report.failures(), report.requests(), "{report}");
    assert!(report.to_string().contains("503 Service Unavailable \"not now\""), "{report}");
}

#[test]
fn a_poster_notices_a_single_changed_byte() {
    let report = run(Behaviour::Garbles, Kind::Poster, 10);
    assert!(report.failures() > 0, "{report}");
}

#[test]
fn a_connection_closed_between_two_requests_fails_nobody() {
    let report = run(Behaviour::ClosesAfterEach, Kind::KeepAlive, 20);
    assert_eq!(report.failures(), 0, "{report}");
}

#[test]
fn the_check_sees_every_answer() {
    let server = Server::start(Behaviour::Works);
    let target = Target::new(server.address, "hello.test.localhost").unwrap();
    let allowed = Allowed::only_now("one");
    let check = allowed.clone();
    let load = Load::new(target).rate(200).check(move |answer| {
        let version = answer.header("x-version").unwrap_or("none").to_owned();
        check.check(&version, answer.begun, answer.ended)
    });
    let running = load.start();
    until(&running, 20);
    allowed.only("two");
    let so_far = running.ended();
    until(&running, so_far + 20);
    let report = running.stop();
    assert!(report.failures() > 0 && report.failures() < report.requests(), "{report}");
}
