//! All that must last in one file, and a Kiln made of it elsewhere.

use crate::crashes::{SOON, serving};
use kiln_tests::{Kiln, Project, until};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Restores into another Kiln's directory, and starts that.
fn restored(archive: &Path) -> Kiln {
    let other = Kiln::not_started();
    other.done([Path::new("restore"), archive]);
    other.up().unwrap();
    other
}

fn backup(kiln: &Kiln, name: &str, more: &[&str]) -> PathBuf {
    let file = kiln.scratch().join(name);
    let text = file.to_str().unwrap();
    kiln.done([&["backup", text], more].concat());
    file
}

#[test]
fn a_backup_taken_while_ships_go_on_brings_every_service_back_elsewhere() {
    let (kiln, project) = serving();
    let worker = Project::serving(&kiln, "other", "other 1\n");
    kiln.done(["ship", "other", "prod", "--dir", worker.dir(), "-m", "first light"]);
    let properties = r#"{"greeting": "kept"}"#;
    let _put = kiln.put("other", "application-properties.json", properties).exits(0);
    kiln.done(["redeploy", "other", "prod", "-m", "greet"]);
    let stop = AtomicBool::new(false);
    let archives: Vec<PathBuf> = std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 2.. {
                project.says(&format!("hello {n}\n"));
                kiln.done(["ship", "hello", "prod", "--dir", project.dir(), "-m", "on"]);
                if stop.load(Ordering::SeqCst) {
                    break;
                }
            }
        });
        let archives = (0..3).map(|n| backup(&kiln, &format!("{n}.tar"), &[])).collect();
        stop.store(true, Ordering::SeqCst);
        archives
    });
    kiln.settles(&["hello", "other"]);
    let mode = fs::metadata(&archives[0]).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it holds keys");
    let other = restored(&archives[2]);
    assert_ne!(other.install(), kiln.install(), "it is a Kiln of its own");
    for (app, begins) in [("hello", "hello "), ("other", "other 1\n")] {
        until("the service is back", SOON, || {
            let answer = kiln_load::get(&other.target(app), "/");
            answer.is_ok_and(|answer| answer.status == 200 && answer.text().starts_with(begins))
        });
    }
    assert_eq!(kiln_load::get(&other.target("other"), "/greeting").unwrap().text(), "kept");
    let log = |kiln: &Kiln| kiln.done(["config", "log", "other", "prod"]).stdout;
    assert_eq!(log(&other), log(&kiln), "history and all");
    let token = |kiln: &Kiln| fs::read_to_string(kiln.data().join("admin.token")).unwrap();
    assert_eq!(token(&other), token(&kiln));
    let newest = other.list(["deployments", "hello", "prod"]).remove(0);
    // One that was under way goes on to its end.
    assert!(
        [Some(0), Some(3)].contains(&other.run(["watch", newest["id"].as_str().unwrap()]).code)
    );
    other.done(["ship", "other", "prod", "--dir", worker.dir(), "-m", "life goes on"]);
    other.settles(&["hello", "other"]);
}

#[test]
fn a_backup_without_images_is_small_and_brings_the_books_back() {
    let (kiln, _project) = serving();
    let with = fs::metadata(backup(&kiln, "with.tar", &[])).unwrap().len();
    let file = backup(&kiln, "without.tar", &["--without-images"]);
    assert!(fs::metadata(&file).unwrap().len() < with / 2);
    let other = restored(&file);
    assert_eq!(other.done(["app", "list"]).stdout, kiln.done(["app", "list"]).stdout);
}

#[test]
fn a_backup_that_is_not_whole_or_not_true_places_nothing() {
    let (kiln, _project) = serving();
    let file = backup(&kiln, "backup.tar", &["--without-images"]);
    let whole = fs::read(&file).unwrap();
    let target = kiln.scratch().join("restored");
    let refused = |bytes: &[u8], words: &str| {
        fs::write(&file, bytes).unwrap();
        let mut command = kiln.command([Path::new("restore"), &file]);
        command.env("KILN_DATA", &target);
        let ran = kiln_tests::Ran::of(command).exits(4);
        ran.says(&[words]);
        let left = fs::read_dir(kiln.scratch()).unwrap().flatten().map(|e| e.file_name());
        let half = |name: &std::ffi::OsString| name.to_string_lossy().contains("restor");
        assert_eq!(left.filter(half).count(), 0, "{ran}");
    };
    refused(&whole[..whole.len() / 2], "archive");
    refused(b"", "archive");
    refused(b"not a backup", "archive");
    let at = whole.windows(7).position(|word| word == b"SQLite ").unwrap();
    let mut changed = whole.clone();
    changed[at + 200] ^= 1;
    refused(&changed, "another");
    // A well made archive with a file that would lie elsewhere.
    let mut hostile = tar::Builder::new(Vec::new());
    let mut put = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        hostile.append(&header, content).unwrap();
    };
    put("backup.json", br#"{"kiln_backup":1,"images":false}"#);
    put("../../../../etc/kiln-was-here", b"x");
    refused(&hostile.into_inner().unwrap(), "no backup does");
    fs::write(&file, &whole).unwrap();
    fs::create_dir(&target).unwrap();
    fs::write(target.join("mine"), "").unwrap();
    let mut command = kiln.command([Path::new("restore"), &file]);
    command.env("KILN_DATA", &target);
    kiln_tests::Ran::of(command).exits(5).says(&["not empty"]);
}
