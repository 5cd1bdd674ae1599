//! One history: events by chance, one after another, each followed until all wait again.

use super::chance::Chance;
use super::promises::Promises;
use super::stage::{Quiet, Stage, What};
use super::{asks, calm};
use crate::world::World;
use kiln_deploy::{Fuse, Orchestrator, Target};
use kiln_engine::EngineError;
use kiln_engine::sim::{Behaviour, Called, Fault};
use kiln_store::Database;
use std::sync::{Arc, Mutex};
use tokio::task::AbortHandle;

/// When a history begins.
const BEGINS_MS: u64 = 1_700_000_000_000;
/// How many events there are before calm comes.
const EVENTS: u64 = 400;
/// The most notches of a fuse.
const LONGEST_FUSE: u64 = 60;
/// The longest time that passes at once.
const LONGEST_MS: u64 = 20_000;

/// Why a history is none that may happen.
pub(crate) type Broken = String;

/// A history while it goes on.
pub(crate) struct History {
    pub(crate) chance: Chance,
    pub(crate) stage: Arc<Stage>,
    pub(crate) world: World,
    /// The database, for whoever only watches.
    pub(crate) db: Database,
    /// Reads journals, and does nothing.
    pub(crate) watcher: Orchestrator,
    pub(crate) server: Option<Orchestrator>,
    /// The server ends at a record by itself.
    pub(crate) is_fused: bool,
    /// What is asked of the server and not answered yet.
    asks: Vec<AbortHandle>,
    answers: Arc<Mutex<Vec<String>>>,
    pub(crate) promises: Promises,
    /// Everything that happened.
    pub(crate) told: Vec<String>,
    /// Nothing goes wrong any more.
    pub(crate) calm: bool,
    /// One call in so many goes wrong.
    storm: u64,
}

/// The applications and environments of a history.
pub(crate) fn targets() -> [Target; 2] {
    ["prod", "test"].map(|env| Target { app: "hello".parse().unwrap(), env: env.parse().unwrap() })
}

impl History {
    pub(crate) async fn begin(seed: u64, quiet: Arc<Quiet>) -> Self {
        let mut chance = Chance::of(seed);
        let stage = Arc::new(Stage::new(BEGINS_MS, quiet));
        let (world, db) = World::staged(stage.clone()).await;
        for (version, processes) in [("4", ["web", "worker"]), ("5", ["web", "worker"])] {
            world.bake(version, &processes);
        }
        let crashes = Behaviour::Crash { code: 1, says: "no".to_owned() };
        world.engine.behave(world.bake("crashes", &["web"]), crashes);
        let never = Behaviour::NeverHealthy { last_check: "503 never".to_owned() };
        world.engine.behave(world.bake("never", &["web"]), never);
        world.engine.direct(stage.clone());
        let storm = *chance.one_of(&[6, 15, 40, 1000]).unwrap();
        let watcher = Orchestrator::new(db.clone(), world.ports(Fuse::none()));
        let mut history = Self {
            chance,
            stage,
            world,
            db,
            watcher,
            server: None,
            is_fused: false,
            asks: Vec::new(),
            answers: Arc::default(),
            promises: Promises::default(),
            told: Vec::new(),
            calm: false,
            storm,
        };
        history.configure();
        history.start();
        history
    }

    /// All of it, calm at its end.
    pub(crate) async fn run(&mut self) -> Result<(), Broken> {
        self.settle().await?;
        for _ in 0..EVENTS {
            self.event().await?;
            self.settle().await?;
        }
        calm::comes(self).await
    }

    pub(crate) fn tell(&mut self, what: impl Into<String>) {
        let at_ms = kiln_deploy::ports::Clock::now_ms(&*self.stage) - BEGINS_MS;
        self.told.push(format!("{at_ms:>7} {}", what.into()));
    }

    /// Lets everybody go on until all wait, then looks whether every promise was kept.
    pub(crate) async fn settle(&mut self) -> Result<(), Broken> {
        self.stage.quiet().await;
        if self.server.as_ref().is_some_and(Orchestrator::has_blown) {
            self.tell("the fuse has blown");
            self.crash().await;
        }
        let answers = std::mem::take(&mut *self.answers.lock().unwrap());
        answers.into_iter().for_each(|answer| self.tell(answer));
        self.asks.retain(|ask| !ask.is_finished());
        self.look().await
    }

    async fn event(&mut self) -> Result<(), Broken> {
        match self.chance.below(200) {
            0..172 => self.go_on().await?,
            172..186 => drop(self.step()),
            186..188 => {
                let more_ms = self.chance.below(LONGEST_MS);
                self.pass(more_ms);
            }
            188..191 => self.kill(),
            191..194 => asks::request(self).await,
            194..196 => asks::command(self).await,
            196..199 => match (self.server.is_some(), self.chance.below(4) > 0) {
                (true, true) => {
                    self.tell("the server dies");
                    self.crash().await;
                }
                (true, false) => asks::lock(self).await,
                (false, _) => self.start(),
            },
            _ => self.configure(),
        }
        if self.server.is_none() && self.chance.one_in(3) {
            self.start();
        }
        Ok(())
    }

    /// One of those who wait goes on; when all sleep, time passes.
    async fn go_on(&mut self) -> Result<(), Broken> {
        let ready = self.stage.ready();
        let Some((id, what)) = self.chance.one_of(&ready).copied() else {
            // Where nothing happens by itself, people do something.
            match self.chance.below(4) {
                0 => asks::request(self).await,
                1 => asks::decide(self).await,
                2 if self.step() => {}
                _ => self.sleep_on(),
            }
            return Ok(());
        };
        let fault = match what {
            What::Call(called) if self.chance.one_in(self.storm) => {
                if self.chance.one_in(5) {
                    self.stage.hang(id);
                    self.tell(format!("{id} hangs: {}", called.operation.name()));
                    return Ok(());
                }
                Some(self.fault(called))
            }
            _ => None,
        };
        self.open(id, what, fault).await
    }

    pub(crate) async fn open(
        &mut self,
        id: u64,
        what: What,
        fault: Option<Fault>,
    ) -> Result<(), Broken> {
        match what {
            What::Call(Called { operation, epoch: Some(epoch) }) => {
                self.may_change(operation, epoch).await?;
                self.tell(format!("{id} {} {fault:?}", operation.name()));
            }
            What::Call(called) => self.tell(format!("{id} {} {fault:?}", called.operation.name())),
            What::Answer(called) => self.tell(format!("{id} {} answers", called.operation.name())),
            What::Database => self.tell(format!("{id} has the database")),
            What::Time { .. } => self.tell(format!("{id} wakes")),
        }
        self.stage.open(id, fault);
        Ok(())
    }

    fn fault(&mut self, called: Called) -> Fault {
        let throttled = || EngineError::retry("reach the provider: it is throttled");
        if called.operation.only_reads() {
            return match self.chance.below(8) {
                0..3 => Fault::Refuse(throttled()),
                3 => Fault::Slow,
                4 | 5 => Fault::Stale,
                _ => Fault::Partial,
            };
        }
        match self.chance.below(12) {
            0..4 => Fault::Refuse(throttled()),
            4 => Fault::Refuse(EngineError::permanent("do it: a quota")),
            5..9 => Fault::LoseReply(throttled()),
            _ => Fault::Slow,
        }
    }

    /// Instances go one step on; whether any could.
    pub(crate) fn step(&mut self) -> bool {
        let moved = self.world.engine.step();
        if moved {
            self.tell("instances go on");
        }
        moved
    }

    /// Time passes until the next one wakes.
    pub(crate) fn sleep_on(&mut self) {
        if let Some(wakes_ms) = self.stage.wakes_ms() {
            self.stage.pass_until(wakes_ms);
            self.tell("time passes");
        }
    }

    /// Much time passes at once.
    pub(crate) fn pass(&mut self, more_ms: u64) {
        let now_ms = kiln_deploy::ports::Clock::now_ms(&*self.stage);
        self.stage.pass_until(now_ms + more_ms);
        self.tell("much time passes");
    }

    fn kill(&mut self) {
        let instances: Vec<_> =
            self.world.engine.there().iter().flat_map(|group| group.instances.clone()).collect();
        if let Some(instance) = self.chance.one_of(&instances).map(|instance| instance.id) {
            self.tell(format!("{instance} is killed"));
            self.world.engine.kill(instance);
        }
    }

    fn configure(&mut self) {
        let params = asks::params(&mut self.chance);
        self.tell(format!("configured: {params}"));
        self.world.configure("{}", "[]", &params);
        let hooks = &self.world.hooks;
        *hooks.failing.lock().unwrap() = asks::hook(&mut self.chance);
        *hooks.hanging.lock().unwrap() = asks::hook(&mut self.chance);
    }

    pub(crate) fn start(&mut self) {
        let notch = i64::try_from(self.chance.below(LONGEST_FUSE)).unwrap();
        self.is_fused = !self.calm && self.chance.one_in(2);
        let fuse = if self.is_fused { Fuse::at(notch) } else { Fuse::none() };
        self.tell(format!("a server starts: {fuse:?}"));
        let server = Orchestrator::new(self.world.db.clone(), self.world.ports(fuse));
        self.server = Some(server.clone());
        self.ask("recover", async move { server.recover().await.map(|ids| format!("{ids:?}")) });
    }

    /// The server dies, and with it whatever was asked of it.
    pub(crate) async fn crash(&mut self) {
        self.asks.drain(..).for_each(|ask| ask.abort());
        if let Some(server) = self.server.take() {
            server.halt();
        }
        self.stage.quiet().await;
        self.answers.lock().unwrap().clear();
    }

    /// Asks something of the server; what it answers is told later.
    pub(crate) fn ask<E: std::fmt::Display>(
        &mut self,
        what: &'static str,
        answer: impl Future<Output = Result<String, E>> + Send + 'static,
    ) {
        let answers = self.answers.clone();
        let task = tokio::spawn(async move {
            let text = match answer.await {
                Ok(text) => format!("{what}: {text}"),
                Err(error) => format!("{what}: failed to {error}"),
            };
            answers.lock().unwrap().push(text);
        });
        self.asks.push(task.abort_handle());
    }

    /// Whether somebody still waits for an answer.
    pub(crate) fn is_asked(&self) -> bool {
        !self.asks.is_empty()
    }
}
