//! `kiln down`: stops everything that a data directory ever started, with or without a server.

mod elsewhere;

use crate::data::Data;
use crate::parts::stop;
use crate::role::Role;
use crate::say;
use anyhow::{Context, Result};
use kiln_cli::Globals;
use kiln_container::{Adopted, Boot, Cgroups, Network, ProcessIdent};
use kiln_names::InstanceId;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long the parts may take to finish what they do.
const PATIENCE: Duration = Duration::from_secs(35);

/// The exit code for "somebody else has it".
pub(crate) const CONFLICT: u8 = 5;

/// Stops everything.
pub(crate) fn run(globals: &Globals) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let down = async || {
        let Some(data) = Data::existing(&globals.data)? else {
            say::note("Nothing was ever started there.");
            return Ok(ExitCode::SUCCESS);
        };
        if let Some(role) = managed(&data) {
            let text =
                format!("a service manager runs the {}, and would start it again", role.name());
            say::complain(&text, Some("systemctl stop kiln.target, then kiln down."));
            return Ok(ExitCode::from(CONFLICT));
        }
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
    elsewhere::stop(data).await;
    stop_part(Role::Router, data).await?;
    stop_leaving(data).await?;
    Network::remove_all(data.install).context("remove the networks")?;
    [data.run(), data.memory()].into_iter().try_for_each(remove)
}

fn remove(directory: PathBuf) -> Result<()> {
    match std::fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", directory.display()))
        }
        _ => Ok(()),
    }
}

async fn stop_part(role: Role, data: &Data) -> Result<()> {
    match role.player(data) {
        Some(player) => stop(&player.process, PATIENCE).await,
        None => Ok(()),
    }
}

/// Stops the routers that have handed over and still have connections.
async fn stop_leaving(data: &Data) -> Result<()> {
    let boot = Boot::current()?;
    for pid in kiln_router::leaving(&data.router_socket()).await {
        if let Ok(process) = ProcessIdent::of(i32::try_from(pid)?, &boot) {
            stop(&process, PATIENCE).await?;
        }
    }
    Ok(())
}

/// A part that would be started again behind this command's back.
pub(crate) fn managed(data: &Data) -> Option<Role> {
    let managed = |role: &Role| role.player(data).is_some_and(|player| player.managed);
    [Role::Server, Role::Router].into_iter().find(managed)
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
