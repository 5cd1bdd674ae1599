//! The database is lost: what serves goes on serving, and `kiln recover` knows it again.

use crate::traffic::{let_pass, load};
use kiln_load::Allowed;
use kiln_tests::{Kiln, Part, Project, until};
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

/// Two applications, one with a release to go back to.
struct Scene {
    kiln: Kiln,
    hello: Project,
    other: Project,
    status: serde_json::Value,
}

impl Scene {
    fn set() -> Self {
        let kiln = Kiln::with_tiny();
        let hello = Project::serving(&kiln, "hello", "hello 1\n");
        let other = Project::serving(&kiln, "other", "other 1\n");
        for project in [&hello, &other] {
            let app = project.directory().file_name().unwrap().to_str().unwrap();
            kiln.done(["ship", app, "prod", "--dir", project.dir(), "-m", "first light"]);
        }
        kiln.done(["app", "set", "hello", "team", "\"blue\""]);
        hello.says("hello 2\n");
        kiln.done(["ship", "hello", "prod", "--dir", hello.dir(), "-m", "second"]);
        let status = told(&kiln);
        let scene = Self { kiln, hello, other, status };
        scene.spare_is_written();
        scene
    }

    fn file(&self, name: &str) -> PathBuf {
        self.kiln.data().join(name)
    }

    /// The spare is written a second after a change.
    fn spare_is_written(&self) {
        let newest = || {
            let of = |name: &str| fs::metadata(self.file(name)).and_then(|m| m.modified()).ok();
            let log = of("kiln.db-wal").max(of("kiln.db"));
            of("kiln.spare") > log
        };
        until("the spare is written", SOON, newest);
    }

    /// Kills the control plane, hurts the database, and sees it refused and left as it is.
    fn hurt(&self, hurt: impl FnOnce(&Path)) {
        self.kiln.kill_control_plane();
        let path = self.file("kiln.db");
        hurt(&path);
        let before = fs::read(&path).ok();
        assert!(self.kiln.up().is_err(), "a server on a lost database");
        let said = self.kiln.logs();
        assert!(said.contains("kiln recover"), "{said}");
        assert_eq!(fs::read(&path).ok(), before, "a refused database is left as it is");
    }

    /// Everything is as before, and goes on.
    fn is_as_before(&self) {
        let Self { kiln, hello, other, status } = self;
        assert_eq!(told(kiln), *status);
        assert_eq!(kiln.get("hello").text(), "hello 2\n");
        kiln.done(["rollback", "hello", "prod", "-m", "back"]);
        assert_eq!(kiln.get("hello").text(), "hello 1\n");
        other.says("other 2\n");
        kiln.done(["ship", "other", "prod", "--dir", other.dir(), "-m", "on"]);
        assert_eq!(kiln.get("other").text(), "other 2\n");
        hello.says("hello 3\n");
        kiln.done(["ship", "hello", "prod", "--dir", hello.dir(), "-m", "on"]);
        let groups = &kiln.json(["status", "hello", "prod"])["groups"];
        let names = groups.as_array().unwrap().iter().map(|g| g["name"].as_str().unwrap());
        let newest = names.max().unwrap();
        assert!(newest > "hello-prod-web-v002", "a number came again: {groups}");
    }
}

/// What people see of what runs, without how long it has.
fn told(kiln: &Kiln) -> serde_json::Value {
    let apps = ["hello", "other"].map(|app| {
        let status = kiln.json(["status", app, "prod"]);
        let groups = status["groups"].as_array().unwrap().iter().map(|group| {
            let keys = ["name", "release", "state", "size", "healthy", "weight", "routes"];
            keys.map(|key| group[key].clone()).to_vec()
        });
        let groups: Vec<_> = groups.collect();
        serde_json::json!([status["release"], status["image"], status["config"], groups])
    });
    serde_json::json!(apps)
}

fn check(hurt: impl FnOnce(&Path), spare: bool) {
    let scene = Scene::set();
    let allowed = Allowed::only_now("hello 2");
    let running = load(&scene.kiln, &allowed);
    let_pass(&running, 40);
    let pids = scene.kiln.instance_pids();
    if !spare {
        fs::remove_file(scene.file("kiln.spare")).unwrap();
    }
    scene.hurt(hurt);
    let report = scene.kiln.json(["recover"]);
    assert_eq!(report["recovered"], true, "{report}");
    assert_eq!(report["instances"], 6, "{report}");
    assert!(spare || report["tables"].as_array().unwrap().len() > 10, "{report}");
    scene.kiln.done(["recover"]).says(&["nothing to recover"]);
    scene.kiln.up().unwrap();
    until("all are healthy", SOON, || told(&scene.kiln) == scene.status);
    assert_eq!(scene.kiln.instance_pids(), pids, "nothing was started or stopped");
    let_pass(&running, 40);
    let report = running.stop();
    assert_eq!(report.failures(), 0, "{report}{}", scene.kiln.logs());
    if spare {
        assert_eq!(scene.kiln.done(["app", "get", "hello", "team"]).stdout.trim(), "\"blue\"");
        scene.is_as_before();
    }
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(bytes, at).unwrap();
}

fn without_log(path: &Path) {
    for log in ["kiln.db-wal", "kiln.db-shm"] {
        fs::remove_file(path.with_file_name(log)).ok();
    }
}

#[test]
fn a_database_that_is_gone_comes_back_under_load() {
    check(
        |path| {
            without_log(path);
            fs::remove_file(path).unwrap();
        },
        true,
    );
}

#[test]
fn a_database_replaced_by_garbage_comes_back_under_load() {
    check(
        |path| {
            without_log(path);
            fs::write(path, b"no database".repeat(10_000)).unwrap();
        },
        true,
    );
}

#[test]
fn a_database_cut_in_half_comes_back_under_load() {
    check(
        |path| {
            let size = fs::metadata(path).unwrap().len();
            without_log(path);
            fs::File::options().write(true).open(path).unwrap().set_len(size / 2).unwrap();
        },
        true,
    );
}

#[test]
fn a_database_with_a_damaged_header_comes_back_under_load() {
    check(
        |path| {
            // Its log may hold the header too.
            without_log(path);
            overwrite(path, 0, b"SQLite firmat 3");
        },
        true,
    );
}

#[test]
fn a_database_without_its_log_comes_back_under_load() {
    check(without_log, true);
}

#[test]
fn without_a_spare_what_runs_is_known_from_its_labels() {
    check(
        |path| {
            without_log(path);
            fs::remove_file(path).unwrap();
        },
        false,
    );
}

#[test]
fn a_whole_database_is_left_alone_and_its_server_runs_on() {
    let kiln = Kiln::start();
    let server = kiln.pid(Part::Server);
    let report = kiln.json(["recover"]);
    assert_eq!(report["recovered"], false, "{report}");
    assert_eq!(kiln.pid(Part::Server), server);
}
