//! What an image runs: as its bake wrote into its labels, or, for an image from elsewhere, as its
//! configuration says in OCI's words.

mod user;

use kiln_image::{Image, Stack, Store};
use kiln_init::PROGRAM;
use kiln_names::{AppName, ProcessName};
use kiln_protocol::recipe::{
    AbsolutePath, ImageProcess, InvalidLabel, MAX_WRITABLE, Processes, Signal, Stop, labels,
};
use std::num::NonZeroU16;
pub use user::UserError;

/// The process of an image that names none.
const WEB: &str = "web";

/// What an image runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runnable {
    /// The application that it was baked for.
    pub app: Option<AppName>,
    /// Its processes; none for a base.
    pub processes: Processes<ImageProcess>,
    /// Whether it starts with `kiln-init`. Without it, no settings are written to `/run/kiln` and no
    /// launch data runs: the process has its environment alone.
    pub has_init: bool,
    /// The ports that it exposes when there are several: which one is served is for the
    /// configuration to say. Empty otherwise.
    pub ports: Vec<NonZeroU16>,
}

/// Why it cannot be told what an image runs. Reads after "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum RunnableError {
    /// The label that a bake writes is damaged.
    #[error("read what the image runs")]
    Label(#[from] InvalidLabel),
    /// The configuration asks for what no instance can have.
    #[error("run the image: its configuration has {what} {value:?}, which {reason}")]
    Setting {
        /// As OCI calls it.
        what: &'static str,
        /// What it says.
        value: String,
        /// What is the matter with it.
        reason: String,
    },
    /// The user is not known.
    #[error("find the user that the image runs as")]
    User(#[from] UserError),
    /// The image store refused.
    #[error("look into the image")]
    Image(#[from] kiln_image::Error),
}

/// What `image` runs. Users are looked up in the image itself; blocks on the disk.
///
/// # Errors
/// [`RunnableError`].
pub fn runnable(images: &Store, image: &Image) -> Result<Runnable, RunnableError> {
    let label = |name: &str| image.config.labels.get(name);
    let app = label(labels::APP).and_then(|name| name.parse().ok());
    let has_init = has_init(image);
    if let Some(text) = label(labels::PROCESSES) {
        let processes = Processes::from_label(text)?;
        return Ok(Runnable { app, processes, has_init, ports: Vec::new() });
    }
    let exposed = image.config.exposed_ports.iter().copied();
    let ports: Vec<NonZeroU16> = exposed.filter_map(NonZeroU16::new).collect();
    let (port, ports) = match ports[..] {
        [only] => (Some(only), Vec::new()),
        _ => (None, ports),
    };
    let mut processes = Processes::default();
    if !has_init && !command(image).is_empty() {
        let diff_ids: Vec<_> = image.layers.iter().map(|layer| layer.diff_id).collect();
        let web = ProcessName::parse(WEB).expect("it is a process's name");
        processes.insert(web, foreign(image, port, &images.stack(&diff_ids)?)?);
    }
    Ok(Runnable { app, processes, has_init, ports })
}

/// Whether an image starts with `kiln-init`.
#[must_use]
pub fn has_init(image: &Image) -> bool {
    image.config.entrypoint.first().is_some_and(|program| program == PROGRAM)
}

fn command(image: &Image) -> Vec<String> {
    [&image.config.entrypoint[..], &image.config.cmd[..]].concat()
}

/// The one process of an image from elsewhere. Root keeps none of its powers: nothing in the image
/// could have asked for some and not for others.
fn foreign(
    image: &Image,
    port: Option<NonZeroU16>,
    tree: &Stack,
) -> Result<ImageProcess, RunnableError> {
    let config = &image.config;
    let (uid, gid) = user::find(tree, &config.user)?;
    let writable = config.volumes.iter().map(|path| volume(path)).collect::<Result<Vec<_>, _>>()?;
    if writable.len() > MAX_WRITABLE {
        let reason = format!("are more than {MAX_WRITABLE}");
        return Err(refused("Volumes", &writable.len().to_string(), reason));
    }
    Ok(ImageProcess {
        command: command(image),
        port,
        uid,
        gid,
        writable,
        capabilities: Vec::new(),
        stop: Stop { signal: signal(&config.stop_signal)?, ..Stop::default() },
        working_dir: working_dir(&config.working_dir)?,
    })
}

/// A volume becomes a place in memory to write to: its content is the instance's own and goes with it.
fn volume(path: &str) -> Result<AbsolutePath, RunnableError> {
    let parsed = AbsolutePath::parse(path);
    let parsed =
        parsed.map_err(|error| refused("a volume", path, format!("is no path: {error}")))?;
    if parsed.as_str() == "/" || parsed.is_kept() {
        return Err(refused("a volume", path, "no instance may write to".to_owned()));
    }
    Ok(parsed)
}

fn working_dir(path: &str) -> Result<Option<AbsolutePath>, RunnableError> {
    if matches!(path, "" | "/") {
        return Ok(None);
    }
    let parsed = AbsolutePath::parse(path);
    parsed.map(Some).map_err(|error| refused("WorkingDir", path, format!("is no path: {error}")))
}

/// Docker takes names with and without `SIG`, and numbers.
fn signal(text: &str) -> Result<Signal, RunnableError> {
    if text.is_empty() {
        return Ok(Stop::default().signal);
    }
    let upper = text.to_ascii_uppercase();
    let name = if upper.starts_with("SIG") { upper.clone() } else { format!("SIG{upper}") };
    let by_number = || Signal::ALL.into_iter().find(|it| it.number().to_string() == text);
    let found = Signal::parse(&name).ok().or_else(by_number);
    found.ok_or_else(|| {
        let reason = "is no signal that Kiln stops services by".to_owned();
        refused("StopSignal", text, reason)
    })
}

fn refused(what: &'static str, value: &str, reason: String) -> RunnableError {
    RunnableError::Setting { what, value: value.chars().take(80).collect(), reason }
}

#[cfg(test)]
mod tests;
