//! How instances begin and end: crashes, kills, drains, takeovers, and what is left of them.

use crate::keeping::{Keeping, SERVE, SERVE_PAGE};
use crate::machine::until;
use kiln_engine::{Call, Engine, InstanceState, Traffic};
use kiln_names::{EnvName, GroupId};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

#[test]
fn three_exits_before_the_first_pass_are_reported_as_a_crash_loop() {
    let keeping = Keeping::new("echo no configuration; exit 3", 1);
    let crash_loop = || keeping.group().unwrap().crash_loop;
    until("a crash loop is reported", || crash_loop().is_some());
    let crash = crash_loop().unwrap();
    assert!(crash.exits >= 3, "{crash:?}");
    assert_eq!(crash.last.code, Some(3), "{crash:?}");
    assert_eq!(keeping.lines(crash.instance), ["no configuration"]);
}

#[test]
fn an_instance_killed_with_its_shim_is_replaced_and_nothing_of_it_is_left() {
    let keeping = Keeping::healthy(SERVE_PAGE, 1);
    let killed = keeping.only();
    keeping.machine.kill(killed.id);
    until("another one is there", || keeping.state(killed.id).is_none());
    keeping.until_healthy(1);
    let alone = BTreeSet::from([keeping.only().id]);
    until("the first one's files and control groups are gone", || {
        keeping.machine.left() == (alone.clone(), alone.clone())
    });
    keeping.resize(0);
    until("nothing is left", || keeping.machine.left() == (BTreeSet::new(), BTreeSet::new()));
    until("the first address is given out again", || {
        keeping.resize(1);
        keeping.until_healthy(1);
        let address = keeping.only().address;
        keeping.resize(0);
        keeping.until_healthy(0);
        address == killed.address
    });
}

#[test]
fn what_was_to_be_replaced_when_the_engine_died_is_replaced_by_the_next() {
    let mut keeping = Keeping::healthy(SERVE_PAGE, 1);
    let old = keeping.only();
    keeping.crash();
    keeping.machine.mark_replacing(old.id);
    keeping.take_over();
    until("another one has its place", || keeping.state(old.id).is_none());
    keeping.until_healthy(1);
    keeping.resize(0);
}

#[test]
fn an_environment_for_which_there_is_no_network_is_told_at_once() {
    let keeping = Keeping::new(SERVE, 0);
    let ensure = |n: u8| {
        let mut spec = keeping.spec.clone();
        spec.id = GroupId::from_random([n, 9, 9, 9]);
        spec.env = EnvName::parse(&format!("e{n}")).unwrap();
        keeping.run(keeping.engine().ensure_group(Call { epoch: 1 }, &spec))
    };
    (1..15).for_each(|n| ensure(n).unwrap());
    let refused = ensure(15).unwrap_err().to_string();
    assert!(refused.contains("all 15 networks") && refused.contains("--network"), "{refused}");
}

#[test]
fn an_address_is_not_given_out_again_before_the_router_forgot_it() {
    let keeping = Keeping::healthy(SERVE_PAGE, 1);
    let first = keeping.only();
    keeping.machine.pause_router(true);
    keeping.machine.kill(first.id);
    until("another one runs", || {
        let instances = keeping.instances();
        instances.iter().any(|i| i.id != first.id && i.state == InstanceState::Starting)
    });
    let second = keeping.only();
    assert_ne!(second.address, first.address);
    keeping.machine.kill(second.id);
    until("a third one is there", || keeping.instances().iter().all(|i| i.id != second.id));
    let third = keeping.only();
    assert!(![first.address, second.address].contains(&third.address), "{third:?}");
    keeping.machine.pause_router(false);
    keeping.until_healthy(1);
    until("the first address is given out again", || {
        keeping.resize(0);
        keeping.until_healthy(0);
        keeping.resize(1);
        keeping.until_healthy(1);
        keeping.only().address == first.address
    });
}

#[test]
fn after_a_reboot_a_whole_group_is_back_at_once() {
    let mut keeping = Keeping::healthy(SERVE_PAGE, 4);
    let before = keeping.ids();
    keeping.crash();
    before.iter().for_each(|id| keeping.machine.lose_in_reboot(*id));
    let began = Instant::now();
    keeping.take_over();
    keeping.until_healthy(4);
    assert!(began.elapsed() < Duration::from_secs(5), "it took {:?}", began.elapsed());
    let after = keeping.ids();
    assert!(after.is_disjoint(&before));
    until("nothing of those before is left", || {
        keeping.machine.left() == (after.clone(), after.clone())
    });
}

#[test]
fn a_request_in_flight_is_answered_in_full_while_its_instance_drains() {
    let keeping = Keeping::healthy(SERVE_PAGE, 1);
    keeping.route("slow.localhost");
    let id = keeping.only().id;
    let router = keeping.machine.router();
    let status = || keeping.run(router.status(None, Duration::ZERO)).unwrap();
    let answer = get(status().listen, "slow.localhost", "/cgi-bin/slow");
    let in_flight = || {
        let (app, env) = (&keeping.spec.app, &keeping.spec.env);
        let seen = keeping.run(Traffic::observe(keeping.engine(), app, env)).unwrap();
        seen.groups[0].in_flight
    };
    until("the router counts the request", || {
        status().instances.iter().any(|said| said.id == id && said.in_flight == 1)
    });
    keeping.resize(0);
    until("it is out of the table", || {
        status().instances.iter().any(|said| said.id == id && said.draining)
    });
    until("the engine counts the request", || in_flight() == Some(1));
    assert_eq!(keeping.state(id), Some(InstanceState::Draining));
    assert!(!answer.is_finished());
    std::fs::write(keeping.machine.root(id).join("tmp/go"), "").unwrap();
    let answer = answer.join().unwrap();
    assert!(answer.ends_with("answered in full\r\n0\r\n\r\n"), "{answer}");
    keeping.until_healthy(0);
}

#[test]
fn a_replacement_under_way_is_finished_by_the_next_server() {
    let mut keeping = Keeping::new(SERVE, 1);
    until("it runs", || keeping.instances().iter().any(|i| i.state == InstanceState::Starting));
    let old = keeping.only().id;
    keeping.pass(old);
    keeping.until_healthy(1);
    keeping.replace(old);
    until("its successor runs", || {
        keeping.instances().iter().any(|i| i.id != old && i.state == InstanceState::Starting)
    });
    let new = keeping.instances().iter().find(|i| i.id != old).unwrap().id;
    keeping.crash();
    keeping.take_over();
    until("the old one serves", || keeping.state(old) == Some(InstanceState::Healthy));
    keeping.pass(new);
    until("only the successor is left", || keeping.ids() == BTreeSet::from([new]));
}

#[test]
fn a_group_removed_while_its_instances_launch_leaves_nothing() {
    let keeping = Keeping::new(SERVE, 12);
    until("some are being launched", || !keeping.instances().is_empty());
    keeping.remove();
    until("the group is gone", || keeping.group().is_none());
    until("nothing is left", || keeping.machine.left() == (BTreeSet::new(), BTreeSet::new()));
}

/// Asks in the background; answers the whole response.
fn get(router: SocketAddr, host: &str, path: &str) -> JoinHandle<String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    std::thread::spawn(move || {
        let mut stream = TcpStream::connect(router).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    })
}
