use super::*;
use kiln_image::{Clamp, ImageConfig};
use std::path::Path;

/// An image of a tree that `fill` makes.
fn image(config: ImageConfig, fill: impl FnOnce(&Path)) -> (tempfile::TempDir, Store, Image) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("images")).unwrap();
    let staging = store.staging().unwrap();
    fill(&staging.root());
    let layer = store.commit_layer(staging, Clamp::keep()).unwrap();
    let digest = store.put_image(config, &[layer.diff_id]).unwrap();
    let image = store.image(&digest).unwrap();
    (dir, store, image)
}

fn lists(root: &Path) {
    std::fs::create_dir(root.join("etc")).unwrap();
    let passwd = "root:x:0:0::/:/bin/sh\nweb:x:33:34::/:\nbad:x:y:1::/:\n";
    std::fs::write(root.join("etc/passwd"), passwd).unwrap();
    std::fs::write(root.join("etc/group"), "web:x:34:\nstaff:x:50:\n").unwrap();
}

/// What an image with `config` and the usual lists of users runs.
fn runs(config: ImageConfig) -> Result<ImageProcess, String> {
    let (_dir, store, image) = image(config, lists);
    let runs =
        runnable(&store, &image).map_err(|error| match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        })?;
    assert!(!runs.has_init);
    let (name, process) = runs.processes.main().unwrap();
    assert_eq!(name.as_str(), "web");
    Ok(process.clone())
}

fn config() -> ImageConfig {
    ImageConfig { entrypoint: vec!["/bin/run".into()], ..ImageConfig::default() }
}

#[test]
fn an_image_from_elsewhere_runs_as_its_configuration_says() {
    let process = runs(ImageConfig {
        cmd: vec!["serve".into()],
        user: "web".into(),
        exposed_ports: [8080].into(),
        volumes: ["/var/lib/data/".into()].into(),
        working_dir: "/srv".into(),
        stop_signal: "QUIT".into(),
        ..config()
    });
    let process = process.unwrap();
    assert_eq!(process.command, ["/bin/run", "serve"]);
    assert_eq!((process.uid, process.gid), (33, 34));
    assert_eq!(process.port.map(NonZeroU16::get), Some(8080));
    assert_eq!(process.writable, [AbsolutePath::parse("/var/lib/data").unwrap()]);
    assert_eq!(process.working_dir, Some(AbsolutePath::parse("/srv").unwrap()));
    assert_eq!(process.stop.signal, Signal::Quit);
    assert!(process.capabilities.is_empty());
}

#[test]
fn users_are_names_or_numbers_of_the_image() {
    let check = |user: &str, expected: Result<(u32, u32), &str>| {
        let process = runs(ImageConfig { user: user.into(), ..config() });
        let found = process.map(|process| (process.uid, process.gid));
        match expected {
            Ok(ids) => assert_eq!(found, Ok(ids), "{user}"),
            Err(words) => assert!(found.clone().unwrap_err().contains(words), "{user}: {found:?}"),
        }
    };
    check("", Ok((0, 0)));
    check("web", Ok((33, 34)));
    check("33", Ok((33, 34)));
    check("1000", Ok((1000, 0)));
    check("1000:staff", Ok((1000, 50)));
    check("web:7", Ok((33, 7)));
    check("nobody", Err("/etc/passwd of the image has no \"nobody\""));
    check("web:nogroup", Err("/etc/group of the image has no \"nogroup\""));
    check("bad", Err("/etc/passwd"));
    check("4294967295", Err("/etc/passwd"));
}

#[test]
fn what_no_instance_can_have_is_refused_by_name() {
    let check = |config: ImageConfig, expected: &str| {
        let error = runs(config).unwrap_err();
        assert!(error.contains(expected), "{error}");
    };
    let volume = |path: &str| ImageConfig { volumes: [path.into()].into(), ..config() };
    check(volume("/"), "a volume \"/\", which no instance may write to");
    check(volume("/proc/x"), "no instance may write to");
    check(volume("data"), "is no path");
    check(ImageConfig { working_dir: "srv/../..".into(), ..config() }, "WorkingDir");
    check(ImageConfig { stop_signal: "SIGRTMIN+3".into(), ..config() }, "StopSignal");
}

#[test]
fn several_ports_are_for_the_configuration_to_choose_from() {
    let several = ImageConfig { exposed_ports: [80, 443].into(), ..config() };
    let (_dir, store, image) = image(several, lists);
    let runs = runnable(&store, &image).unwrap();
    assert_eq!(runs.ports.iter().map(|port| port.get()).collect::<Vec<_>>(), [80, 443]);
    assert_eq!(runs.processes.main().unwrap().1.port, None);
}

#[test]
fn a_list_of_users_that_is_a_pipe_is_not_waited_for() {
    let config = ImageConfig { user: "web".into(), ..config() };
    let (_dir, store, image) = image(config, |root| {
        std::fs::create_dir(root.join("etc")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(root.join("etc/passwd")).status();
        assert!(made.unwrap().success());
    });
    assert!(matches!(runnable(&store, &image), Err(RunnableError::User(_))));
}

#[test]
fn labels_win_and_a_base_runs_nothing() {
    let text = r#"{"work":{"command":["/bin/work"],"uid":7,"gid":8}}"#;
    let labels = [(labels::PROCESSES.to_owned(), text.to_owned())].into();
    let (_dir, store, labelled) = image(ImageConfig { labels, ..config() }, lists);
    let runs = runnable(&store, &labelled).unwrap();
    let names: Vec<_> = runs.processes.names().map(ProcessName::as_str).collect();
    assert_eq!(names, ["work"]);
    let base = ImageConfig { entrypoint: vec![PROGRAM.into()], ..ImageConfig::default() };
    let (_dir, store, base) = image(base, lists);
    let runs = runnable(&store, &base).unwrap();
    assert!(runs.processes.is_empty() && runs.has_init);
}
