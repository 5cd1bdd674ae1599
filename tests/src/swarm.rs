//! A Swarm of several nodes on one machine: each engine has a network and a host name of its own, and
//! a cable to one switch, which can be pulled.

use crate::docker::{Docker, Place};
use crate::{Ran, cache, until};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// What the switch is called; the machine itself is on it, as the place where Kiln runs.
const SWITCH: &str = "kiln-switch";
/// Where nodes reach what runs on the machine itself.
pub const MACHINE: &str = "10.214.0.1";
/// How long nodes may take to know each other.
const SOON: Duration = Duration::from_secs(60);
/// They trust a registry without TLS among themselves.
const OPTIONS: &[&str] = &["--insecure-registry=10.214.0.0/24"];

/// Several nodes, the first of which is the manager. Dropping it ends them, and panics if anything is
/// left.
#[derive(Debug)]
pub struct Swarm {
    nodes: Vec<Docker>,
    // After the nodes: they are in it.
    #[expect(dead_code, reason = "it goes when all nodes have gone")]
    switch: Switch,
}

/// The switch, and a network for each node.
#[derive(Debug)]
struct Switch {
    nodes: usize,
}

impl Swarm {
    /// Starts so many.
    ///
    /// # Panics
    /// When one does not start, or does not join.
    #[must_use]
    pub fn of(nodes: usize) -> Self {
        let alone = Arc::new(cache::lock("docker").expect("a lock that waits its turn"));
        let switch = Switch::new(nodes);
        let start = |node| {
            let place = Place { network: network(node), name: name(node) };
            Docker::in_place(alone.clone(), place, OPTIONS)
        };
        let nodes: Vec<Docker> = (0..nodes).map(start).collect();
        let swarm = Self { nodes, switch };
        swarm.join();
        swarm
    }

    fn join(&self) {
        let own = |node: usize| {
            let listen = format!("--listen-addr={}:2377", address(node));
            [format!("--advertise-addr={}", address(node)), listen]
        };
        let manager = self.manager();
        manager.done(["swarm", "init"].map(str::to_owned).into_iter().chain(own(0)));
        let token = manager.text(["swarm", "join-token", "--quiet", "worker"]);
        for (at, node) in self.nodes.iter().enumerate().skip(1) {
            let join = ["swarm", "join", "--token", &token].map(str::to_owned);
            let to = [format!("{}:2377", address(0))];
            node.done(join.into_iter().chain(own(at)).chain(to));
        }
        // Who has joined is given work only once he was heard of.
        let ready = || {
            let nodes = manager.text(["node", "ls", "--format", "{{.Status}}"]);
            nodes.lines().filter(|status| *status == "Ready").count() == self.nodes.len()
        };
        until("all nodes are ready", SOON, ready);
    }

    /// The engine that is asked for everything.
    ///
    /// # Panics
    /// Never: there is one.
    #[must_use]
    pub fn manager(&self) -> &Docker {
        self.node(0)
    }

    /// The engine of a node.
    ///
    /// # Panics
    /// When there are not so many.
    #[must_use]
    pub fn node(&self, node: usize) -> &Docker {
        self.nodes.get(node).expect("there are so many")
    }

    /// Pulls a node's cable, or puts it back.
    pub fn cut(&self, node: usize, cut: bool) {
        ip(&["link", "set", &cable(node), if cut { "down" } else { "up" }]);
    }
}

/// What a node is called in the Swarm.
#[must_use]
pub fn name(node: usize) -> String {
    format!("node-{node}")
}

/// Where a node is reached.
#[must_use]
pub fn address(node: usize) -> String {
    format!("10.214.0.{}", node + 2)
}

/// The network namespace of a node.
pub(crate) fn network(node: usize) -> String {
    format!("kiln-node-{node}")
}

fn cable(node: usize) -> String {
    format!("kiln-cable-{node}")
}

impl Switch {
    fn new(nodes: usize) -> Self {
        let switch = Self { nodes };
        // What a test left that was killed.
        switch.remove();
        ip(&["link", "add", SWITCH, "type", "bridge"]);
        ip(&["address", "add", &format!("{MACHINE}/24"), "dev", SWITCH]);
        ip(&["link", "set", SWITCH, "up"]);
        for node in 0..nodes {
            let (network, cable) = (network(node), cable(node));
            ip(&["netns", "add", &network]);
            let pair = ["type", "veth", "peer", "name", "eth0", "netns", &network];
            ip(&[&["link", "add", &cable][..], &pair].concat());
            ip(&["link", "set", &cable, "master", SWITCH, "up"]);
            let inside = |words: &[&str]| ip(&[&["-netns", &network][..], words].concat());
            inside(&["address", "add", &format!("{}/24", address(node)), "dev", "eth0"]);
            inside(&["link", "set", "eth0", "up"]);
            inside(&["link", "set", "lo", "up"]);
        }
        switch
    }

    /// Removes what is there of it.
    fn remove(&self) {
        for node in 0..self.nodes {
            run(&["link", "delete", &cable(node)]);
            run(&["netns", "delete", &network(node)]);
        }
        run(&["link", "delete", SWITCH]);
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.remove();
    }
}

fn run(words: &[&str]) -> Ran {
    let mut command = Command::new("ip");
    command.args(words);
    Ran::of(command)
}

fn ip(words: &[&str]) {
    let ran = run(words);
    assert_eq!(ran.code, Some(0), "ip {words:?}: {ran:?}");
}
