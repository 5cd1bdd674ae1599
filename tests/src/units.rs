//! The units of the service manager, run as it would run them: exactly their lines, environment,
//! capabilities and ways of killing, without a service manager.

use crate::wait::until_some;
use crate::{Kiln, program, repository, until};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// How long a unit may take to be ready or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// One unit that runs.
#[derive(Debug)]
pub struct Unit {
    name: &'static str,
    settings: BTreeMap<String, Vec<String>>,
    variables: BTreeMap<String, String>,
    notify: PathBuf,
    socket: UnixDatagram,
    main: Mutex<Option<i32>>,
    child: Mutex<Option<Child>>,
}

impl Unit {
    /// Reads the unit `name` as it is installed; the program, the data and the addresses are those of
    /// `kiln`.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn of(kiln: &Kiln, name: &'static str) -> Self {
        Self::read(kiln, name).expect("the unit is in the repository")
    }

    fn read(kiln: &Kiln, name: &'static str) -> Result<Self> {
        let path = repository().join("packaging/systemd").join(format!("{name}.service"));
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let text = text
            .replace("/usr/local/bin/kiln", &program::kiln().to_string_lossy())
            .replace("/var/lib/kiln", &kiln.data().to_string_lossy());
        let mut settings: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with(['#', '['])) {
            if let Some((key, value)) = line.split_once('=') {
                settings.entry(key.to_owned()).or_default().push(value.to_owned());
            }
        }
        let notify = kiln.scratch().join(format!("{name}.notify"));
        let socket = UnixDatagram::bind(&notify)?;
        socket.set_read_timeout(Some(Duration::from_millis(20)))?;
        let variables =
            [("KILN_HTTP", kiln.http().to_string()), ("KILN_API", kiln.api().to_string())];
        let variables = variables.map(|(key, value)| (key.to_owned(), value)).into();
        let (main, child) = (Mutex::new(None), Mutex::new(None));
        Ok(Self { name, settings, variables, notify, socket, main, child })
    }

    /// The values of a setting.
    #[must_use]
    pub fn setting(&self, key: &str) -> &[String] {
        self.settings.get(key).map_or(&[], Vec::as_slice)
    }

    /// The process that the unit is about.
    #[must_use]
    pub fn main(&self) -> Option<i32> {
        *self.main.lock().expect("nobody panicked")
    }

    /// Runs its `ExecStart` and waits until it says that it is ready.
    ///
    /// # Panics
    /// When it does not.
    pub fn start(&self) {
        let [line] = self.setting("ExecStart") else { panic!("{}: no ExecStart", self.name) };
        let words = self.words(line);
        let mut command = Command::new("setpriv");
        if let [bounding] = self.setting("CapabilityBoundingSet") {
            command.arg(format!("--bounding-set={}", bounds(bounding)));
        }
        if self.setting("NoNewPrivileges") == ["yes"] {
            command.arg("--no-new-privs");
        }
        command.arg("--").args(words).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("NOTIFY_SOCKET", &self.notify).env("INVOCATION_ID", "a test of the units");
        let child = command.stdin(Stdio::null()).spawn().expect("setpriv runs");
        *self.child.lock().expect("nobody panicked") = Some(child);
        self.await_ready(None);
    }

    /// Runs its `ExecReload`, and waits until another process has taken over.
    ///
    /// # Panics
    /// When none does.
    pub fn reload(&self) {
        let [line] = self.setting("ExecReload") else { panic!("{}: no ExecReload", self.name) };
        let before = self.main();
        let words = self.words(line);
        let done = Command::new(&words[0]).args(&words[1..]).status().expect("it can be run");
        assert!(done.success(), "{words:?}");
        self.await_ready(before);
    }

    /// Stops it as the manager does: with `KillMode=process` only the main process is told.
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop(&self) {
        assert_eq!(self.setting("KillMode"), ["process"], "{}", self.name);
        self.signal("-TERM");
        let pid = self.main().expect("it runs");
        until("the unit has stopped", PATIENCE, || {
            // Its own child stays visible until it is waited for.
            if let Some(child) = self.child.lock().expect("nobody panicked").as_mut() {
                child.try_wait().ok();
            }
            !PathBuf::from(format!("/proc/{pid}")).exists()
        });
        *self.main.lock().expect("nobody panicked") = None;
    }

    fn signal(&self, signal: &str) {
        let pid = self.main().expect("it runs").to_string();
        let done = Command::new("kill").args([signal, &pid]).status().expect("kill runs");
        assert!(done.success(), "{signal} {pid}");
    }

    /// Waits for the word of a process other than `before`.
    fn await_ready(&self, before: Option<i32>) {
        let pid = until_some("the unit is ready", PATIENCE, || {
            let mut text = [0; 256];
            let length = self.socket.recv(&mut text).ok()?;
            let text = std::str::from_utf8(&text[..length]).ok()?;
            assert!(text.contains("READY=1"), "{text}");
            let pid = text.lines().find_map(|line| line.strip_prefix("MAINPID="))?.parse().ok()?;
            (Some(pid) != before).then_some(pid)
        });
        *self.main.lock().expect("nobody panicked") = Some(pid);
    }

    fn words(&self, line: &str) -> Vec<String> {
        let main = self.main().map(|pid| pid.to_string()).unwrap_or_default();
        let word = |word: &str| {
            let filled = word.replace("$MAINPID", &main);
            let name = filled.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
            name.map_or(filled.clone(), |name| self.variables[name].clone())
        };
        line.split_ascii_whitespace().map(word).collect()
    }
}

impl Drop for Unit {
    /// A test that failed leaves nothing that would be taken for a manager's.
    fn drop(&mut self) {
        if let Some(pid) = self.main() {
            crate::kiln::kill(pid);
        }
        if let Some(mut child) = self.child.lock().expect("nobody panicked").take() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// The manager's words for capabilities as `setpriv` understands them.
fn bounds(setting: &str) -> String {
    let (first, sign, names) = match setting.strip_prefix('~') {
        Some(names) => ("+all", '-', names),
        None => ("-all", '+', setting),
    };
    let names = names.split_ascii_whitespace().map(|name| name.trim_start_matches("CAP_"));
    names.fold(first.to_owned(), |text, name| format!("{text},{sign}{}", name.to_lowercase()))
}
