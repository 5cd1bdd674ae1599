//! `kiln run`.

use crate::CliError;
use crate::baking::{self, Name, Order, Source};
use crate::running;
use crate::session::Session;
use kiln_names::{AppName, ByteSize, EnvName, ImageRef, ProcessName};
use kiln_protocol::run::NewRun;
use std::path::PathBuf;
use std::process::ExitCode;

/// Run an image here and now, and nothing is recorded
///
/// It is contained as a deployed instance is, with the same walls, user and
/// limits. What it writes comes as it comes, line by line; its standard input is
/// empty. Where it listens, if it does, is told first.
///
/// With --env it gets that environment's configuration and network, no secrets and no
/// traffic. Without, it gets no configuration, and meets no instance.
/// With --dir that directory is baked first, without naming a version.
///
/// Ctrl-C sends the stop signal, a second one kills. The run ends with this
/// command, however that ends.
///
/// Exit codes: those of the command itself, 128 and the signal's number if one
/// ended it; 122 and 123 if launch data failed or took too long. Kiln's own
/// errors have Kiln's codes, and a message that begins with "error:".
///
/// Example:
///
///   kiln run hello:3.14
///   kiln run hello:3.14 --env prod --process worker
///   kiln run --dir ~/src/hello -- /bin/ls -l /srv
#[derive(Debug, Clone, clap::Args)]
#[command(verbatim_doc_comment)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["image", "dir"])))]
pub struct Run {
    /// The image
    image: Option<ImageRef>,
    /// Bake the service of this directory first, and run that
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The process; without it web, or else the image's first
    #[arg(long)]
    process: Option<ProcessName>,
    /// The environment whose configuration and network it gets
    #[arg(long)]
    env: Option<EnvName>,
    /// The application, if the image does not say
    #[arg(long)]
    app: Option<AppName>,
    /// The memory it may use, such as 512MiB
    #[arg(long, value_name = "SIZE")]
    memory: Option<ByteSize>,
    /// The processors it may use, such as 0.5
    #[arg(long, value_name = "N", value_parser = milli_cpu)]
    cpu: Option<u32>,
    /// What to run instead of the process's command
    #[arg(last = true)]
    command: Vec<String>,
}

impl Run {
    /// Ends as what it ran did.
    pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, CliError> {
        let Self { image, dir, process, env, app, memory, cpu, command } = self;
        let image = match (image, dir) {
            (Some(image), _) => image,
            (None, dir) => bake(session, dir.unwrap_or_else(|| ".".into())).await?,
        };
        let new = NewRun { image, process, command, env, app, memory, milli_cpu: cpu };
        running::watch(session, &new).await
    }
}

async fn bake(session: &Session, directory: PathBuf) -> Result<ImageRef, CliError> {
    let app = baking::app_of(&directory)?;
    let source = Source::Directory(directory);
    let order = Order { app, name: Name::Unnamed, source, base: None, refresh: false };
    Ok(ImageRef::Digest(baking::bake(session, order).await?.image))
}

/// Thousandths of a processor; the server knows how many there may be.
fn milli_cpu(text: &str) -> Result<u32, String> {
    let share: f64 = text.parse().map_err(|_| "a number such as 0.5 is wanted".to_owned())?;
    let thousandths = (share * 1000.0).round();
    if !(1.0..=f64::from(u32::MAX)).contains(&thousandths) {
        return Err("it is to be more than 0".to_owned());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in range")]
    Ok(thousandths as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_processors_is_a_number_above_zero() {
        assert_eq!((milli_cpu("0.5"), milli_cpu("2")), (Ok(500), Ok(2000)));
        for bad in ["", "0", "-1", "NaN", "inf", "1e12", "half"] {
            assert!(milli_cpu(bad).is_err(), "{bad}");
        }
    }
}
