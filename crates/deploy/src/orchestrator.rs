//! The orchestrator: what the rest of Kiln asks about deployments.

use crate::decide::Command;
use crate::executor::{Asked, channel, spawn};
use crate::journal::{Event, Record};
use crate::kit::Kit;
use crate::lookout::Lookouts;
use crate::plan::Plan;
use crate::prepare::{Draft, exists, prepare};
use crate::progress::{Hub, ProgressStream, watch};
use crate::recorder::{Recorder, Subject};
use crate::retirer::Retirer;
use crate::status::{BrokenJournal, Status};
use crate::view::{self, Deployment, EndedView, Running, Summary, deployment_state};
use crate::{Ask, Deploy, Error, Holder, Ports, Problem, Request, Target, Why, archive, scaler};
use futures_util::StreamExt;
use kiln_engine::{Depth, Drift};
use kiln_names::{AppName, DeploymentId, EnvName, InstanceId, ProcessName};
use kiln_protocol::capacity::Capacity;
use kiln_protocol::deployment::DeploymentState;
use kiln_store::deployments::{DeploymentRow, NewDeployment, StateChange};
use kiln_store::{Database, deployments, journal, lock};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::AbortHandle;

/// How often a command that met a task on its way out is sent again.
const SENDS: usize = 8;

/// Takes applications from release to release. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Orchestrator(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kit: Arc<Kit>,
    tasks: Mutex<HashMap<DeploymentId, Live>>,
    /// What goes on beside the deployments: removing groups, making old journals small.
    chores: Mutex<Vec<AbortHandle>>,
}

/// The task of a deployment.
#[derive(Debug)]
struct Live {
    asked: mpsc::Sender<Asked>,
    handle: Arc<AbortHandle>,
}

/// An orchestrator that may be gone: who works for it does not keep it.
#[derive(Debug)]
pub(crate) struct Faint(Weak<Inner>);

impl Faint {
    pub(crate) fn get(&self) -> Option<Orchestrator> {
        self.0.upgrade().map(Orchestrator)
    }
}

// === impl Orchestrator ===

impl Orchestrator {
    /// An orchestrator on a database. Nothing goes on before [`Orchestrator::recover`].
    #[must_use]
    pub fn new(db: Database, ports: Ports) -> Self {
        let (hub, lookouts, retire) = (Hub::new(), Lookouts::default(), Notify::new());
        let kit = Arc::new(Kit { db, ports, hub, lookouts, retire });
        Self(Arc::new(Inner { kit, tasks: Mutex::default(), chores: Mutex::default() }))
    }

    pub(crate) fn kit(&self) -> &Kit {
        &self.0.kit
    }

    pub(crate) fn shared_kit(&self) -> Arc<Kit> {
        self.0.kit.clone()
    }

    /// Goes on with every deployment that was in progress, and with removing groups. Returns the
    /// deployments that it took up. One whose journal makes no sense becomes stuck; the others go
    /// on.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn recover(&self) -> Result<Vec<DeploymentId>, Error> {
        let kit = &self.0.kit;
        let holders = deployments::holders(&mut *kit.db.read().await?).await?;
        let mut taken_up = Vec::new();
        for row in holders {
            match self.load(&row).await {
                Ok(recorder) if recorder.status().is_idle() => {}
                Ok(recorder) => {
                    taken_up.push(row.id);
                    self.start(recorder);
                }
                Err(Error::Journal { reason, .. }) => self.mark_broken(&row, &reason).await?,
                Err(error) => return Err(error),
            }
        }
        let chores = vec![
            tokio::spawn(Retirer::new(kit.clone()).run()).abort_handle(),
            tokio::spawn(archive::run(kit.clone())).abort_handle(),
            tokio::spawn(scaler::run(Faint(Arc::downgrade(&self.0)))).abort_handle(),
        ];
        let before = std::mem::replace(&mut *self.0.chores(), chores);
        before.iter().for_each(AbortHandle::abort);
        Ok(taken_up)
    }

    /// Stops all tasks where they are, as a crash would: [`Orchestrator::recover`] of the next
    /// orchestrator goes on from there.
    pub fn halt(&self) {
        let tasks = std::mem::take(&mut *self.0.tasks());
        tasks.values().for_each(|task| task.handle.abort());
        self.0.chores().drain(..).for_each(|chore| chore.abort());
    }

    /// Whether its fuse has blown: then it does nothing more.
    #[must_use]
    pub fn has_blown(&self) -> bool {
        self.0.kit.ports.fuse.blown()
    }

    /// Deploys a release.
    ///
    /// # Errors
    /// See [`Orchestrator::begin`].
    pub async fn deploy(
        &self,
        target: Target,
        deploy: Deploy,
        why: Why,
    ) -> Result<DeploymentId, Error> {
        self.begin(Request { target, ask: Ask::Deploy(deploy), why }).await
    }

    /// Deploys the active image with the newest configuration.
    ///
    /// # Errors
    /// See [`Orchestrator::begin`].
    pub async fn redeploy(&self, target: Target, why: Why) -> Result<DeploymentId, Error> {
        self.begin(Request { target, ask: Ask::Redeploy, why }).await
    }

    /// Goes back to the release that the active one replaced, or to the one named.
    ///
    /// # Errors
    /// See [`Orchestrator::begin`].
    pub async fn rollback(
        &self,
        target: Target,
        to: Option<String>,
        why: Why,
    ) -> Result<DeploymentId, Error> {
        self.begin(Request { target, ask: Ask::Rollback { to }, why }).await
    }

    /// Removes all groups and frees the routes.
    ///
    /// # Errors
    /// See [`Orchestrator::begin`].
    pub async fn stop(&self, target: Target, why: Why) -> Result<DeploymentId, Error> {
        self.begin(Request { target, ask: Ask::Stop, why }).await
    }

    /// Changes how many instances the active group of a process has.
    ///
    /// # Errors
    /// See [`Orchestrator::begin`].
    pub async fn resize(
        &self,
        target: Target,
        process: Option<ProcessName>,
        size: u32,
        why: Why,
    ) -> Result<DeploymentId, Error> {
        self.begin(Request { target, ask: Ask::Resize { process, size }, why }).await
    }

    /// Starts an identical instance, then drains and stops the given one.
    ///
    /// # Errors
    /// See [`Orchestrator::begin`]; not found when no engine knows the instance.
    pub async fn replace(&self, instance: InstanceId, why: Why) -> Result<DeploymentId, Error> {
        let target = view::target_of(&self.0.kit, instance).await?;
        self.begin(Request { target, ask: Ask::Replace { instance }, why }).await
    }

    /// Takes the lock and begins what was asked for; it goes on by itself. Whether it makes sense
    /// shows while it prepares: see [`Orchestrator::wait`].
    ///
    /// # Errors
    /// Not found when there is no such application or environment, [`Error::Conflict`] when
    /// another deployment holds the lock, [`Error::Locked`] when somebody locked everything.
    pub async fn begin(&self, request: Request) -> Result<DeploymentId, Error> {
        let kit = &self.0.kit;
        exists(kit, &request.target).await?;
        let record = Record {
            seq: 0,
            at_ms: kit.now_ms(),
            event: Event::Requested { request: request.clone() },
        };
        let id = kit.ports.ids.deployment();
        let number = match self.take_lock(id, &request, &record).await {
            Err(Error::Store(error)) if error.is_unique_violation() => {
                return Err(self.conflict(&request).await?);
            }
            other => other?,
        };
        let status = Status::new().after(&record);
        let status = status.expect("a request is the first record of every journal");
        let subject = Subject { id, number, target: request.target };
        self.start(Recorder::new(kit.clone(), subject, status));
        Ok(id)
    }

    async fn take_lock(
        &self,
        id: DeploymentId,
        request: &Request,
        record: &Record,
    ) -> Result<u64, Error> {
        let new = NewDeployment {
            id,
            app: request.target.app.clone(),
            env: request.target.env.clone(),
            verb: request.ask.verb().to_owned(),
            who: request.why.who.clone(),
            message: request.why.message.clone(),
            state: DeploymentState::Preparing.as_str().to_owned(),
            started_ms: record.at_ms,
        };
        let mut write = self.0.kit.db.write().await?;
        if let Some(lock) = lock::holder(&mut write).await? {
            let (verb, target) = (request.ask.verb(), request.target.clone());
            return Err(Error::Locked { verb, target, lock: Box::new(lock) });
        }
        let number = deployments::begin(&mut write, &new).await?;
        journal::append(&mut write, number, &record.to_row()).await?;
        write.commit().await?;
        Ok(number)
    }

    async fn conflict(&self, request: &Request) -> Result<Error, Error> {
        let Target { app, env } = &request.target;
        let mut db = self.0.kit.db.read().await?;
        let Some(row) = deployments::holder(&mut db, app, env).await? else {
            // It ended in this very moment.
            return Ok(Problem::unavailable("take the lock: another just ended, try again").into());
        };
        let holder = Holder {
            id: row.id,
            verb: row.verb,
            who: row.who,
            state: deployment_state(&row.state),
            since_ms: row.since_ms,
        };
        let hint = match holder.state {
            DeploymentState::Stuck => format!("kiln undo {app} {env} or kiln retry {app} {env}"),
            _ => format!("kiln watch {} or kiln undo {app} {env}", holder.id),
        };
        let (verb, target) = (request.ask.verb(), request.target.clone());
        Ok(Error::Conflict { verb, target, holder: Box::new(holder), hint })
    }

    /// What a deployment would do, decided on what is there now; takes no lock and no number.
    ///
    /// # Errors
    /// The problem that would make it invalid.
    pub async fn plan(&self, request: &Request) -> Result<Plan, Error> {
        let mut draft = Draft::new(&self.0.kit);
        let plan = prepare(&mut draft, request).await;
        Ok(plan.map_err(|no| Problem {
            kind: no.kind,
            message: format!("{}: {}", no.step, no.reason),
        })?)
    }

    /// Stops a deployment where it is and touches nothing more.
    ///
    /// # Errors
    /// When nothing is in progress, or nothing of it goes on.
    pub async fn abort(&self, target: &Target, by: &str) -> Result<DeploymentId, Error> {
        self.ask("abort", target, Command::Abort { by: by.to_owned() }).await
    }

    /// Takes back what a deployment did so far.
    ///
    /// # Errors
    /// When nothing is in progress, or it is being undone already.
    pub async fn undo(&self, target: &Target, by: &str) -> Result<DeploymentId, Error> {
        self.ask("undo", target, Command::Undo { by: by.to_owned() }).await
    }

    /// Goes on with a stuck deployment from the action that failed or was stopped.
    ///
    /// # Errors
    /// When nothing is in progress, or it goes on.
    pub async fn retry(&self, target: &Target, by: &str) -> Result<DeploymentId, Error> {
        self.ask("retry", target, Command::Retry { by: by.to_owned() }).await
    }

    /// Lets a deployment stop after the action in flight, until somebody resumes it.
    ///
    /// # Errors
    /// When nothing is in progress, or nothing of it goes on.
    pub async fn pause(&self, target: &Target, by: &str) -> Result<DeploymentId, Error> {
        self.ask("pause", target, Command::Pause { by: by.to_owned() }).await
    }

    /// Goes on after a pause.
    ///
    /// # Errors
    /// When nothing is in progress, or it is not paused.
    pub async fn resume(&self, target: &Target, by: &str) -> Result<DeploymentId, Error> {
        self.ask("resume", target, Command::Resume { by: by.to_owned() }).await
    }

    async fn ask(
        &self,
        verb: &'static str,
        target: &Target,
        command: Command,
    ) -> Result<DeploymentId, Error> {
        let none = || Error::NothingInProgress { verb, target: target.clone() };
        for _ in 0..SENDS {
            let row = {
                let mut db = self.0.kit.db.read().await?;
                deployments::holder(&mut db, &target.app, &target.env).await?.ok_or_else(none)?
            };
            let (answer, answered) = oneshot::channel();
            let asked = Asked { command: command.clone(), answer };
            self.send(&row, asked).await?;
            // A task that ended before it read the question drops it; the next one will not.
            if let Ok(answer) = answered.await {
                return answer.map(|()| row.id);
            }
        }
        Err(Error::Stopping)
    }

    /// Hands a question to the task of a deployment, or to a new one if there is none.
    async fn send(&self, row: &DeploymentRow, asked: Asked) -> Result<(), Error> {
        let known = self.0.tasks().get(&row.id).map(|task| task.asked.clone());
        let asked = match known {
            None => asked,
            Some(task) => match task.send(asked).await {
                Ok(()) => return Ok(()),
                Err(mpsc::error::SendError(asked)) => asked,
            },
        };
        let recorder = self.load(row).await?;
        self.start(recorder).send(asked).await.map_err(|_| Error::Stopping)
    }

    /// Reads a deployment's journal and gets ready to go on with it.
    async fn load(&self, row: &DeploymentRow) -> Result<Recorder, Error> {
        let kit = &self.0.kit;
        let rows = journal::read(&mut *kit.db.read().await?, row.number).await?;
        let broken =
            |e: BrokenJournal| Error::Journal { deployment: row.id, reason: e.to_string() };
        let status = Status::of(&rows).map_err(broken)?;
        let target = Target { app: row.app.clone(), env: row.env.clone() };
        let subject = Subject { id: row.id, number: row.number, target };
        Ok(Recorder::new(kit.clone(), subject, status))
    }

    /// Starts the task of a deployment, unless one was started meanwhile.
    fn start(&self, recorder: Recorder) -> mpsc::Sender<Asked> {
        let id = recorder.subject.id;
        let mut tasks = self.0.tasks();
        tasks.retain(|_, task| !task.asked.is_closed());
        if let Some(task) = tasks.get(&id) {
            return task.asked.clone();
        }
        let (asked, questions) = channel();
        let handle = spawn(recorder, questions);
        tasks.insert(id, Live { asked: asked.clone(), handle });
        asked
    }

    async fn mark_broken(&self, row: &DeploymentRow, reason: &str) -> Result<(), Error> {
        tracing::error!(deployment = %row.id, reason, "a journal makes no sense");
        let change = StateChange {
            state: DeploymentState::Stuck.as_str(),
            reason: Some(reason),
            locks: true,
            ended: false,
            at_ms: self.0.kit.now_ms(),
        };
        let mut write = self.0.kit.db.write().await?;
        deployments::set_state(&mut write, row.number, change).await?;
        Ok(write.commit().await?)
    }

    /// Everything that happened in a deployment from the given place of its journal on, then what
    /// comes, until it rests.
    ///
    /// # Errors
    /// When there is no such deployment, or its journal cannot be read.
    pub async fn subscribe(&self, id: DeploymentId, from: u64) -> Result<ProgressStream, Error> {
        watch(self.0.kit.clone(), id, from).await
    }

    /// Waits until a deployment rests: completed, invalid, undone or stuck.
    ///
    /// # Errors
    /// When there is no such deployment, or its journal cannot be read.
    pub async fn wait(&self, id: DeploymentId) -> Result<Deployment, Error> {
        let mut progress = self.subscribe(id, 0).await?;
        while progress.next().await.is_some() {}
        self.deployment(id).await
    }

    /// All of one deployment.
    ///
    /// # Errors
    /// When there is no such deployment, or its journal cannot be read.
    pub async fn deployment(&self, id: DeploymentId) -> Result<Deployment, Error> {
        view::deployment(&self.0.kit, id).await
    }

    /// The newest deployments first; of one application, and of one environment of it, if given;
    /// only those that began before the given one.
    ///
    /// # Errors
    /// When the database refuses, or there is no such deployment.
    pub async fn deployments(
        &self,
        scope: Option<(&AppName, Option<&EnvName>)>,
        before: Option<DeploymentId>,
        limit: u32,
    ) -> Result<Vec<Summary>, Error> {
        view::newest(&self.0.kit, scope, before, limit).await
    }

    /// Puts summaries in the place of the journals of deployments that ended long ago; the server
    /// does so now and then by itself. Returns how many there were.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn compact(&self) -> Result<usize, Error> {
        archive::compact(&self.0.kit).await
    }

    /// What runs of an application in an environment.
    ///
    /// # Errors
    /// When the database refuses, or holds what this Kiln cannot read.
    pub async fn status(&self, target: &Target) -> Result<Running, Error> {
        view::running(&self.0.kit, target).await
    }

    /// The instances of an application in an environment that ended, the latest first.
    ///
    /// # Errors
    /// When the database or the engine refuses.
    pub async fn ended(&self, target: &Target) -> Result<Vec<EndedView>, Error> {
        view::ended(&self.0.kit, target).await
    }

    /// What is not as deployments left it; looks and changes nothing.
    ///
    /// # Errors
    /// When the database or an engine refuses.
    pub async fn drift(&self, depth: Depth) -> Result<Vec<Drift>, Error> {
        crate::drift::all(&self.0.kit, depth).await
    }

    /// What there is to promise, what is promised and used, and what still fits: for each engine.
    ///
    /// # Errors
    /// When the database or an engine refuses.
    pub async fn capacity(&self) -> Result<Vec<Capacity>, Error> {
        crate::capacity::all(&self.0.kit).await
    }

    /// The applications and environments that have groups, in their order.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn targets(&self) -> Result<Vec<Target>, Error> {
        view::targets(&self.0.kit).await
    }
}

// === impl Inner ===

impl Inner {
    fn tasks(&self) -> std::sync::MutexGuard<'_, HashMap<DeploymentId, Live>> {
        self.tasks.lock().expect("no holder of this lock panics")
    }

    fn chores(&self) -> std::sync::MutexGuard<'_, Vec<AbortHandle>> {
        self.chores.lock().expect("no holder of this lock panics")
    }
}
