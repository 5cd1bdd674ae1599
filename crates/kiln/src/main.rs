//! The `kiln` program: control plane, router, instance shim and command line in one file.

mod books;
mod chain;
mod clock;
mod config_hook;
mod daemon;
mod data;
mod down;
mod fuse;
mod join;
mod notify;
mod parts;
mod ports;
mod recover;
mod reload;
mod restore;
mod role;
mod say;
mod server;
mod shutdown;
mod up;
mod upgrade;
mod wiring;

use clap::Parser;
use kiln_cli::{Command, Parsed};
use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    // A shim and a visit must be the process's first and only thread; they take no options.
    let mut args = std::env::args_os().skip(1);
    let role = args.next();
    if role.as_deref() == Some(OsStr::new("shim")) {
        let dir = args.next().unwrap_or_default();
        return kiln_container::shim::main(Path::new(&dir));
    }
    if role.as_deref() == Some(OsStr::new("enter")) {
        return kiln_container::shim::visit::main(args);
    }
    match std::env::args_os().nth(1).as_deref().and_then(OsStr::to_str) {
        Some("server") => daemon::run(&daemon::Server::parse_from(daemon_args())),
        Some("router") => daemon::run(&daemon::Router::parse_from(daemon_args())),
        Some("config-hook") => config_hook::run(),
        _ => command_line(),
    }
}

/// `kiln server --data …`: the program's name and the role are one word to the parser.
fn daemon_args() -> impl Iterator<Item = std::ffi::OsString> {
    std::env::args_os().skip(1)
}

fn command_line() -> ExitCode {
    match kiln_cli::parse(std::env::args_os()) {
        Ok(Parsed { globals, command: Command::Up(options) }) => up::run(&globals, &options),
        Ok(Parsed { globals, command: Command::Down(_) }) => down::run(&globals),
        Ok(Parsed { globals, command: Command::Upgrade(options) }) => {
            upgrade::run(&globals, &options)
        }
        Ok(Parsed { globals, command: Command::Restore(options) }) => {
            restore::run(&globals, &options)
        }
        Ok(Parsed { globals, command: Command::Recover(_) }) => recover::run(&globals),
        Ok(parsed) => kiln_cli::run(parsed),
        Err(exit) => exit.into(),
    }
}
