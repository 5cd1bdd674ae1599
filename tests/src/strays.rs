//! What a Kiln that runs has on the machine beyond the instances it knows of: the traces of a kill.

use crate::wait::pause;
use crate::{Kiln, Leaks};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long a drain, a stop and a cleaning may take together on a busy machine.
const SETTLED: Duration = Duration::from_secs(60);
/// What the names of files in the making end or begin with.
const UNFINISHED: [&str; 6] = [".backup-", ".new", ".gone", "install.", ".kiln-", ".bad"];

impl Kiln {
    /// Waits until nothing is left of instances that no longer run, and no file half made.
    ///
    /// # Panics
    /// When something stays; the message names it.
    #[track_caller]
    pub fn settles(&self, apps: &[&str]) {
        let deadline = Instant::now() + SETTLED;
        loop {
            let strays = self.strays(apps);
            if strays.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "left behind: {strays:#?}\n{}", self.logs());
            pause();
        }
    }

    /// What is there of instances that do not run, and files that were left half made.
    #[must_use]
    pub fn strays(&self, apps: &[&str]) -> Vec<String> {
        let live: BTreeSet<String> = apps.iter().flat_map(|app| self.live(app)).collect();
        let install = self.install();
        let mut strays = Vec::new();
        let mut judge = |kind: &str, found: BTreeSet<String>| {
            let unknown = found.difference(&live).map(|id| format!("{kind} of {id}"));
            strays.extend(unknown);
        };
        judge("the files", children(&self.data().join("instances")));
        for group in Leaks::control_groups(&install) {
            let ids = children(&group).into_iter().filter_map(|name| id_of_group(&name));
            judge("a control group", ids.collect());
        }
        judge("a process", self.instance_pids().into_keys().collect());
        judge("a shim", self.shims().into_keys().collect());
        judge("a place in the table", self.routed());
        let links = children(Path::new("/sys/class/net"));
        let own = links.iter().filter_map(|link| link.strip_prefix(&format!("kv{install}")));
        let unknown = own.filter(|id| !live.iter().any(|known| known.starts_with(id)));
        strays.extend(unknown.map(|id| format!("the link of {id}")));
        strays.extend(Leaks::mounts(self.data()).into_iter().map(|at| format!("mount {at}")));
        strays.extend(self.unfinished());
        strays
    }

    /// The install's packet rules and bridges, to be compared with later ones.
    #[must_use]
    pub fn guard(&self) -> String {
        let install = self.install();
        let rules = Command::new("nft").args(["list", "ruleset"]).output().expect("nft runs");
        let rules = String::from_utf8_lossy(&rules.stdout).into_owned();
        let mut lines = rules.lines();
        let mut own = String::new();
        // A table is written from its first line to a brace without indentation.
        while let Some(line) = lines.next() {
            if line.starts_with("table") && line.contains(&install) {
                own.push_str(line);
                lines.by_ref().take_while(|line| *line != "}").for_each(|line| own.push_str(line));
            }
        }
        let links = children(Path::new("/sys/class/net"));
        let bridges = links.into_iter().filter(|name| name.starts_with(&format!("kn{install}")));
        bridges.fold(own, |text, bridge| format!("{text}\n{bridge}"))
    }

    fn live(&self, app: &str) -> Vec<String> {
        let mut all = self.list(["instances", app, "prod"]);
        all.retain(|instance| instance["state"] != "exited");
        all.iter().filter_map(|instance| Some(instance["id"].as_str()?.to_owned())).collect()
    }

    /// The instances in the router's last table.
    fn routed(&self) -> BTreeSet<String> {
        let text = std::fs::read(self.data().join("router/table.json")).unwrap_or_default();
        let table: Value = serde_json::from_slice(&text).unwrap_or_default();
        let each = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
        let groups = each(&table, "clusters").into_iter().flat_map(|c| each(&c, "groups"));
        let instances = groups.flat_map(|group| each(&group, "instances"));
        instances.filter_map(|instance| Some(instance["id"].as_str()?.to_owned())).collect()
    }

    fn unfinished(&self) -> Vec<String> {
        let data = self.data();
        let mut found: Vec<String> = children(&data.join("images/staging"))
            .into_iter()
            .map(|n| format!("staging/{n}"))
            .collect();
        let run = Path::new("/run/kiln").join(self.install());
        let places = ["", "router", "instances", "config", "images", "bin", "log"];
        let places = places.iter().map(|place| data.join(place)).chain([run]);
        for place in places {
            let half = |name: &String| UNFINISHED.iter().any(|mark| name.contains(mark));
            let names = children(&place).into_iter().filter(half);
            found.extend(names.map(|name| place.join(name).display().to_string()));
        }
        found
    }
}

fn id_of_group(name: &str) -> Option<String> {
    name.strip_prefix("i-").map(str::to_owned)
}

fn children(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}
