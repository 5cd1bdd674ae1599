//! Archives and steps that mean harm to whoever bakes them.

use crate::kitchen::{Kitchen, Recipe, chain};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

fn archive(root: &Path, to: &Path) {
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(root).arg("-cf").arg(to).arg(".");
    assert!(tar.status().unwrap().success());
}

#[tokio::test]
async fn a_base_whose_directories_are_links_leaves_this_machines_files_alone() {
    let kitchen = Kitchen::small().await;
    let dir = tempfile::tempdir().unwrap();
    let [root, outside] = ["root", "outside"].map(|name| dir.path().join(name));
    fs::create_dir(&root).unwrap();
    fs::create_dir(&outside).unwrap();
    let files = [("shadow", "root:x:19876:0:99999:7:::\n"), ("machine-id", "x"), ("log", "x")];
    for (name, text) in files {
        fs::write(outside.join(name), text).unwrap();
    }
    for name in ["etc", "tmp", "run", "usr"] {
        symlink(&outside, root.join(name)).unwrap();
    }
    let tar = dir.path().join("rootfs.tar");
    archive(&root, &tar);
    // Whether it is of use as a base is another matter.
    drop(kitchen.try_import("linked", &tar).await);
    for (name, text) in files {
        assert_eq!(fs::read_to_string(outside.join(name)).unwrap(), text, "{name}");
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), files.len());
    assert!(kitchen.settles().await);
}

#[tokio::test]
async fn a_user_list_that_is_a_pipe_or_endless_is_refused() {
    let kitchen = Kitchen::small().await;
    let refused = async |command: &str| {
        let image = format!("run = [\"rm /etc/passwd && {command}\"]");
        let recipe = Recipe::small(&image).process("command = [\"/bin/sh\"]\nuser = \"ann\"");
        chain(&kitchen.bake(&recipe).await.unwrap_err())
    };
    let error = refused("/bin/busybox mkfifo /etc/passwd").await;
    assert!(error.ends_with("/etc/passwd is not a file"), "{error}");
    let error = refused("/bin/busybox truncate -s 1G /etc/passwd").await;
    assert!(error.ends_with("/etc/passwd has more than 16777216 bytes"), "{error}");
    // A link is followed in the image, where it leads to nothing.
    let error = refused("/bin/busybox ln -s /proc/self/environ /etc/passwd").await;
    assert!(error.contains("the image has no such user"), "{error}");
}

#[tokio::test]
async fn a_tree_too_deep_for_any_layer_is_refused_and_removed() {
    let kitchen = Kitchen::small().await;
    let deep = "cd /tmp-deep && n=0 && while test $n -lt 40; do \
        mkdir -p a/a/a/a/a/a/a/a/a/a && /bin/busybox mv /tmp-deep/a /tmp-deep/b && \
        mkdir -p a/a/a/a/a/a/a/a/a/a && \
        /bin/busybox mv /tmp-deep/b a/a/a/a/a/a/a/a/a/a/a && n=$((n+1)); done";
    let image = format!("run = [\"mkdir /tmp-deep && {deep}\"]");
    let error = chain(&kitchen.bake(&Recipe::small(&image)).await.unwrap_err());
    assert!(error.contains("more than 128 directories above an entry"), "{error}");
    assert!(kitchen.settles().await);
}
