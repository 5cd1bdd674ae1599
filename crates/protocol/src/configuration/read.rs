//! From the text of `deployment-params.json` to what it says, key by key.

use super::params::{CheckChoices, Choices, Override, Way};
use super::{
    CanaryStep, CheckKind, CheckPath, DeploymentParams, DeploymentSettings, Look, MAX_CHECK,
    MAX_INSTANCES, MAX_KEPT, MAX_MEMORY, MAX_MILLI_CPU, MAX_OVERRIDES, MAX_PIDS, MAX_ROUTES,
    MAX_THRESHOLD, MIN_CHECK, MIN_MEMORY, MIN_MILLI_CPU, MilliCpu, Network, Pauses, Scheduled,
    Strategy,
};
use crate::document::{Document, Fields, Mistake, Reader, Value, shown};
use kiln_names::{ByteSize, Host, PathPrefix, Route, Span};
use std::num::NonZeroU16;

const TOP: &[&str] = &[
    "min",
    "max",
    "desiredCapacity",
    "cpu",
    "memory",
    "pids",
    "routes",
    "healthCheck",
    "startupCheck",
    "strategy",
    "drainTimeout",
    "watch",
    "keepWarm",
    "pauseAfterInstancesHealthy",
    "pauseBeforeOldRemoved",
    "hooks",
    "analysis",
    "network",
    "scale",
    "schedule",
    "external",
    "volumes",
    "engine",
    "port",
    "processes",
];
const PROCESS: &[&str] = &[
    "min",
    "max",
    "desiredCapacity",
    "cpu",
    "memory",
    "pids",
    "routes",
    "healthCheck",
    "startupCheck",
    "drainTimeout",
    "network",
    "scale",
    "schedule",
    "external",
    "volumes",
    "engine",
    "port",
];
const TOP_ONLY: &[&str] = &[
    "strategy",
    "watch",
    "keepWarm",
    "pauseAfterInstancesHealthy",
    "pauseBeforeOldRemoved",
    "hooks",
    "analysis",
    "processes",
];
const HEALTH_CHECK: &[&str] =
    &["type", "path", "command", "file", "maxAge", "interval", "timeout", "unhealthyThreshold"];
const STARTUP_CHECK: &[&str] = &["type", "path", "interval", "timeout"];
const ROUTE: &[&str] = &["host", "path"];
const STRATEGY: &[&str] = &["type", "steps", "batch"];
const STEP: &[&str] = &["weight", "duration"];
/// The most steps of a canary: more than people look at.
const MAX_STEPS: usize = 20;

pub(super) fn params(text: &str) -> Result<DeploymentParams, Mistake> {
    let document = Document::json(text)?;
    let root = document.root();
    let fields = root.fields(TOP)?;
    if let Some(port) = fields.get("port") {
        let example = r#""processes": {"web": {"port": 8080}}"#;
        return Err(port.refuse(format!("a port belongs to one process: {example}")));
    }
    if let Some(external) = fields.get("external") {
        let example = r#""processes": {"web": {"external": …}}"#;
        return Err(external.refuse(format!("it belongs to one process: {example}")));
    }
    if let Some(volumes) = fields.get("volumes") {
        let example = r#""processes": {"db": {"volumes": […]}}"#;
        return Err(volumes.refuse(format!("they belong to one process: {example}")));
    }
    let shared = choices(&fields)?;
    check_sizes(&shared, &root)?;
    let settings = settings(&fields)?;
    let overrides =
        fields.read("processes", |processes| overrides(processes, &shared, &settings))?;
    Ok(DeploymentParams { settings, overrides: overrides.unwrap_or_default(), shared })
}

fn settings(fields: &Fields<'_>) -> Result<DeploymentSettings, Mistake> {
    let default = DeploymentSettings::default();
    let kept = |span: &Reader<'_>| span.span(Span::ZERO..=MAX_KEPT);
    let settings = DeploymentSettings {
        strategy: fields.read("strategy", strategy)?.unwrap_or(default.strategy),
        watch: fields.read("watch", kept)?.unwrap_or(default.watch),
        keep_warm: fields.read("keepWarm", kept)?.unwrap_or(default.keep_warm),
        pauses: Pauses {
            pause_after_instances_healthy: said(fields, "pauseAfterInstancesHealthy")?,
            pause_before_old_removed: said(fields, "pauseBeforeOldRemoved")?,
        },
        hooks: fields.read("hooks", super::hooks::hooks)?.unwrap_or_default(),
        analysis: fields.read("analysis", super::analysis::analysis)?,
    };
    let alone = matches!(settings.strategy, Strategy::Highlander | Strategy::OneByOne);
    let compares = settings.analysis.as_ref().is_some_and(|by| by.prometheus.is_none());
    if let Some(analysis) = fields.get("analysis").filter(|_| alone && compares) {
        return Err(analysis.refuse("the old instances are gone: there are none to compare with"));
    }
    let looks = settings.watch > Span::ZERO || matches!(settings.strategy, Strategy::Canary { .. });
    match fields.get("analysis") {
        Some(analysis) if !looks => Err(analysis.refuse(
            "it compares what comes in while the new release is watched: set `watch`, or the strategy to \
             a canary",
        )),
        _ => Ok(settings),
    }
}

/// Whether a choice is made; not unless the file says so.
fn said(fields: &Fields<'_>, key: &'static str) -> Result<bool, Mistake> {
    Ok(fields.read(key, Reader::truth)?.unwrap_or(false))
}

fn strategy(reader: &Reader<'_>) -> Result<Strategy, Mistake> {
    let fields = reader.fields(STRATEGY)?;
    let kind = fields.require("type")?;
    let (known, strategy) = match kind.text()? {
        "red-black" => (None, Strategy::RedBlack),
        "canary" => (Some("steps"), Strategy::Canary { steps: steps(&fields.require("steps")?)? }),
        "rolling" => {
            let batch = fields.read("batch", |batch| batch.whole(1..=MAX_INSTANCES))?;
            (Some("batch"), Strategy::Rolling { batch: batch.unwrap_or(1) })
        }
        "highlander" => (None, Strategy::Highlander),
        "one-by-one" => (None, Strategy::OneByOne),
        other => {
            let known = "\"red-black\", \"canary\", \"rolling\", \"highlander\" nor \"one-by-one\"";
            return Err(kind.refuse(format!("\"{}\" is neither {known}", shown(other))));
        }
    };
    for key in ["steps", "batch"].into_iter().filter(|key| Some(*key) != known) {
        if let Some(stray) = fields.get(key) {
            return Err(stray.refuse(format!("this strategy has no `{key}`")));
        }
    }
    Ok(strategy)
}

/// The steps of a canary: shares that grow.
fn steps(list: &Reader<'_>) -> Result<Vec<CanaryStep>, Mistake> {
    let mut reached = 0;
    let steps = list.each("steps", MAX_STEPS, |item| {
        let fields = item.fields(STEP)?;
        let weight = fields.require("weight")?;
        let percent: u32 = weight.whole(1..=99)?;
        if percent <= reached {
            return Err(weight.refuse(format!("{percent} does not follow {reached}: shares grow")));
        }
        reached = percent;
        let duration = fields.require("duration")?.span(Span::ZERO..=MAX_KEPT)?;
        Ok(CanaryStep { weight: percent, duration })
    })?;
    match steps.is_empty() {
        true => Err(list.refuse("a canary has at least one step")),
        false => Ok(steps),
    }
}

fn overrides(
    processes: &Reader<'_>,
    shared: &Choices,
    settings: &DeploymentSettings,
) -> Result<Vec<Override>, Mistake> {
    let members = processes.members("processes", MAX_OVERRIDES)?;
    members.map(|(name, member)| own(name, &member, shared, settings)).collect()
}

fn own(
    name: &str,
    member: &Reader<'_>,
    shared: &Choices,
    settings: &DeploymentSettings,
) -> Result<Override, Mistake> {
    let process = member.name(name)?;
    if let Some((key, at)) =
        member.members("keys", usize::MAX)?.find(|(key, _)| TOP_ONLY.contains(key))
    {
        return Err(
            at.refuse(format!("`{key}` stands at the top only: it holds for all processes"))
        );
    }
    let fields = member.fields(PROCESS)?;
    let choices = choices(&fields)?;
    check_sizes(&choices.or(shared), member)?;
    if let Some(volumes) = fields.get("volumes").filter(|_| choices.volumes != Some(Vec::new())) {
        super::volumes::check_strategy(settings, &volumes)?;
    }
    let port = fields.read("port", |port| port.whole(NonZeroU16::MIN.get()..=u16::MAX))?;
    let port = port.and_then(NonZeroU16::new);
    Ok(Override { process, place: member.place(), port, choices })
}

fn choices(fields: &Fields<'_>) -> Result<Choices, Mistake> {
    let instances = |count: &Reader<'_>| count.whole(0..=MAX_INSTANCES);
    let drain = |span: &Reader<'_>| span.span(Span::ZERO..=MAX_CHECK);
    Ok(Choices {
        min: fields.read("min", instances)?,
        max: fields.read("max", instances)?,
        desired: fields.read("desiredCapacity", instances)?,
        cpu: fields.read("cpu", cpu)?,
        memory: fields.read("memory", memory)?,
        pids: fields.read("pids", |pids| pids.whole(1..=MAX_PIDS))?,
        routes: fields.read("routes", routes)?,
        health_check: fields.read("healthCheck", health_check)?.unwrap_or_default(),
        startup_check: fields
            .read("startupCheck", |c| check(c, STARTUP_CHECK))?
            .unwrap_or_default(),
        drain_timeout: fields.read("drainTimeout", drain)?,
        network: fields.read("network", network)?,
        scale: fields.read("scale", super::scale::scale)?,
        schedule: fields.read("schedule", super::schedule::schedule)?,
        external: fields.read("external", super::external::external)?,
        volumes: fields.read("volumes", super::volumes::volumes)?,
        engine: fields.read("engine", Reader::object)?,
    })
}

fn cpu(reader: &Reader<'_>) -> Result<MilliCpu, Mistake> {
    let share = reader.number()?.as_f64().unwrap_or(f64::NAN) * 1000.0;
    let range = f64::from(MIN_MILLI_CPU)..=f64::from(MAX_MILLI_CPU);
    if !range.contains(&share) {
        let (least, most) = (MilliCpu(MIN_MILLI_CPU), MilliCpu(MAX_MILLI_CPU));
        return Err(reader.refuse(format!("a number from {least} to {most} is wanted")));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in range")]
    Ok(MilliCpu(share.round() as u32))
}

fn memory(reader: &Reader<'_>) -> Result<ByteSize, Mistake> {
    let size = match reader.value() {
        Value::Number(_) => ByteSize(reader.whole(0..=u64::MAX)?),
        _ => reader.parse()?,
    };
    let fits = (MIN_MEMORY..=MAX_MEMORY).contains(&size);
    fits.then_some(size)
        .ok_or_else(|| reader.refuse(format!("{size} is not within {MIN_MEMORY} and {MAX_MEMORY}")))
}

fn routes(list: &Reader<'_>) -> Result<Vec<Route>, Mistake> {
    let mut seen = std::collections::HashSet::new();
    list.each("routes", MAX_ROUTES, |item| {
        let fields = item.fields(ROUTE)?;
        let host: Host = fields.require("host")?.parse()?;
        let path: Option<PathPrefix> = fields.read("path", Reader::parse)?;
        let route = Route { host, path: path.unwrap_or_else(super::resolve::root_path) };
        match seen.insert(route.clone()) {
            true => Ok(route),
            false => Err(item.refuse(format!("{route} stands twice"))),
        }
    })
}

pub(super) fn health_check(reader: &Reader<'_>) -> Result<CheckChoices, Mistake> {
    check(reader, HEALTH_CHECK)
}

fn check(reader: &Reader<'_>, known: &'static [&'static str]) -> Result<CheckChoices, Mistake> {
    let fields = reader.fields(known)?;
    let span = |span: &Reader<'_>| span.span(MIN_CHECK..=MAX_CHECK);
    let kind = fields.get("type");
    let way = kind.as_ref().map(|kind| way(kind, &fields, known == HEALTH_CHECK)).transpose()?;
    let own: &[&str] = match &way {
        None | Some(Way::Outside(CheckKind::Http)) => &["path"],
        Some(Way::Outside(CheckKind::Tcp)) => &[],
        Some(Way::Inside(Look::Command { .. })) => &["command"],
        Some(Way::Inside(Look::Heartbeat { .. })) => &["file", "maxAge"],
    };
    let stray = |key: &&str| !own.contains(key) && known.contains(key);
    for key in ["path", "command", "file", "maxAge"].into_iter().filter(stray) {
        if let Some(stray) = fields.get(key) {
            return Err(stray.refuse(format!("a check of this type has no `{key}`")));
        }
    }
    let path: Option<CheckPath> = fields.read("path", Reader::parse)?;
    let inside = matches!(way, Some(Way::Inside(_)));
    let least = if inside { super::inside::LEAST_INTERVAL } else { MIN_CHECK };
    Ok(CheckChoices {
        way: way.or(path.as_ref().map(|_| Way::Outside(CheckKind::Http))),
        path,
        interval: fields.read("interval", |it| it.span(least..=MAX_CHECK))?,
        timeout: fields.read("timeout", span)?,
        unhealthy_threshold: fields
            .read("unhealthyThreshold", |count| count.whole(1..=MAX_THRESHOLD))?,
    })
}

fn way(kind: &Reader<'_>, fields: &Fields<'_>, for_life: bool) -> Result<Way, Mistake> {
    let name = kind.text()?;
    match name {
        "http" => return Ok(Way::Outside(CheckKind::Http)),
        "tcp" => return Ok(Way::Outside(CheckKind::Tcp)),
        _ => {}
    }
    match super::inside::look(name, fields)? {
        Some(look) if for_life => Ok(Way::Inside(look)),
        Some(_) => Err(kind.refuse(
            "`healthCheck` says how an instance is looked at from inside; `timeout` says how long it \
             may take to pass",
        )),
        None => {
            let known = "\"http\", \"tcp\", \"command\" nor \"heartbeat\"";
            Err(kind.refuse(format!("\"{}\" is neither {known}", shown(name))))
        }
    }
}

fn network(reader: &Reader<'_>) -> Result<Network, Mistake> {
    match reader.text()? {
        "isolated" => Ok(Network::Isolated),
        "host" => Ok(Network::Host),
        other => {
            Err(reader.refuse(format!("\"{}\" is neither \"isolated\" nor \"host\"", shown(other))))
        }
    }
}

/// Says which of the three sizes are defaults: people have not seen those in their file.
fn check_sizes(choices: &Choices, at: &Reader<'_>) -> Result<(), Mistake> {
    let sizes = choices.sizes();
    let min = named("min", sizes.min, choices.min);
    let desired = named("desiredCapacity", sizes.desired, choices.desired);
    let max = named("max", sizes.max, choices.max);
    if sizes.min > sizes.desired {
        return Err(at.refuse(format!("{min} is more than {desired}")));
    }
    if sizes.desired > sizes.max {
        return Err(at.refuse(format!("{desired} is more than {max}")));
    }
    check_schedule(choices, sizes.max, at)?;
    if choices.scale.is_some() && sizes.min == sizes.max {
        return Err(at.refuse("`scale` has no room: `max` is to be more than `min`"));
    }
    if choices.scale.is_some() && sizes.min == 0 {
        return Err(at.refuse("`scale` measures what there is: `min` is to be 1 or more"));
    }
    Ok(())
}

/// What follows the load as well needs room for it.
fn check_schedule(choices: &Choices, max: u32, at: &Reader<'_>) -> Result<(), Mistake> {
    let entries = choices.schedule.iter().flatten();
    for entry in entries.filter(|_| choices.scale.is_some()) {
        let Scheduled { at: time, min, max: own } = entry;
        let max = own.unwrap_or(max);
        if *min == 0 || *min > max {
            let words = format!("`schedule` at {time}: min {min} is not within 1 and max {max}");
            return Err(at.refuse(words));
        }
    }
    Ok(())
}

fn named(key: &str, size: u32, given: Option<u32>) -> String {
    let by_default = if given.is_none() { ", its default," } else { "" };
    format!("{key} {size}{by_default}")
}
