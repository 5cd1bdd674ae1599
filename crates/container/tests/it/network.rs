//! Bridges, addresses, and what must not pass.

use crate::lab::{Lab, isolated, leftovers};
use kiln_container::{Bridge, Network, NetworkMode, signal_stop};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

fn bridge(lab: &Lab, index: u8) -> Bridge {
    Network::ensure(lab.install, None).unwrap().ensure_bridge(index).unwrap()
}

/// Serves its own name on port 80, which needs no right in a network of one's own.
const SERVE: &str = "echo ready; while :; do echo hello | nc -l -p 80; done";

/// What it says; nothing between two of its answers.
fn fetch(address: Ipv4Addr) -> String {
    let to = SocketAddr::from((address, 80));
    let mut text = String::new();
    let connected = TcpStream::connect_timeout(&to, Duration::from_secs(5));
    let read = connected.and_then(|mut stream| stream.read_to_string(&mut text));
    read.map(|_| text).unwrap_or_default()
}

#[tokio::test]
async fn the_host_reaches_an_instance_at_its_address() {
    let lab = Lab::new();
    let bridge = bridge(&lab, 1);
    let mut spec = lab.shell(&format!("ip -o -4 addr show eth0; ip route; {SERVE}"));
    spec.network = isolated(&bridge, 7);
    let instance = lab.launch(&spec).await;
    lab.until_logged(&spec, "ready").await;
    let log = lab.log(&spec);
    let address = bridge.subnet.address(7).unwrap();
    assert!(log.contains(&format!("inet {address}/24")), "{log}");
    assert!(log.contains(&format!("default via {} dev eth0", bridge.gateway())), "{log}");
    crate::lab::until("it answers", || fetch(address) == "hello\n").await;
    signal_stop(&instance.shim, &lab.boot).unwrap();
    lab.ended(&spec, &instance).await;
    let left = leftovers(lab.install, lab.dir.path());
    assert_eq!(left, [bridge.name], "the link goes before the shim does");
}

#[tokio::test]
async fn environments_and_the_metadata_service_are_out_of_reach() {
    let lab = Lab::new();
    let (here, there) = (bridge(&lab, 1), bridge(&lab, 2));
    let mut server = lab.shell(SERVE);
    server.network = isolated(&there, 9);
    let served = lab.launch(&server).await;
    let mut neighbour = lab.shell(SERVE);
    neighbour.network = isolated(&here, 9);
    let beside = lab.launch(&neighbour).await;
    let (far, near) = (there.subnet.address(9).unwrap(), here.subnet.address(9).unwrap());
    let mut spec = lab.shell(&format!(
        "until echo | nc -w 1 {near} 80; do :; done
         echo | nc -w 1 {far} 80 || echo far is out of reach
         echo | nc -w 1 169.254.169.254 80 || echo metadata is out of reach"
    ));
    spec.network = isolated(&here, 8);
    let (_, log) = lab.run(&spec).await;
    let said: Vec<&str> = log.lines().filter(|it| it.starts_with("stdout")).collect();
    let expected =
        ["stdout F hello", "stdout F far is out of reach", "stdout F metadata is out of reach"];
    assert_eq!(said, expected, "{log}");
    for (spec, instance) in [(&server, &served), (&neighbour, &beside)] {
        signal_stop(&instance.shim, &lab.boot).unwrap();
        lab.ended(spec, instance).await;
    }
}

/// The gateway's address is as good as any other of the machine's: what listens on all of them would
/// be reached at it.
#[tokio::test]
async fn of_the_machine_an_instance_reaches_the_router_and_nothing_else() {
    let lab = Lab::new();
    let bridge = bridge(&lab, 1);
    let listen = || std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let (router, other) = (listen(), listen());
    let port = |listener: &std::net::TcpListener| listener.local_addr().unwrap().port();
    Network::open_door(lab.install, port(&other)).unwrap();
    Network::open_door(lab.install, port(&router)).unwrap();
    // A server that starts again leaves the door as it is.
    Network::ensure(lab.install, None).unwrap();
    let ports = [&other, &router].map(port);
    for listener in [other, router] {
        std::thread::spawn(move || listener.incoming().for_each(drop));
    }
    let mut spec = lab.shell(&format!(
        "for port in {} {}; do
             nc -w 5 {gateway} $port < /dev/null && echo in || echo refused
         done",
        ports[0],
        ports[1],
        gateway = bridge.gateway(),
    ));
    spec.network = isolated(&bridge, 7);
    let (_, log) = lab.run(&spec).await;
    let said: Vec<&str> = log.lines().filter_map(|it| it.strip_prefix("stdout F ")).collect();
    assert_eq!(said, ["refused", "in"], "{log}");
}

#[tokio::test]
async fn two_installs_do_not_meet() {
    let (one, other) = (Lab::new(), Lab::new());
    let networks = [&one, &other].map(|lab| Network::ensure(lab.install, None).unwrap());
    let [a, b] = networks.each_ref().map(Network::subnet);
    assert!(!a.overlaps(&b), "{a} {b}");
    let again = Network::ensure(one.install, None).unwrap();
    assert_eq!(again.subnet(), a, "what was picked is kept");
    let bridges = networks.each_ref().map(|network| network.ensure_bridge(1).unwrap());
    assert_ne!(bridges[0].name, bridges[1].name);
    let mut spec = one.shell("exec sleep 1000");
    spec.network = isolated(&bridges[0], 2);
    let instance = one.launch(&spec).await;
    assert!(other.cgroups.list().is_empty());
    drop(other);
    assert!(instance.shim.is_alive(&one.boot));
    assert!(leftovers(one.install, one.dir.path()).len() >= 2, "its bridge and link are there");
    signal_stop(&instance.shim, &one.boot).unwrap();
    one.ended(&spec, &instance).await;
}

#[tokio::test]
async fn the_hosts_network_is_the_hosts() {
    let lab = Lab::new();
    let mut spec = lab.shell("readlink /proc/self/ns/net");
    spec.network = NetworkMode::Host;
    let (_, log) = lab.run(&spec).await;
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    assert_eq!(log, format!("stdout F {}\n", own.display()));
}

#[tokio::test]
async fn a_network_is_set_up_twice_and_removed_twice_without_harm() {
    let lab = Lab::new();
    for _twice in 0..2 {
        let network = Network::ensure(lab.install, None).unwrap();
        network.ensure_bridge(Network::BAKE).unwrap();
        network.ensure_bridge(15).unwrap();
        assert!(network.ensure_bridge(16).is_err());
    }
    let kept = Network::ensure(lab.install, None).unwrap().subnet();
    assert_eq!(Network::ensure(lab.install, Some(kept)).unwrap().subnet(), kept);
    assert!(forwarded().contains(&lab.install.to_string()));
    for _twice in 0..2 {
        Network::remove_all(lab.install).unwrap();
    }
    assert!(!forwarded().contains(&lab.install.to_string()));
    assert!(!tables().contains(&lab.install.to_string()));
}

/// The chain that Docker closes.
fn forwarded() -> String {
    let ran = std::process::Command::new("iptables").args(["-w", "-S", "FORWARD"]).output();
    String::from_utf8(ran.unwrap().stdout).unwrap()
}

fn tables() -> String {
    let ran = std::process::Command::new("nft").args(["list", "tables"]).output();
    String::from_utf8(ran.unwrap().stdout).unwrap()
}

#[tokio::test]
async fn a_network_that_is_too_small_or_taken_is_refused() {
    let (lab, other) = (Lab::new(), Lab::new());
    let refused = |network: &str| {
        Network::ensure(lab.install, Some(network.parse().unwrap())).unwrap_err().to_string()
    };
    assert!(refused("10.127.0.0/24").contains("too small"));
    assert!(refused("127.0.0.0/16").contains("overlaps 127.0.0."), "the loopback's");
    let taken = Network::ensure(other.install, None).unwrap().subnet();
    assert!(refused(&taken.to_string()).contains("overlaps"), "promised, though without bridges");
}

#[tokio::test]
async fn a_bridge_that_is_not_there_is_named() {
    let lab = Lab::new();
    let mut gone = Bridge { name: "kn-none".to_owned(), subnet: "10.64.0.0/24".parse().unwrap() };
    let mut spec = lab.shell("true");
    spec.network = isolated(&gone, 2);
    let error = lab.try_launch(&spec).await.unwrap_err().to_string();
    assert_eq!(error, "failed to join the network: bridge kn-none does not exist");
    gone.name.clear();
    assert!(gone.attach(0).is_none() && gone.attach(1).is_none() && gone.attach(255).is_none());
}
