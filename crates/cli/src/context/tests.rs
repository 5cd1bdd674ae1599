//! What is sent of a directory.

use super::*;
use kiln_protocol::Exit;
use kiln_protocol::bake::ContextContent;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

fn recipe(copy: &str) -> Recipe {
    image(&format!("copy = [{copy}]"))
}

fn image(steps: &str) -> Recipe {
    let text = format!(
        "app = \"hello\"\n[image]\nbase = \"debian-12\"\n{steps}\n\
         [process.web]\ncommand = [\"/bin/true\"]\n"
    );
    Recipe::parse(&text).unwrap()
}

fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("app/deep")).unwrap();
    fs::write(directory.path().join("app/b.py"), "b").unwrap();
    fs::write(directory.path().join("app/deep/a.py"), "a").unwrap();
    fs::write(directory.path().join("secret"), "not copied").unwrap();
    let run = directory.path().join("app/b.py");
    fs::set_permissions(run, fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

fn refused(directory: &Path, copy: &str) -> String {
    match Context::read(directory, &recipe(copy)).unwrap_err() {
        CliError::Failed { message, exit: Exit::Invalid, .. } => message,
        other => panic!("{other:?}"),
    }
}

const APP: &str = r#"{ from = "app/", to = "/srv/" }"#;

#[test]
fn only_what_the_recipe_copies_is_sent_sorted_with_its_modes() {
    let directory = directory();
    let context = Context::read(directory.path(), &recipe(APP)).unwrap();
    let paths: Vec<_> = context.entries.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(paths, ["app", "app/b.py", "app/deep", "app/deep/a.py"]);
    assert_eq!(context.entries[1].mode, 0o755);
    let digest = Digest::of(b"b");
    assert_eq!(context.entries[1].content, ContextContent::File { digest, size: 1 });
    assert_eq!(context.files.len(), 2);
}

#[test]
fn the_whole_directory_is_meant_by_a_dot() {
    let directory = directory();
    let context = Context::read(directory.path(), &recipe(r#"{ from = ".", to = "/srv/" }"#));
    assert_eq!(context.unwrap().entries.len(), 5);
}

#[test]
fn a_link_within_the_directory_is_sent_as_a_link() {
    let directory = directory();
    symlink("../secret", directory.path().join("app/link")).unwrap();
    let context = Context::read(directory.path(), &recipe(APP)).unwrap();
    let link = context.entries.iter().find(|entry| entry.path == "app/link").unwrap();
    assert_eq!(link.content, ContextContent::Link { target: "../secret".to_owned() });
}

#[test]
fn links_that_leave_the_directory_are_refused() {
    let directory = directory();
    symlink("/etc/passwd", directory.path().join("app/link")).unwrap();
    let message = refused(directory.path(), APP);
    assert!(message.contains("outside the directory"), "{message}");
}

#[test]
fn a_source_behind_a_link_is_refused() {
    let directory = directory();
    symlink("app", directory.path().join("alias")).unwrap();
    let message = refused(directory.path(), r#"{ from = "alias/b.py", to = "/srv/" }"#);
    assert!(message.starts_with("alias is a link"), "{message}");
}

#[test]
fn a_source_that_is_not_there_is_named() {
    let directory = directory();
    let message = refused(directory.path(), r#"{ from = "lib/", to = "/srv/" }"#);
    assert_eq!(message, "the recipe copies lib, which is not there");
}

#[test]
fn sockets_and_devices_are_refused() {
    let directory = directory();
    let _socket = std::os::unix::net::UnixListener::bind(directory.path().join("app/s")).unwrap();
    let message = refused(directory.path(), APP);
    assert!(message.contains("neither a file"), "{message}");
}

fn installed(directory: &Path, pattern: &str) -> Result<Vec<String>, String> {
    match Context::read(directory, &image(&format!("install = [\"{pattern}\"]"))) {
        Ok(context) => Ok(context.entries.into_iter().map(|entry| entry.path).collect()),
        Err(CliError::Failed { message, exit: Exit::Invalid, .. }) => Err(message),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn package_files_are_found_by_patterns_and_must_be_there() {
    let directory = directory();
    for path in
        ["dist/a/x_1.deb", "dist/b/x_2.deb", "dist/b/.x_3.deb", "dist/b/y.txt", "dist/z.deb"]
    {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "package").unwrap();
    }
    let check = |pattern: &str, expected: &[&str]| {
        assert_eq!(installed(directory.path(), pattern).unwrap(), expected, "{pattern}");
    };
    check("dist/*/x_?.deb", &["dist/a/x_1.deb", "dist/b/x_2.deb"]);
    check("dist/*.deb", &["dist/z.deb"]);
    check("dist/z.deb", &["dist/z.deb"]);
    for nothing in ["dist/y*.deb", "dist/z.deb/*.deb", "lib/*.deb", "dist/b/none.deb"] {
        let message = installed(directory.path(), nothing).unwrap_err();
        assert_eq!(message, format!("the recipe installs {nothing}, and there is no such file"));
    }
    symlink("z.deb", directory.path().join("dist/link.deb")).unwrap();
    let message = installed(directory.path(), "dist/l*.deb").unwrap_err();
    assert!(message.starts_with("dist/link.deb is a link"), "{message}");
    fs::create_dir(directory.path().join("dist/dir.deb")).unwrap();
    let message = installed(directory.path(), "dist/d*.deb").unwrap_err();
    assert_eq!(message, "dist/dir.deb is not a package file");
}

#[test]
fn packages_named_one_by_one_need_different_names() {
    let directory = directory();
    let (one, two) = (directory.path().join("a.deb"), directory.path().join("app/a.deb"));
    fs::write(&one, "1").unwrap();
    fs::write(&two, "2").unwrap();
    let context = Context::of_packages(std::slice::from_ref(&one)).unwrap();
    assert_eq!((context.entries[0].path.as_str(), context.files.len()), ("a.deb", 1));
    let said = |paths: &[PathBuf]| Context::of_packages(paths).unwrap_err().to_string();
    assert_eq!(said(&[one, two]), "two packages are called a.deb");
    assert!(said(&["a.rpm".into()]).contains("their names end with .deb"));
}
