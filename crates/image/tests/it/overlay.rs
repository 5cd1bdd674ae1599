//! Upper directories of real overlays: what the kernel notes there survives as a layer.

use crate::support::{commit, names_in, picture, store, write};
use kiln_image::{Clamp, Staging, Store};
use rustix::mount::{MountFlags, UnmountFlags};
use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};

/// A mounted overlay, unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    fn new(at: PathBuf, options: &str) -> Self {
        let options = CString::new(options).unwrap();
        let flags = MountFlags::empty();
        rustix::mount::mount("overlay", &at, "overlay", flags, Some(options.as_c_str())).unwrap();
        Self(at)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        rustix::mount::unmount(&self.0, UnmountFlags::empty()).unwrap();
    }
}

/// Runs `change` in an overlay over `lower` whose upper directory is what is returned.
fn changed(store: &Store, lower: &[PathBuf], extra: &str, change: impl FnOnce(&Path)) -> Staging {
    let staging = store.staging().unwrap();
    let (work, merged) = (staging.scratch("work").unwrap(), staging.scratch("merged").unwrap());
    let lower: Vec<String> = lower.iter().map(|dir| dir.display().to_string()).collect();
    let (lower, upper, work) = (lower.join(":"), staging.root(), work.display());
    let options = format!("lowerdir={lower},upperdir={},workdir={work}{extra}", upper.display());
    let mount = Mount::new(merged, &options);
    change(&mount.0);
    drop(mount);
    staging
}

/// What an instance of these layers, the lowest first, sees.
fn seen(store: &Store, layers: &[kiln_image::Layer]) -> Vec<String> {
    let layers: Vec<_> = layers.iter().map(|layer| layer.diff_id).collect();
    let image = store.put_image(Default::default(), &layers).unwrap();
    let lower = store.lower_dirs(&image).unwrap();
    let mut lines = Vec::new();
    drop(changed(store, &lower, "", |merged| lines = picture(merged)));
    // Overlay numbers inodes as it likes; the mark of a copied-up root is not the layer's.
    lines.retain(|line| !line.starts_with("\"\" "));
    lines
}

fn base(store: &Store) -> kiln_image::Layer {
    commit(store, Clamp::keep(), |root| {
        write(&root.join("etc/gone"), "1", 0o644);
        write(&root.join("etc/stays"), "2", 0o644);
        write(&root.join("replaced/old"), "3", 0o644);
        write(&root.join("removed/deep/old"), "4", 0o644);
        write(&root.join("edited"), "5", 0o4755);
    })
}

fn change(merged: &Path) {
    fs::remove_file(merged.join("etc/gone")).unwrap();
    fs::remove_dir_all(merged.join("replaced")).unwrap();
    write(&merged.join("replaced/new"), "6", 0o600);
    fs::remove_dir_all(merged.join("removed")).unwrap();
    write(&merged.join("edited"), "7", 0o755);
    write(&merged.join("etc/added"), "8", 0o644);
}

#[test]
fn removals_and_replacements_look_the_same_after_commit_and_after_unpacking() {
    let (_dir, store) = store();
    let base = base(&store);
    let lower = [store.layer_dir(&base.diff_id).unwrap()];
    let mut before = Vec::new();
    let staging = changed(&store, &lower, "", |merged| {
        change(merged);
        before = picture(merged);
    });
    let layer = store.commit_layer(staging, Clamp::keep()).unwrap();
    let names = |lines: &[String]| {
        let facts =
            |line: &String| line.split('{').next().unwrap().split(' ').next().map(str::to_owned);
        lines.iter().filter_map(facts).filter(|name| name != "\"\"").collect::<Vec<_>>()
    };
    let committed = seen(&store, &[base, layer]);
    assert_eq!(names(&committed), names(&before));
    assert!(!committed.iter().any(|line| line.contains("old") || line.contains("gone")));

    let dir = store.layer_dir(&layer.diff_id).unwrap();
    let tree = picture(&dir);
    assert!(tree.iter().any(|line| line == r#""removed" whiteout"#), "{tree:#?}");
    fs::remove_dir_all(dir.parent().unwrap()).unwrap();
    assert_eq!(picture(&store.layer_dir(&layer.diff_id).unwrap()), tree);
    assert_eq!(seen(&store, &[base, layer]), committed);
}

#[test]
fn the_same_change_made_twice_is_the_same_layer_without_overlays_own_notes() {
    let (_dir, store) = store();
    let base = base(&store);
    let lower = [store.layer_dir(&base.diff_id).unwrap()];
    let start = std::fs::metadata(&lower[0]).unwrap().modified().unwrap();
    let layers = [(); 2].map(|()| {
        let staging = changed(&store, &lower, "", change);
        store.commit_layer(staging, Clamp::from_start(start)).unwrap()
    });
    assert_eq!(layers[0], layers[1]);
    let tree = picture(&store.layer_dir(&layers[0].diff_id).unwrap());
    let notes: Vec<&String> = tree.iter().filter(|line| line.contains("trusted.")).collect();
    assert!(notes.iter().all(|line| line.contains("[\"trusted.overlay.opaque=")), "{notes:#?}");
    assert_eq!(notes.len(), 1, "{notes:#?}");
}

#[test]
fn an_upper_directory_that_refers_to_its_lower_one_is_refused() {
    let (_dir, store) = store();
    let base = base(&store);
    let lower = [store.layer_dir(&base.diff_id).unwrap()];
    let staging = changed(&store, &lower, ",redirect_dir=on", |merged| {
        fs::rename(merged.join("replaced"), merged.join("moved")).unwrap();
    });
    let error = store.commit_layer(staging, Clamp::keep()).unwrap_err().to_string();
    assert!(error.contains("\"moved\" is only a reference"), "{error}");
    assert_eq!(names_in(&store.root().join("staging")), [""; 0]);
}
