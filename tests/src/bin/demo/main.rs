//! `make demo`: a service baked, deployed, shipped anew and rolled back on this machine, under a
//! constant load that notices everything. Ends with a table of how long each took and how many
//! requests failed. With `--keep` Kiln goes on running.

mod figures;
mod scene;

use anyhow::{Context, Result, bail};
use figures::Figures;
use kiln_tests::{Kiln, debian, suite};
use scene::Scene;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

/// The packages that the base has besides Debian's essential ones.
const PACKAGES: [&str; 1] = ["python3"];

fn main() -> Result<ExitCode> {
    let keep = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--keep") => true,
        Some(other) => bail!("{other} is not understood; --keep is"),
    };
    let mut figures = Figures::default();
    let scene = Scene::new(Kiln::try_start().context("start Kiln, as root")?)?;
    bake_base(&scene, &mut figures)?;
    scene.play(&mut figures)?;
    say(&format!("\n{figures}"));
    let failed = figures.failed();
    let kiln = scene.end();
    if keep {
        farewell(kiln);
    } else {
        say("Taking everything down.");
        drop(kiln);
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Packages are fetched once and kept between runs; the base is baked from them each time.
fn bake_base(scene: &Scene, figures: &mut Figures) -> Result<()> {
    let suite = suite();
    say(&format!("Looking for Debian {suite}; fetching it takes about half a minute, once."));
    let archive = debian(&suite, &PACKAGES)?;
    say("Baking the base.");
    let began = Instant::now();
    scene.kiln.done(["base", "bake", "debian-12", "--rootfs", &archive.to_string_lossy()]);
    figures.took("base bake, packages at hand", began.elapsed(), None);
    Ok(())
}

fn farewell(kiln: Kiln) {
    let (api, http, program) = (kiln.api(), kiln.http(), kiln_tests::kiln());
    let (program, data, scratch) =
        (program.display(), kiln.data().display(), kiln.scratch().display());
    say(&format!(
        "Kiln goes on running. Its API listens on {api}, its router on {http}:\n\n  \
         curl -H 'Host: greeter.prod.localhost' http://{http}/\n  \
         {program} status --data {data}\n\n\
         To stop it and remove what is left:\n\n  \
         {program} down --data {data} && rm -r {scratch}"
    ));
    kiln.keep();
}

/// Tells people what happens; a closed output stops nothing.
fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").ok();
}
