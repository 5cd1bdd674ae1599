//! The commands, one file each.

pub mod abort;
pub mod app;
mod arguments;
pub mod backup;
pub mod bake;
pub mod base;
pub mod config;
pub mod deploy;
pub mod deployment;
pub mod deployments;
pub mod down;
pub mod drift;
pub mod env;
pub mod image;
pub mod instances;
pub mod lock;
pub mod logs;
pub mod pause;
pub mod plan;
pub mod recover;
pub mod redeploy;
pub mod replace;
pub mod resize;
pub mod restore;
pub mod resume;
pub mod retry;
pub mod rollback;
pub mod routers;
pub mod run;
pub mod secret;
pub mod ship;
pub mod status;
pub mod stop;
pub mod undo;
pub mod unlock;
pub mod up;
pub mod upgrade;
pub mod volumes;
pub mod watch;

pub use arguments::Target;

use crate::CliError;
use crate::globals::{Globals, Rest};
use crate::session::Session;
use kiln_protocol::Exit;
use std::process::ExitCode;

/// Everything that can be typed after `kiln`.
#[derive(Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the doc comment of a command's own type is its help")]
pub enum Command {
    Up(up::Up),
    Down(down::Down),
    Upgrade(upgrade::Upgrade),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Recover(recover::Recover),
    #[command(subcommand)]
    App(app::App),
    #[command(subcommand)]
    Env(env::Env),
    #[command(subcommand)]
    Base(base::Base),
    Bake(bake::Bake),
    #[command(subcommand)]
    Image(image::Image),
    Run(run::Run),
    #[command(subcommand)]
    Config(config::Config),
    #[command(subcommand)]
    Secret(secret::Secret),
    Plan(plan::Plan),
    Deploy(deploy::Deploy),
    Ship(ship::Ship),
    Rollback(rollback::Rollback),
    Redeploy(redeploy::Redeploy),
    Undo(undo::Undo),
    Abort(abort::Abort),
    Retry(retry::Retry),
    Pause(pause::Pause),
    Resume(resume::Resume),
    Lock(lock::Lock),
    Unlock(unlock::Unlock),
    Stop(stop::Stop),
    Resize(resize::Resize),
    Replace(replace::Replace),
    Status(status::Status),
    Deployments(deployments::Deployments),
    Deployment(deployment::Deployment),
    Watch(watch::Watch),
    Instances(instances::Instances),
    Drift(drift::Drift),
    Logs(logs::Logs),
    #[command(subcommand)]
    Routers(routers::Routers),
    #[command(subcommand)]
    Volumes(volumes::Volumes),
    #[command(hide = true)]
    Server(Rest),
    #[command(hide = true)]
    Router(Rest),
    #[command(hide = true)]
    Shim(Rest),
}

/// Runs a command that talks to a server.
pub(crate) async fn run(command: Command, globals: Globals) -> Result<ExitCode, CliError> {
    let session = Session::new(&globals)?;
    match command {
        Command::Run(command) => command.run(&session).await,
        command => ask(command, session).await.map(ExitCode::from),
    }
}

/// Runs a command that ends with one of Kiln's own exit codes.
async fn ask(command: Command, session: Session) -> Result<Exit, CliError> {
    match command {
        Command::Backup(command) => command.run(&session).await,
        Command::App(command) => command.run(&session).await,
        Command::Env(command) => command.run(&session).await,
        Command::Base(command) => command.run(&session).await,
        Command::Bake(command) => command.run(&session).await,
        Command::Image(command) => command.run(&session).await,
        Command::Config(command) => command.run(&session).await,
        Command::Secret(command) => command.run(&session).await,
        Command::Plan(command) => command.run(&session).await,
        Command::Deploy(command) => command.run(&session).await,
        Command::Ship(command) => command.run(&session).await,
        Command::Rollback(command) => command.run(&session).await,
        Command::Redeploy(command) => command.run(&session).await,
        Command::Undo(command) => command.run(&session).await,
        Command::Abort(command) => command.run(&session).await,
        Command::Retry(command) => command.run(&session).await,
        Command::Pause(command) => command.run(&session).await,
        Command::Resume(command) => command.run(&session).await,
        Command::Lock(command) => command.run(&session).await,
        Command::Unlock(command) => command.run(&session).await,
        Command::Stop(command) => command.run(&session).await,
        Command::Resize(command) => command.run(&session).await,
        Command::Replace(command) => command.run(&session).await,
        Command::Status(command) => command.run(&session).await,
        Command::Deployments(command) => command.run(&session).await,
        Command::Deployment(command) => command.run(&session).await,
        Command::Watch(command) => command.run(&session).await,
        Command::Instances(command) => command.run(&session).await,
        Command::Drift(command) => command.run(&session).await,
        Command::Logs(command) => command.run(&session).await,
        Command::Routers(command) => command.run(&session).await,
        Command::Volumes(command) => command.run(&session).await,
        Command::Up(_)
        | Command::Down(_)
        | Command::Upgrade(_)
        | Command::Run(_)
        | Command::Restore(_)
        | Command::Recover(_)
        | Command::Server(_)
        | Command::Router(_)
        | Command::Shim(_) => Err(CliError::internal("this command is the kiln program's own")),
    }
}
