//! `kiln-init [-- COMMAND…]`: the first program of an instance. Writes the application's settings,
//! runs the launch commands, and becomes the service. It never needs to be root.
//!
//! Exit codes of its own: 120 the spec cannot be read · 121 the settings cannot be written · 122 a
//! launch command failed · 123 the launch commands took too long · 126 the command may not be
//! executed · 127 there is no such command. Every one comes with a sentence on standard error.
//!
//! `kiln-init --heartbeat PATH MILLISECONDS`, run inside a running instance: exit code 0 if the file was
//! touched that lately, otherwise 1 and a line on standard output that says why.

mod heartbeat;
mod launch;
mod source;

use kiln_init::{HEARTBEAT, InitSpec, RUN_DIR, SPEC_PATH, SPEC_VARIABLE, java_properties};
use launch::Failure;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// An exit code and the sentence that goes with it.
struct Refusal(u8, String);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == HEARTBEAT) {
        return tell_heartbeat(&arguments[1..]);
    }
    let Refusal(code, why) = start(arguments);
    // Nobody is left to tell when standard error is gone too.
    drop(writeln!(std::io::stderr(), "kiln-init: {why}."));
    ExitCode::from(code)
}

fn tell_heartbeat(arguments: &[String]) -> ExitCode {
    let Err(why) = heartbeat::check(arguments) else { return ExitCode::SUCCESS };
    // The code alone says enough when nobody reads the line.
    drop(writeln!(std::io::stdout(), "{why}"));
    ExitCode::FAILURE
}

/// Returns only when the service could not be started.
fn start(arguments: Vec<String>) -> Refusal {
    let given = arguments.into_iter().skip_while(|argument| argument == "--").collect();
    let spec = match source::read(Path::new(SPEC_PATH), std::env::var_os(SPEC_VARIABLE)) {
        Ok(spec) => spec.unwrap_or_default(),
        Err(why) => return Refusal(120, why),
    };
    match prepare(&spec) {
        Ok(()) => become_service(&spec, given),
        Err(refusal) => refusal,
    }
}

fn prepare(spec: &InitSpec) -> Result<(), Refusal> {
    write_settings(spec, Path::new(RUN_DIR)).map_err(|why| Refusal(121, why))?;
    let limit = Duration::from_millis(spec.launch_timeout_ms);
    launch::run(&spec.launch, &spec.env, limit).map_err(|failure| match failure {
        Failure::Failed(why) => Refusal(122, why),
        Failure::Late(why) => Refusal(123, why),
    })
}

/// Writes both forms of the properties; nothing when there are none, so that an image runs where
/// the directory cannot be made.
fn write_settings(spec: &InitSpec, dir: &Path) -> Result<(), String> {
    if spec.properties.is_empty() {
        return Ok(());
    }
    let json = serde_json::to_string_pretty(&spec.properties).expect("a map of JSON is JSON");
    write_private(&dir.join("application.properties"), &java_properties(&spec.properties))?;
    write_private(&dir.join("application.json"), &(json + "\n"))
}

/// Readable by the service's user alone: settings may hold secrets.
fn write_private(path: &Path, text: &str) -> Result<(), String> {
    let parent = path.parent().expect("the caller joined a name to a directory");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    std::fs::create_dir_all(parent)
        .and_then(|()| options.open(path)?.write_all(text.as_bytes()))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn become_service(spec: &InitSpec, given: Vec<String>) -> Refusal {
    let command = if spec.command.is_empty() { given } else { spec.command.clone() };
    let Some((program, arguments)) = command.split_first() else {
        return Refusal(127, "there is no command to run".to_owned());
    };
    let error =
        Command::new(program).args(arguments).envs(&spec.env).env_remove(SPEC_VARIABLE).exec();
    let code = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
    Refusal(code, format!("cannot run {program}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_written_in_both_forms_for_their_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut spec = InitSpec::default();
        spec.properties.insert("a.b".into(), "x=y".into());
        write_settings(&spec, dir.path()).unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(read("application.properties"), "a.b=x\\=y\n");
        assert_eq!(read("application.json"), "{\n  \"a.b\": \"x=y\"\n}\n");
        let mode = std::fs::metadata(dir.path().join("application.json")).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    }

    #[test]
    fn a_spec_without_properties_writes_nothing() {
        assert!(write_settings(&InitSpec::default(), Path::new("/proc/nowhere")).is_ok());
    }
}
