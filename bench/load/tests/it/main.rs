//! The clients against real servers of this process: what is right counts as right, and nothing
//! that is wrong goes unseen.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there and then")]

mod server;

use kiln_load::{Allowed, Kind, Load, Offer, Report, Running, Target, Why};
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

/// Requests of one kind at a fixed rate, until so many have ended.
fn offer(server: &Server, kind: Kind, rate: u32, count: u64) -> Report {
    let target = Target::new(server.address, "hello.test.localhost").unwrap();
    let running = Offer::new(target, rate).kinds([(kind, 1)]).start();
    until(&running, count);
    running.stop()
}

#[test]
fn requests_at_a_fixed_rate_of_every_kind_are_answered() {
    for kind in Kind::ALL {
        let report = offer(&Server::start(Behaviour::Works), kind, 200, 20);
        assert!(report.requests() >= 20, "{report}");
        assert_eq!(report.failures(), 0, "{report}");
    }
}

#[test]
fn the_rate_is_offered_whatever_becomes_of_the_requests() {
    let report = offer(&Server::start(Behaviour::Fails), Kind::NewConnection, 1000, 500);
    let offered = u64::try_from(report.took.as_millis()).unwrap();
    // One for each millisecond until it was stopped; the last answers come after that.
    assert!((500..=offered + 1).contains(&report.requests()), "{report}");
    assert_eq!(report.all().why.get(&Why::Status), Some(&report.requests()), "{report}");
}

#[test]
fn a_pause_of_the_server_makes_every_request_late_that_was_due_in_it() {
    let server = Server::start(Behaviour::PausesOnce(Duration::from_millis(400)));
    let report = offer(&server, Kind::KeepAlive, 500, 1000);
    let all = report.all();
    assert_eq!(all.failures, 0, "{report}");
    assert!(all.slowest() >= Duration::from_millis(400), "{report}");
    // 200 of some 1000 were due in the pause; the half of them waited for 200 ms or more.
    assert!(all.within(95.0) >= Duration::from_millis(150), "{report}");
}

#[test]
fn what_a_slow_client_waits_for_by_itself_is_not_the_answers_time() {
    let server = Server::start(Behaviour::Works);
    for kind in [Kind::SlowRequest, Kind::Upload] {
        let report = offer(&server, kind, 20, 5);
        assert_eq!(report.failures(), 0, "{report}");
        // Each sends for half a second at least.
        assert!(report.all().within(50.0) < Duration::from_millis(400), "{report}");
        assert!(report.took > Duration::from_millis(400), "{report}");
    }
}
