//! From what an instance is started from to what an engine is asked for. Pure.

pub(crate) mod container;
pub(crate) mod service;

use crate::labels::Owner;
use crate::placement::Placement;
use kiln_image::ImageConfig;
use kiln_init::{PROGRAM, RUN_DIR, SPEC_VARIABLE};
use kiln_keeper::{Birth, init, over_image};
use kiln_protocol::configuration::{InsideCheck, Network};
use kiln_protocol::recipe::AbsolutePath;
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU16;

/// The kernel takes no longer text among the variables of a program. (`MAX_ARG_STRLEN`)
const LONGEST_VARIABLE: usize = 128 << 10;
/// Where an instance finds its secrets: a file each, for its user alone.
pub(crate) const SECRETS_DIR: &str = "/run/kiln/secrets";

/// What an instance is made of, whichever way it is run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Made {
    pub(crate) name: String,
    pub(crate) labels: HashMap<String, String>,
    /// The engine's own reference.
    pub(crate) image: String,
    pub(crate) command: Vec<String>,
    /// `NAME=value`, sorted.
    pub(crate) env: Vec<String>,
    pub(crate) cwd: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) hostname: String,
    pub(crate) memory: i64,
    pub(crate) nano_cpus: i64,
    pub(crate) pids: i64,
    /// Without `CAP_`.
    pub(crate) capabilities: Vec<String>,
    /// Places in memory, each with its mode.
    pub(crate) writable: BTreeMap<String, Mode>,
    /// What is looked at inside, and how long the start may take.
    pub(crate) inside: Option<(InsideCheck, std::time::Duration)>,
    pub(crate) stop_signal: String,
    pub(crate) stop_timeout: std::time::Duration,
    pub(crate) network: Network,
    pub(crate) placement: Placement,
    /// The port inside; none for what does not listen.
    pub(crate) port: Option<NonZeroU16>,
    /// The port outside, where it is another.
    pub(crate) published: u16,
}

/// Who may write to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Everybody.
    Shared,
    /// The instance's user.
    Own,
}

impl Mode {
    const fn octal(self) -> &'static str {
        match self {
            Self::Shared => "1777",
            Self::Own => "0755",
        }
    }
}

impl Made {
    /// What an instance is made of, of an image that says so and has that reference.
    pub(crate) fn of(
        owner: &Owner,
        birth: &Birth,
        config: &ImageConfig,
        image: &str,
    ) -> Result<Self, String> {
        let (group, run) = (&birth.spec, &birth.spec.run);
        let has_init = config.entrypoint.first().is_some_and(|program| program == PROGRAM);
        let command = if has_init { vec![PROGRAM.to_owned()] } else { run.command.clone() };
        if command.is_empty() {
            return Err("the process has no command".to_owned());
        }
        let port = run.port.and_then(|inside| match group.params.network {
            Network::Host => NonZeroU16::new(birth.address.port()),
            Network::Isolated => Some(inside),
        });
        let mut env = over_image(&config.env, birth.variables(port));
        if has_init {
            let spec = init(run, &group.user_data);
            let spec = serde_json::to_string(&spec).expect("a spec is plain data");
            env.insert(SPEC_VARIABLE.to_owned(), spec);
        }
        Ok(Self {
            name: owner.name(birth.id),
            labels: owner.of(birth),
            image: image.to_owned(),
            command,
            env: variables(env)?,
            cwd: run.working_dir.as_ref().map_or("/", AbsolutePath::as_str).to_owned(),
            uid: run.uid,
            gid: run.gid,
            hostname: birth.hostname(),
            memory: number(group.params.memory.0),
            nano_cpus: i64::from(group.params.cpu.0) * 1_000_000,
            pids: i64::from(group.params.pids),
            capabilities: run.capabilities.iter().map(|c| c.as_str().to_owned()).collect(),
            writable: writable(birth),
            inside: group.params.inside_check.clone().map(|check| {
                let startup = group.params.startup_check.timeout.get();
                (check, startup)
            }),
            stop_signal: run.stop.signal.as_str().to_owned(),
            stop_timeout: run.stop.timeout.get(),
            network: group.params.network,
            placement: Placement::parse(&group.params.engine)?,
            port,
            published: birth.address.port(),
        })
    }

    /// Whom it runs as.
    fn user(&self) -> String {
        format!("{}:{}", self.uid, self.gid)
    }
}

fn variables(env: BTreeMap<String, String>) -> Result<Vec<String>, String> {
    let pairs = env.into_iter().map(|(name, value)| {
        let pair = format!("{name}={value}");
        // The kernel counts the zero behind it.
        if pair.len() < LONGEST_VARIABLE {
            return Ok(pair);
        }
        let what = match name.as_str() {
            SPEC_VARIABLE => "the properties and launch commands together are".to_owned(),
            _ => format!("the variable {name} is"),
        };
        let (found, most) = (pair.len() >> 10, LONGEST_VARIABLE >> 10);
        Err(format!("{what} {found} KiB; Docker can hand over less than {most} KiB"))
    });
    pairs.collect()
}

fn writable(birth: &Birth) -> BTreeMap<String, Mode> {
    let mut places = BTreeMap::from([("/tmp".to_owned(), Mode::Shared)]);
    let own = birth.spec.run.writable.iter().map(|path| path.as_str().to_owned());
    places.extend(own.map(|path| (path, Mode::Own)));
    places.insert(RUN_DIR.to_owned(), Mode::Own);
    places
}

/// Docker counts with signs.
fn number(of: u64) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
