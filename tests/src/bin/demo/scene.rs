//! What is shown: the same service through its changes, with clients asking all the while.

use crate::figures::Figures;
use crate::say;
use anyhow::{Context, Result};
use kiln_load::{Allowed, Answer, Load, Running};
use kiln_tests::measure::{median, memory, own_start, span};
use kiln_tests::{Kiln, Part, Ran, repository, until};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often bakes and deployments are measured without load; the median counts.
const ROUNDS: u32 = 5;
/// Ships, and then as many rollbacks, one right after the other.
const CHANGES: u32 = 5;
/// Requests that each client begins in a second.
const RATE: u32 = 50;
/// Requests between two steps, so that every version is seen by every client.
const BETWEEN: u64 = 50;

/// A Kiln, and the service's directory.
pub(crate) struct Scene {
    pub(crate) kiln: Kiln,
    directory: PathBuf,
}

impl Scene {
    /// With a copy of the service, so that a line of it can be changed.
    pub(crate) fn new(kiln: Kiln) -> Result<Self> {
        let directory = kiln.scratch().join("greeter");
        let original = repository().join("examples/greeter");
        for file in ["kiln.toml", "app/greeter.py", "app/greeting.txt"] {
            let to = directory.join(file);
            std::fs::create_dir_all(to.parent().context("a file lies in a directory")?)?;
            std::fs::copy(original.join(file), to).with_context(|| format!("copy {file}"))?;
        }
        kiln.done(["env", "create", "prod"]);
        kiln.done(["app", "create", "greeter"]);
        let params = std::fs::read_to_string(original.join("config/deployment-params.json"))?;
        let _put = kiln.put("greeter", "deployment-params.json", &params).exits(0);
        Ok(Self { kiln, directory })
    }

    /// Everything, with its figures.
    pub(crate) fn play(&self, figures: &mut Figures) -> Result<()> {
        say("Baking and deploying the greeter, two instances.");
        figures.took("first bake, packages included", self.bake("first").took, None);
        self.deploy("first", "first light");
        self.measure_bakes(figures)?;
        self.measure_deploys(figures)?;
        self.measure_changes(figures)?;
        self.measure_memory(figures);
        Ok(())
    }

    /// The Kiln, when all has been shown.
    pub(crate) fn end(self) -> Kiln {
        self.kiln
    }

    fn measure_bakes(&self, figures: &mut Figures) -> Result<()> {
        say("Baking it again, with a line changed and without.");
        let (mut changed, mut same) = (Vec::new(), Vec::new());
        for n in 0..ROUNDS {
            self.greets(&format!("greeter bake {n}"))?;
            changed.push(self.bake(&format!("changed-{n}")).took);
            same.push(self.bake(&format!("same-{n}")).took);
        }
        figures.took("bake of a one-file change", median(changed), Some(80));
        figures.took("bake of no change", median(same), Some(40));
        Ok(())
    }

    fn measure_deploys(&self, figures: &mut Figures) -> Result<()> {
        say("Deploying what is baked.");
        let own = own_start(&self.directory.join("app/greeter.py"))?;
        let (mut took, mut starts) = (Vec::new(), Vec::new());
        for n in 0..ROUNDS {
            let deployed = self.deploy(&format!("changed-{n}"), "measured");
            starts.extend(span(&deployed.json(), "resize-groups", "await-started"));
            took.push(deployed.took);
        }
        let took = median(took);
        figures.took("deploy", took, None);
        figures.took("  of that the service's own start", own, None);
        figures.took("  of that Kiln's", took.saturating_sub(own), Some(80));
        figures.took("start of two instances", median(starts), Some(60));
        Ok(())
    }

    fn measure_changes(&self, figures: &mut Figures) -> Result<()> {
        say("Shipping and rolling back while clients of four kinds ask.");
        let first = format!("greeter bake {}", ROUNDS - 1);
        let allowed = Allowed::only_now(&first);
        let running = self.load(&allowed);
        let_pass(&running);
        let versions: Vec<String> = (1..=CHANGES).map(|n| format!("greeter {n}")).collect();
        let mut ships = Vec::new();
        for version in &versions {
            self.greets(version)?;
            let ship = || {
                self.kiln.done([
                    "ship",
                    "greeter",
                    "prod",
                    "--dir",
                    self.dir(),
                    "-m",
                    "on",
                    "--json",
                ])
            };
            ships.push(self.change(&running, &allowed, version, ship).took);
        }
        let back = versions.iter().rev().skip(1).chain([&first]);
        let back: Vec<Ran> = back
            .map(|version| {
                let rollback =
                    || self.kiln.done(["rollback", "greeter", "prod", "-m", "back", "--json"]);
                self.change(&running, &allowed, version, rollback)
            })
            .collect();
        let report = running.stop();
        figures.took("one-line change to both serving it (ship)", median(ships), Some(260));
        let warm = back.first().context("there was a rollback")?;
        figures.took("rollback while warm", warm.took, Some(50));
        let switch = span(&warm.json(), "apply-traffic", "await-in-force");
        figures.took("  of that the switch itself", switch.unwrap_or_default(), Some(5));
        let cold = back.iter().skip(1).map(|ran| ran.took).collect();
        figures.took("rollback to one that was stopped", median(cold), None);
        figures.load(&report);
        say(&format!("\n{report}"));
        Ok(())
    }

    fn measure_memory(&self, figures: &mut Figures) {
        let part = |part| memory::of_part(&self.kiln, part);
        figures.held("memory of the server", part(Part::Server), 60);
        figures.held("memory of the router", part(Part::Router), 20);
        figures.held("memory of a shim", memory::of_shim(self.kiln.data()), 5);
    }

    /// From when it is typed both may answer; once it is done only the new one.
    fn change(
        &self,
        running: &Running,
        allowed: &Allowed,
        version: &str,
        change: impl FnOnce() -> Ran,
    ) -> Ran {
        allowed.also(version);
        let ran = change();
        allowed.only(version);
        let_pass(running);
        ran
    }

    fn load(&self, allowed: &Allowed) -> Running {
        let allowed = allowed.clone();
        let check = move |answer: &Answer| {
            let version = answer.header("x-version").unwrap_or("none");
            allowed.check(version, answer.begun, answer.ended)
        };
        Load::new(self.kiln.target("greeter")).rate(RATE).check(check).start()
    }

    fn greets(&self, version: &str) -> Result<()> {
        Ok(std::fs::write(self.directory.join("app/greeting.txt"), format!("{version}\n"))?)
    }

    fn bake(&self, version: &str) -> Ran {
        self.kiln.done(["bake", "greeter", version, "--json", "--dir", self.dir()])
    }

    fn deploy(&self, version: &str, why: &str) -> Ran {
        let image = format!("greeter:{version}");
        self.kiln.done(["deploy", "greeter", "prod", &image, "-m", why, "--json"])
    }

    fn dir(&self) -> &str {
        path_text(&self.directory)
    }
}

fn path_text(path: &Path) -> &str {
    path.to_str().expect("scratch paths are text")
}

fn let_pass(running: &Running) {
    let from = running.ended();
    until("requests end", Duration::from_secs(60), || running.ended() >= from + BETWEEN);
}
