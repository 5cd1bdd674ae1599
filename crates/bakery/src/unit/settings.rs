//! What each setting of `[Service]` comes to.

use super::Unit;
use kiln_names::Span;
use kiln_protocol::recipe::{AbsolutePath, CommandLine, MAX_STOP, Signal, Stop, User, split_words};

/// What Kiln does for every instance by its own means, or what has no meaning in one: restarts,
/// logs, limits, isolation.
const ANYWAY: &[&str] = &[
    "CapabilityBoundingSet",
    "DevicePolicy",
    "KillMode",
    "LimitCORE",
    "LimitNOFILE",
    "LockPersonality",
    "MemoryDenyWriteExecute",
    "NoNewPrivileges",
    "NotifyAccess",
    "OOMScoreAdjust",
    "RemoveIPC",
    "Restart",
    "RestartSec",
    "SecureBits",
    "Slice",
    "StandardError",
    "StandardInput",
    "StandardOutput",
    "StartLimitBurst",
    "StartLimitInterval",
    "SyslogFacility",
    "SyslogIdentifier",
    "SyslogLevel",
    "TasksMax",
    "TimeoutStartSec",
    "WatchdogSec",
];
/// The same, by how they begin.
const ANYWAY_ALL: &[&str] = &["Private", "Protect", "Restrict", "SystemCall"];

/// The types of unit whose program stays where it was started.
const TYPES: &[&str] = &["simple", "exec", "notify", "notify-reload", "idle"];

/// What Kiln sets itself, and no image may.
const RESERVED: &str = "KILN_";

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct Settings {
    commands: Vec<CommandLine>,
    user: Option<User>,
    group: Option<String>,
    dynamic: bool,
    env: Vec<String>,
    writable: Vec<AbsolutePath>,
    signal: Option<Signal>,
    timeout: Option<Span>,
}

impl Settings {
    /// Takes one setting in; fails with what is not understood about it.
    pub(super) fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let anyway = ANYWAY.contains(&key) || ANYWAY_ALL.iter().any(|it| key.starts_with(it));
        if anyway {
            return Ok(());
        }
        match key {
            "ExecStart" if value.is_empty() => self.commands.clear(),
            "ExecStart" => self.commands.push(command(value)?),
            "Environment" if value.is_empty() => self.env.clear(),
            "Environment" => self.env.extend(variables(value)?),
            "Type" if TYPES.contains(&value) => {}
            "Type" => return Err("its program leaves the place where it was started".to_owned()),
            "User" => self.user = Some(value).filter(|it| !is_root(it)).map(user).transpose()?,
            "Group" => self.group = Some(plain(value)?).filter(|it| !is_root(it)),
            "DynamicUser" => self.dynamic = truth(value)?,
            "KillSignal" => self.signal = Some(signal(value)?),
            "TimeoutStopSec" | "TimeoutSec" => self.timeout = Some(timeout(value)?),
            "RuntimeDirectory" => self.write_to("/run", value)?,
            "CacheDirectory" => self.write_to("/var/cache", value)?,
            "LogsDirectory" => self.write_to("/var/log", value)?,
            "StateDirectory" => return Err("an instance keeps no state".to_owned()),
            "RuntimeDirectoryMode" | "CacheDirectoryMode" | "LogsDirectoryMode" => {}
            "WorkingDirectory" if value == "/" => {}
            "AmbientCapabilities" if matches!(value, "" | "CAP_NET_BIND_SERVICE") => {}
            _ => return Err("this is not understood".to_owned()),
        }
        Ok(())
    }

    /// All of them as a unit; fails with what it lacks.
    pub(super) fn unit(self, name: &str) -> Result<Unit, &'static str> {
        let command = match self.commands.as_slice() {
            [command] => command.words().iter().map(|word| unescape(word)).collect(),
            [] => return Err("it has no ExecStart"),
            _ => return Err("it has several ExecStart"),
        };
        let user = match self.user {
            // The image has no such user: systemd would have made it up.
            _ if self.dynamic => Some(User::NOBODY),
            user => user,
        };
        if self.group.is_some_and(|group| user.as_ref().is_none_or(|it| it.to_string() != group)) {
            return Err("its Group is not that of its User");
        }
        let default = Stop::default();
        let stop = Stop {
            signal: self.signal.unwrap_or(default.signal),
            timeout: self.timeout.unwrap_or(default.timeout),
        };
        let (env, writable) = (self.env, self.writable);
        Ok(Unit { name: name.to_owned(), command, user, env, writable, stop })
    }

    fn write_to(&mut self, parent: &str, value: &str) -> Result<(), String> {
        for name in plain(value)?.split_whitespace() {
            let path = AbsolutePath::parse(&format!("{parent}/{name}"));
            self.writable.push(path.map_err(|error| error.to_string())?);
        }
        Ok(())
    }
}

fn command(value: &str) -> Result<CommandLine, String> {
    let command = CommandLine::parse(value).map_err(|error| error.rule.to_owned())?;
    for word in command.words() {
        let rest = word.replace("%%", "").replace("$$", "");
        if rest.contains('%') {
            return Err("specifiers with % are not replaced".to_owned());
        }
        if rest.contains('$') {
            return Err("variables with $ are not replaced".to_owned());
        }
    }
    Ok(command)
}

fn unescape(word: &str) -> String {
    word.replace("%%", "%").replace("$$", "$")
}

/// A value without specifiers.
fn plain(value: &str) -> Result<String, String> {
    if value.replace("%%", "").contains('%') {
        return Err("specifiers with % are not replaced".to_owned());
    }
    Ok(value.replace("%%", "%"))
}

fn variables(value: &str) -> Result<Vec<String>, String> {
    let read = |word: &str| {
        let word = plain(word)?;
        let name = word.split_once('=').map(|(name, _)| name).unwrap_or_default();
        let first = name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_');
        if !first || !name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_') {
            return Err(format!("{word:?} is not NAME=value"));
        }
        if name == "PORT" || name.starts_with(RESERVED) {
            return Err(format!("{name} is what Kiln sets itself"));
        }
        Ok(word)
    };
    split_words(value)?.iter().map(|word| read(word)).collect()
}

fn is_root(value: &str) -> bool {
    matches!(value, "" | "root" | "0")
}

fn user(value: &str) -> Result<User, String> {
    User::parse(&plain(value)?).map_err(|error| error.rule.to_owned())
}

fn truth(value: &str) -> Result<bool, String> {
    match value {
        "yes" | "true" | "on" | "1" => Ok(true),
        "no" | "false" | "off" | "0" => Ok(false),
        _ => Err("yes or no is wanted".to_owned()),
    }
}

fn signal(value: &str) -> Result<Signal, String> {
    let name = if value.starts_with("SIG") { value.to_owned() } else { format!("SIG{value}") };
    Signal::parse(&name).map_err(|error| error.rule.to_owned())
}

/// One number with one unit, seconds unless told.
fn timeout(value: &str) -> Result<Span, String> {
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = value.split_at(digits);
    let unit = match unit.trim_start() {
        "" | "s" | "sec" | "second" | "seconds" => "s",
        "ms" | "msec" => "ms",
        "m" | "min" | "minute" | "minutes" => "m",
        "h" | "hr" | "hour" | "hours" => "h",
        _ => return Err("one number and one unit is wanted".to_owned()),
    };
    let span = Span::parse(&format!("{number}{unit}")).map_err(|error| error.to_string())?;
    let within = (Span::millis(1)..=MAX_STOP).contains(&span);
    within.then_some(span).ok_or_else(|| format!("{span} is not within 1ms and {MAX_STOP}"))
}
