//! `kiln down`: stops everything that a data directory ever started, with or without a server.

use crate::data::Data;
use crate::role::Role;
use crate::say;
use crate::up::stop;
use anyhow::{Context, Result};
use kiln_cli::Globals;
use kiln_container::{Adopted, Boot, Cgroups, Network};
use kiln_names::InstanceId;
use std::process::ExitCode;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long the parts may take to finish what they do.
const PATIENCE: Duration = Duration::from_secs(35);

/// Stops everything.
pub(crate) fn run(globals: &Globals) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let down = async || {
        let Some(data) = Data::existing(&globals.data)? else {
            say::note("Nothing was ever started there.");
            return Ok(ExitCode::SUCCESS);
        };
        down(&data).await?;
        say::note("Everything has stopped; the data stays.");
        Ok(ExitCode::SUCCESS)
    };
    say::conclude(runtime.context("start").and_then(|rt| rt.block_on(down())))
}

async fn down(data: &Data) -> Result<()> {
    // `up` first, or it would start the others again; the router last, so that what instances
    // still answer reaches its caller.
    for role in [Role::Up, Role::Server] {
        stop_part(role, data).await?;
    }
    stop_instances(data).await?;
    stop_part(Role::Router, data).await?;
    Network::remove_all(data.install).context("remove the networks")?;
    match std::fs::remove_dir_all(data.run()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

async fn stop_part(role: Role, data: &Data) -> Result<()> {
    match role.player(data) {
        Some(player) => stop(&player, PATIENCE).await,
        None => Ok(()),
    }
}

async fn stop_instances(data: &Data) -> Result<()> {
    let cgroups = Cgroups::detect(data.install).context("read the control groups")?;
    let mut ids = cgroups.list();
    let entries = std::fs::read_dir(data.at("instances")).into_iter().flatten().flatten();
    ids.extend(entries.filter_map(|e| e.file_name().to_str()?.parse::<InstanceId>().ok()));
    let mut stopping = JoinSet::new();
    for id in ids {
        stopping.spawn(stop_instance(data.clone(), cgroups.clone(), id));
    }
    while let Some(stopped) = stopping.join_next().await {
        stopped??;
    }
    cgroups.remove_roots().context("remove the control groups")
}

/// Asks its shim, which gives it its stop signal and its time; then makes sure.
async fn stop_instance(data: Data, cgroups: Cgroups, id: InstanceId) -> Result<()> {
    let dir = data.at("instances").join(id.to_string());
    let boot = Boot::current()?;
    if let Ok(Adopted::Running(instance)) = kiln_container::Instance::adopt(&dir, &boot) {
        kiln_container::signal_stop(&instance.shim, &boot)?;
        kiln_container::wait(&instance.shim, &boot).await?;
    }
    if dir.join("spec.json").exists() && kiln_container::exit_record(&dir)?.is_none() {
        kiln_container::cleanup(&dir, &cgroups)?;
    }
    cgroups.kill(&id)?;
    cgroups.remove(&id)?;
    Ok(())
}
