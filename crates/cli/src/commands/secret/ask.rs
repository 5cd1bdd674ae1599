//! Asking a terminal for a value, without showing it.

use crate::CliError;
use crate::output::talk;
use kiln_names::SecretValue;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{self, BufRead as _};

/// A terminal silently drops what comes after so many bytes of a line. (`N_TTY_BUF_SIZE` of Linux.)
const LONGEST_LINE: usize = 4095;

/// One line, without its end.
pub(super) async fn value(question: &str) -> Result<SecretValue, CliError> {
    let failed = |error: io::Error| CliError::internal(format!("the terminal: {error}"));
    let quiet = Quiet::begin().map_err(failed)?;
    talk(question);
    let (sender, line) = tokio::sync::oneshot::channel();
    // Not one of the runtime's: that would wait for a line after Ctrl-C.
    std::thread::spawn(move || sender.send(read_line()));
    let line = tokio::select! {
        line = line => line,
        _ = tokio::signal::ctrl_c() => {
            drop(quiet);
            talk("\n");
            return Err(CliError::Interrupted);
        }
    };
    drop(quiet);
    talk("\n");
    let line = line.map_err(|_| CliError::internal("the terminal is gone"))?.map_err(failed)?;
    if line.len() >= LONGEST_LINE {
        let advice = "put it into a file: --file FILE";
        return Err(CliError::invalid("the line is too long for a terminal").hint(advice));
    }
    SecretValue::new(line).map_err(|error| CliError::invalid(error.to_string()))
}

fn read_line() -> io::Result<Vec<u8>> {
    let mut line = Vec::with_capacity(LONGEST_LINE + 1);
    io::stdin().lock().read_until(b'\n', &mut line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(line)
}

/// The terminal does not show what is typed while this lives.
struct Quiet(Termios);

impl Quiet {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(rustix::stdio::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing anyway.
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.0).ok();
    }
}
