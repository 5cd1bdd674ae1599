//! Which Kiln, and how to answer.

use std::ffi::OsString;
use std::path::PathBuf;

/// The options that every command takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Globals {
    /// Print one JSON object, or one per line
    #[arg(long, global = true, help_heading = "Every command")]
    pub json: bool,
    /// The Kiln at this URL (KILN_URL)
    #[arg(long, global = true, env = "KILN_URL", hide_env = true, help_heading = "Every command")]
    pub url: Option<String>,
    /// The token for that URL (KILN_TOKEN)
    #[arg(
        long,
        global = true,
        env = "KILN_TOKEN",
        hide_env = true,
        help_heading = "Every command"
    )]
    pub token: Option<String>,
    /// The Kiln of this data directory, if no URL is given (KILN_DATA)
    #[arg(
        long,
        global = true,
        env = "KILN_DATA",
        hide_env = true,
        value_name = "DIR",
        default_value = "/var/lib/kiln",
        help_heading = "Every command"
    )]
    pub data: PathBuf,
}

/// Who runs the command, for people to read: the one behind `sudo`, else the login name.
#[expect(clippy::disallowed_methods, reason = "the environment is read here, once")]
pub(crate) fn user() -> Option<String> {
    let name = |key| std::env::var(key).ok().filter(|name: &String| !name.is_empty());
    name("SUDO_USER").or_else(|| name("USER")).or_else(|| name("LOGNAME"))
}

/// What follows a command that the binary reads itself.
#[derive(Debug, Clone, clap::Args)]
pub struct Rest {
    /// As it came
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<OsString>,
}
