//! Recipes.

use crate::twice;
use kiln_protocol::recipe::{
    ImageProcess, MAX_COPY, MAX_INSTALL, MAX_PACKAGES, MAX_RUN, Process, Processes, Recipe, User,
};
use std::convert::Infallible;

/// Text of any kind as `kiln.toml`.
pub fn recipe(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let Some(recipe) = twice(|| Recipe::parse(text)) else { return };
    let image = &recipe.image;
    assert!(image.packages.len() <= MAX_PACKAGES && image.install.len() <= MAX_INSTALL);
    assert!(image.run.len() <= MAX_RUN && image.copy.len() <= MAX_COPY);
    assert!(recipe.processes.iter().all(|(_, process)| process.command[0].starts_with('/')));
    labelled(&recipe.processes);
}

/// Processes travel in a label of the image, and arrive as they left.
fn labelled(processes: &Processes<Process>) {
    let root = |process: &Process| process.user.as_ref().is_some_and(User::is_root);
    let resolved: Result<Processes<ImageProcess>, Infallible> =
        processes.try_map(|_, process| Ok(process.resolved(if root(process) { 0 } else { 1 }, 2)));
    let Ok(resolved) = resolved;
    assert_eq!(Processes::from_label(&resolved.to_label()).unwrap(), resolved);
}
