//! The command line: one file per command, in [`commands`]; its doc comment is its help.
//!
//! Data goes to standard output, talk to standard error; the exit codes are [`kiln_protocol::Exit`]'s.
//! Everything here goes through the API's client: the command line can do nothing that the API
//! cannot.
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     match kiln_cli::parse(std::env::args_os()) {
//!         Ok(parsed) => kiln_cli::run(parsed),
//!         Err(exit) => exit.into(),
//!     }
//! }
//! ```

mod archive;
mod baking;
mod capacity;
pub mod commands;
mod context;
mod differences;
mod error;
mod follow;
mod globals;
mod lines;
mod memory;
mod outcome;
mod output;
mod progress;
mod running;
mod session;
mod steps;
mod table;
mod tree;
mod words;

pub use commands::Command;
pub use error::CliError;
pub use globals::Globals;

use clap::Parser as _;
use kiln_protocol::Exit;
use output::Form;
use std::ffi::OsString;
use std::process::ExitCode;

/// A command line, understood.
#[derive(Debug)]
pub struct Parsed {
    /// Which Kiln, and how to answer.
    pub globals: Globals,
    /// What to do.
    pub command: Command,
}

/// Kiln bakes a service into an immutable image, joins it with its configuration
/// into one release, and swaps that release into production red/black.
///
/// Begin with:
///
///   kiln up                                   start Kiln on this machine
///   kiln base bake debian-12 --debootstrap bookworm
///   kiln app create hello
///   kiln env create prod
///   kiln ship hello prod -m "first light"     bake and deploy this directory
#[derive(Debug, clap::Parser)]
#[command(
    name = "kiln",
    bin_name = "kiln",
    version,
    verbatim_doc_comment,
    max_term_width = 80,
    disable_help_subcommand = true,
    infer_long_args = false,
    after_help = AFTER_HELP
)]
struct Line {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
kiln help COMMAND says more about one of them, with an example.

Exit codes: 0 done, 1 internal, 2 usage, 3 deployment failed and undone,
or drift found, 4 invalid and nothing changed, 5 conflict or locked,
6 not found, 7 not allowed, 8 server not reachable, 9 stuck.";

/// Reads a command line, the program's name first, and the environment variables that stand for
/// its options. What was asked for help or is not understood is answered here.
///
/// # Errors
/// [`Exit::Done`] after help or version were shown, [`Exit::Usage`] after a mistake was.
pub fn parse<I>(arguments: I) -> Result<Parsed, Exit>
where
    I: IntoIterator,
    I::Item: Into<OsString>,
{
    match Line::try_parse_from(help_as_option(arguments)) {
        Ok(Line { globals, command }) => Ok(Parsed { globals, command }),
        Err(error) => {
            // Whoever closed the pipe has seen enough.
            error.print().ok();
            Err(if error.use_stderr() { Exit::Usage } else { Exit::Done })
        }
    }
}

/// `kiln help app create` is `kiln app create --help`. Done here since clap's own command for it
/// would stand once more in every group of commands.
fn help_as_option<I>(arguments: I) -> Vec<OsString>
where
    I: IntoIterator,
    I::Item: Into<OsString>,
{
    let mut arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    if arguments.get(1).is_some_and(|verb| verb == "help") {
        arguments.remove(1);
        arguments.push("--help".into());
    }
    arguments
}

/// Does what was asked and says how it went, on a runtime of its own.
#[must_use]
pub fn run(parsed: Parsed) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => {
            let exit = runtime.block_on(execute(parsed.command, parsed.globals));
            // Not waiting for a write that nobody reads.
            runtime.shutdown_background();
            exit
        }
        Err(error) => {
            CliError::internal(format!("the runtime cannot start: {error}")).report(Form::Text)
        }
    }
}

/// Does what was asked and says how it went.
pub async fn execute(command: Command, globals: Globals) -> ExitCode {
    let form = if globals.json { Form::Json } else { Form::Text };
    match commands::run(command, globals).await {
        Ok(exit) => exit,
        Err(error) => error.report(form),
    }
}

#[cfg(test)]
mod tests;
