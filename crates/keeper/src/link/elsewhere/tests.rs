//! Who is waited for, and for how long.

use super::*;

const INSTALL: InstallId = InstallId::from_random([1; 3]);

fn edge() -> RouterName {
    RouterName::parse("edge").unwrap()
}

fn status(epoch: u64, version: u64) -> Status {
    let (groups, instances) = (Vec::new(), Vec::new());
    let listen = "10.0.0.1:80".parse().unwrap();
    Status { seq: 1, epoch, version, listen, pid: 1, groups, instances }
}

/// The router is waited for so many seconds for table 1.`version`, so many seconds after it joined.
fn awaited(heard: &Heard, version: u64, now: Instant) -> Option<u64> {
    heard.behind((1, version), now).next().map(|(_, lease)| lease.as_secs())
}

#[test]
fn one_that_is_there_is_waited_for_until_it_carries_the_table() {
    let (mut heard, joined) = (Heard::default(), Instant::now());
    heard.admit(edge(), INSTALL, joined);
    assert_eq!(awaited(&heard, 1, joined), Some(15), "it has not said anything yet");
    let now = joined + Duration::from_secs(3);
    heard.other((&edge(), INSTALL), status(1, 1), (1, 2), now).unwrap();
    assert_eq!((awaited(&heard, 1, now), awaited(&heard, 2, now)), (None, Some(15)));
    // Silence ends it.
    let later = now + Duration::from_secs(16);
    assert_eq!(awaited(&heard, 2, later), None);
    assert!(!heard.all(later)[0].present);
}

#[test]
fn one_that_reports_and_takes_no_table_is_not_waited_for_for_ever() {
    let (mut heard, joined) = (Heard::default(), Instant::now());
    heard.admit(edge(), INSTALL, joined);
    let mut now = joined;
    for _ in 0..5 {
        now += Duration::from_secs(4);
        heard.other((&edge(), INSTALL), status(1, 1), (1, 9), now).unwrap();
    }
    assert_eq!(awaited(&heard, 9, now), None, "16 s without a step forward");
    // Each table that it takes is a sign of life.
    heard.other((&edge(), INSTALL), status(1, 5), (1, 9), now).unwrap();
    assert_eq!(awaited(&heard, 9, now), Some(15));
}

#[test]
fn a_table_that_this_server_has_not_made_is_refused() {
    let (mut heard, now) = (Heard::default(), Instant::now());
    heard.admit(edge(), INSTALL, now);
    let refused = heard.other((&edge(), INSTALL), status(7, 1), (1, 9), now);
    assert_eq!(refused, Err(NotHeard::Ahead { epoch: 7 }));
}

#[test]
fn a_name_belongs_to_who_has_it_until_he_is_away() {
    let (mut heard, now) = (Heard::default(), Instant::now());
    heard.admit(edge(), INSTALL, now);
    let other = InstallId::from_random([2; 3]);
    let report = |heard: &mut Heard, now| heard.other((&edge(), other), status(1, 1), (1, 1), now);
    assert_eq!(report(&mut heard, now), Err(NotHeard::Taken));
    assert_eq!(report(&mut heard, now + LEASE), Err(NotHeard::Unknown), "it may join");
}

#[test]
fn another_process_or_router_counts_anew() {
    let (mut heard, now) = (Heard::default(), Instant::now());
    let counters = |heard: &Heard, now| heard.counted(status(1, 1), now).1;
    let alone = counters(&heard, now);
    heard.admit(edge(), INSTALL, now);
    heard.other((&edge(), INSTALL), status(1, 1), (1, 1), now).unwrap();
    let two = counters(&heard, now);
    assert!(alone != two && two == counters(&heard, now));
    assert_eq!(counters(&heard, now + LEASE), alone, "the other is away");
}
