//! What `kiln run` runs: from an image, and an environment's configuration if one is named, to
//! everything that one instance needs. Nothing is planned and nothing changes.

use crate::kit::Kit;
use crate::ports::ImageFacts;
use crate::prepare::exists;
use crate::{Orchestrator, Problem, Target};
use kiln_engine::{RunSpec, UserData};
use kiln_names::{AppName, ByteSize, Digest, EnvName, ProcessName, SecretVersions};
use kiln_protocol::configuration::{
    Configuration, DEFAULT_CPU, DEFAULT_MEMORY, DEFAULT_PIDS, MAX_MEMORY, MAX_MILLI_CPU,
    MIN_MEMORY, MIN_MILLI_CPU, MilliCpu, Network,
};
use kiln_protocol::recipe::ImageProcess;
use kiln_protocol::run::{MAX_COMMAND_BYTES, MAX_WORDS};
use std::collections::BTreeMap;

/// What a person asks to run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunAsk {
    /// The image.
    pub image: Digest,
    /// The application, where the image does not say it.
    pub app: Option<AppName>,
    /// The environment whose configuration and network it gets.
    pub env: Option<EnvName>,
    /// Which process; without one, the image's main one.
    pub process: Option<ProcessName>,
    /// What to run instead of the process's command.
    pub command: Vec<String>,
    /// The memory, instead of the configuration's.
    pub memory: Option<ByteSize>,
    /// The share of processors, instead of the configuration's.
    pub cpu: Option<MilliCpu>,
}

impl Orchestrator {
    /// Everything that the run needs.
    ///
    /// # Errors
    /// What makes no sense, or is not there, in words.
    pub async fn run_spec(&self, ask: RunAsk) -> Result<RunSpec, Problem> {
        let kit = self.kit();
        check(&ask)?;
        let facts = kit.ports.images.facts(&ask.image, ask.env.as_ref()).await?;
        let app = app(&ask, &facts)?;
        let (process, run) = process(&ask, &facts)?;
        let spec = bare(&ask, app.clone(), process, run);
        let Some(env) = &ask.env else { return Ok(spec) };
        let app = app.ok_or_else(|| {
            Problem::invalid(
                "the image does not say which application it is of: name it with --app",
            )
        })?;
        let target = Target { app, env: env.clone() };
        let configuration = configuration(kit, &target, &facts).await?;
        Ok(configured(spec, &ask, &target, &configuration))
    }
}

fn check(ask: &RunAsk) -> Result<(), Problem> {
    let bytes: usize = ask.command.iter().map(String::len).sum();
    if ask.command.len() > MAX_WORDS || bytes > MAX_COMMAND_BYTES {
        let most = format!("a command has at most {MAX_WORDS} words and {MAX_COMMAND_BYTES} B");
        return Err(Problem::invalid(most));
    }
    if ask.command.iter().any(|word| word.contains('\0')) {
        return Err(Problem::invalid("no word of a command holds a zero byte"));
    }
    if let Some(memory) = ask.memory.filter(|it| !(MIN_MEMORY..=MAX_MEMORY).contains(it)) {
        let message = format!("memory: {memory} is not within {MIN_MEMORY} and {MAX_MEMORY}");
        return Err(Problem::invalid(message));
    }
    if let Some(cpu) = ask.cpu.filter(|it| !(MIN_MILLI_CPU..=MAX_MILLI_CPU).contains(&it.0)) {
        let (least, most) = (MilliCpu(MIN_MILLI_CPU), MilliCpu(MAX_MILLI_CPU));
        return Err(Problem::invalid(format!("cpu: {cpu} is not within {least} and {most}")));
    }
    Ok(())
}

fn app(ask: &RunAsk, facts: &ImageFacts) -> Result<Option<AppName>, Problem> {
    match (&ask.app, &facts.app) {
        (Some(asked), Some(of)) if asked != of => {
            let image = ask.image.short();
            Err(Problem::invalid(format!("image {image} is of {of}, not of {asked}")))
        }
        (asked, of) => Ok(of.as_ref().or(asked.as_ref()).cloned()),
    }
}

fn process(ask: &RunAsk, facts: &ImageFacts) -> Result<(ProcessName, ImageProcess), Problem> {
    let image = ask.image.short();
    let found = match &ask.process {
        None => facts
            .processes
            .main()
            .ok_or_else(|| Problem::invalid(format!("image {image} has no process to run")))?,
        Some(name) => {
            let names: Vec<&str> = facts.processes.names().map(ProcessName::as_str).collect();
            let run = facts.processes.get(name).ok_or_else(|| {
                let names = names.join(", ");
                Problem::not_found(format!("image {image} has no process {name}; it has {names}"))
            })?;
            (name, run)
        }
    };
    let (name, mut run) = (found.0.clone(), found.1.clone());
    if !ask.command.is_empty() {
        run.command.clone_from(&ask.command);
    }
    Ok((name, run))
}

/// A run without any configuration.
fn bare(ask: &RunAsk, app: Option<AppName>, process: ProcessName, run: ImageProcess) -> RunSpec {
    RunSpec {
        image: ask.image,
        app,
        env: ask.env.clone(),
        process,
        run,
        cpu: ask.cpu.unwrap_or(DEFAULT_CPU),
        memory: ask.memory.unwrap_or(DEFAULT_MEMORY),
        pids: DEFAULT_PIDS,
        network: Network::Isolated,
        user_data: UserData::default(),
        variables: BTreeMap::new(),
        // Whoever runs a command of his own would read them.
        secrets: SecretVersions::new(),
    }
}

/// What a deployment of this image would get now.
async fn configuration(
    kit: &Kit,
    target: &Target,
    facts: &ImageFacts,
) -> Result<Configuration, Problem> {
    exists(kit, target).await?;
    let ports = &kit.ports;
    if let Some(embargo) = &facts.embargo {
        return Err(Problem::not_allowed(format!("the image may not run here: {embargo}")));
    }
    let commit = ports.configurations.pin(target, None).await?;
    let configuration = ports.configurations.read(target, commit).await?;
    let fits = configuration.check(&target.app, &target.env, &facts.processes);
    fits.map_err(|error| Problem::invalid(error.to_string()))?;
    Ok(configuration)
}

fn configured(
    spec: RunSpec,
    ask: &RunAsk,
    Target { app, env }: &Target,
    configuration: &Configuration,
) -> RunSpec {
    let has_port = spec.run.port.is_some();
    let params = configuration.params.resolve(app, env, &spec.process, has_port);
    RunSpec {
        cpu: ask.cpu.unwrap_or(params.cpu),
        memory: ask.memory.unwrap_or(params.memory),
        pids: params.pids,
        network: params.network,
        user_data: UserData {
            properties: configuration.properties.as_json().clone(),
            launch: configuration.launch.commands().to_vec(),
        },
        ..spec
    }
}
