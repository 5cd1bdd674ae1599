//! The task that owns a deployment: it does what the journal says comes next, and writes down what
//! became of it. All choices are in [`decide`](crate::decide); here is only the doing.

use crate::actions::{Scene, Touch, Verdict, verdict};
use crate::decide::{Command, Input, Refusal, advance, decide, suspects};
use crate::error::NotNow;
use crate::failure::failure;
use crate::journal::Event;
use crate::kit::Kit;
use crate::ledger::LedgerError;
use crate::plan::{Plan, PlannedAction};
use crate::ports::{Problem, ProblemKind, Provider, millis};
use crate::prepare::{Draft, prepare};
use crate::progress::{Progress, ProgressEvent};
use crate::recorder::{RecordError, Recorder};
use crate::{Error, Failure};
use kiln_engine::Call;
use kiln_protocol::deployment::DeploymentState;
use kiln_store::StoreError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long the task waits before it writes again what the disk refused.
const DISK_PAUSE: Duration = Duration::from_secs(1);
/// How often it tries, unless the disk is only full or read-only, which ends; then the deployment
/// waits for the next start of the server.
const DISK_TRIES: u32 = 60;
/// How long the task waits before it asks again for an engine that is not there.
const ENGINE_PAUSE: Duration = Duration::from_secs(1);
/// How long a preparation may take: it only reads, and whoever asked for it waits.
const PREPARATION: Duration = Duration::from_secs(120);
/// How long the evidence of a failure may take to collect.
const EVIDENCE: Duration = Duration::from_secs(3);

/// What a person asks, and where the answer goes.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) command: Command,
    pub(crate) answer: oneshot::Sender<Result<(), Error>>,
}

/// The task of one deployment.
#[derive(Debug)]
pub(crate) struct Task {
    recorder: Recorder,
    asked: mpsc::Receiver<Asked>,
}

/// How an action went that was carried out for as long as it took.
enum Carried {
    /// It ended.
    Ended(Input),
    /// It would have to wait, and its intent is not on disk yet.
    MustWait,
}

// === impl Task ===

impl Task {
    pub(crate) const fn new(recorder: Recorder, asked: mpsc::Receiver<Asked>) -> Self {
        Self { recorder, asked }
    }

    /// Takes the deployment as far as it goes without a person.
    pub(crate) async fn run(mut self) {
        let mut input = Input::TakenUp;
        loop {
            if let Err(error) = self.take(input).await {
                return self.give_up(&error);
            }
            input = match self.next().await {
                Ok(Some(input)) => input,
                Ok(None) => return,
                Err(error) => return self.give_up(&error),
            };
        }
    }

    /// Records what an input means and what follows from it.
    async fn take(&mut self, input: Input) -> Result<(), RecordError> {
        let events = decide(self.recorder.status(), input).unwrap_or_default();
        self.append(events)?;
        self.write_if_due().await
    }

    fn append(&mut self, events: Vec<Event>) -> Result<(), RecordError> {
        for event in events {
            self.recorder.append(event)?;
        }
        while let Some(event) = advance(self.recorder.status()) {
            self.recorder.append(event)?;
        }
        Ok(())
    }

    /// What only looks may be lost; what changes the world, and what ends, may not.
    async fn write_if_due(&mut self) -> Result<(), RecordError> {
        let status = self.recorder.status();
        let looks = status.action().is_some_and(|p| p.action.act().touch() == Touch::Looks);
        if status.state == DeploymentState::Running && looks {
            return Ok(());
        }
        self.write().await
    }

    async fn write(&mut self) -> Result<(), RecordError> {
        let mut tries = 0;
        loop {
            let error = match self.recorder.write().await {
                Err(RecordError::Ledger(error)) => error,
                other => return other,
            };
            tries += 1;
            match error {
                LedgerError::RouteTaken(_) => return self.refuse_seal(error).await,
                LedgerError::Store(e) if !can_wait(&e, tries) => {
                    return Err(LedgerError::Store(e).into());
                }
                LedgerError::Store(error) if tries == 1 => self.tell_unwritten(&error),
                LedgerError::Store(_) => {}
            }
            self.recorder.kit.clock().sleep(DISK_PAUSE).await;
        }
    }

    /// Says once that nothing goes on before the journal can be written.
    fn tell_unwritten(&self, error: &StoreError) {
        let (deployment, seq) = (self.recorder.subject.id, self.recorder.status().seq);
        tracing::error!(%deployment, %error, "cannot write the journal");
        let planned = self.recorder.status().action();
        let action = planned.map_or("seal plan", |planned| planned.action.name()).to_owned();
        let what = Progress::ActionWaiting { action, note: format!("failed to {error}") };
        let at_ms = self.recorder.kit.now_ms();
        self.recorder.kit.hub.tell(ProgressEvent { deployment, seq, at_ms, whole: false, what });
    }

    /// A route was taken by another between the preparation and the seal.
    async fn refuse_seal(&mut self, error: LedgerError) -> Result<(), RecordError> {
        self.recorder.discard();
        if self.recorder.status().state != DeploymentState::Preparing {
            return Err(error.into());
        }
        let reason = error.to_string();
        let refusal = Refusal { step: "seal plan", kind: ProblemKind::Conflict, reason };
        let events = decide(self.recorder.status(), Input::Prepared(Err(refusal)));
        self.append(events.unwrap_or_default())?;
        self.recorder.write().await
    }

    /// Waits for what happens next; none when nothing will.
    async fn next(&mut self) -> Result<Option<Input>, RecordError> {
        match self.recorder.status().state {
            DeploymentState::Preparing => self.prepare().await.map(Some),
            DeploymentState::Running => self.carry_out().await.map(Some),
            _ => Ok(self.last_words().await?.then_some(Input::TakenUp)),
        }
    }

    async fn prepare(&mut self) -> Result<Input, RecordError> {
        let kit = self.recorder.kit.clone();
        let request = self.recorder.status().request.clone().expect("the fold began with it");
        let mut draft = Draft::new(&kit);
        loop {
            tokio::select! {
                biased;
                Some(asked) = self.asked.recv() => {
                    self.answer(asked).await?;
                    if self.recorder.status().rests() {
                        return Ok(Input::TakenUp);
                    }
                }
                plan = prepare(&mut draft, &request) => {
                    for (step, note) in draft.take_steps() {
                        let step = step.to_owned();
                        self.recorder.append(Event::PrepareStepDone { step, note })?;
                    }
                    return Ok(Input::Prepared(plan.map(Box::<Plan>::new)));
                }
                () = kit.clock().sleep(PREPARATION) => {
                    return Ok(Input::Prepared(Err(unanswered(draft.take_steps().pop()))));
                }
            }
            draft = Draft::new(&kit);
        }
    }

    /// Carries out the action in flight until it ends, or a person stops it.
    async fn carry_out(&mut self) -> Result<Input, RecordError> {
        let planned = self.recorder.status().action().cloned().expect("a running one has it");
        let began_ms = self.recorder.kit.now_ms();
        loop {
            let carried = tokio::select! {
                biased;
                Some(asked) = self.asked.recv() => {
                    self.answer(asked).await?;
                    return Ok(Input::TakenUp);
                }
                carried = carry(&self.recorder, &planned, began_ms) => carried,
            };
            match carried {
                Carried::Ended(input) => return Ok(input),
                Carried::MustWait => self.write().await?,
            }
        }
    }

    /// Answers what was asked while the deployment came to rest; whether it goes on by that.
    async fn last_words(&mut self) -> Result<bool, RecordError> {
        self.write().await?;
        while let Ok(asked) = self.asked.try_recv() {
            self.answer(asked).await?;
            if !self.recorder.status().is_idle() {
                return Ok(true);
            }
        }
        self.asked.close();
        // What came in between finds a new task.
        while let Ok(asked) = self.asked.try_recv() {
            self.answer(asked).await?;
        }
        Ok(!self.recorder.status().is_idle())
    }

    /// Takes what a person asks, and says whether it was taken once that is on disk.
    async fn answer(&mut self, asked: Asked) -> Result<(), RecordError> {
        let answer = match decide(self.recorder.status(), Input::Asked(asked.command)) {
            Ok(events) => {
                self.append(events)?;
                self.write().await?;
                Ok(())
            }
            Err(refused) => Err(Error::from(NotNow { ..refused })),
        };
        // Whoever asked may have gone.
        drop(asked.answer.send(answer));
        Ok(())
    }

    fn give_up(&self, error: &RecordError) {
        if !matches!(error, RecordError::Blown) {
            let deployment = self.recorder.subject.id;
            tracing::error!(%deployment, %error, "the deployment waits for the next start");
        }
    }
}

/// What becomes of a preparation that never ends; it waited for what comes after the last step.
fn unanswered(last: Option<(&'static str, Option<String>)>) -> Refusal {
    let after = last.map_or_else(String::new, |(step, _)| format!(" after \"{step}\""));
    let reason = format!("no answer within {PREPARATION:?}{after}");
    Refusal { step: "prepare", kind: ProblemKind::Unavailable, reason }
}

/// Whether to try again to write what the database refused so many times.
fn can_wait(error: &StoreError, tries: u32) -> bool {
    match error {
        StoreError::Full(_) | StoreError::ReadOnly(_) => true,
        StoreError::Damaged(_) => false,
        other => !other.is_unique_violation() && tries < DISK_TRIES,
    }
}

/// Tries the action again and again until it ends or its deadline passes.
async fn carry(recorder: &Recorder, planned: &PlannedAction, began_ms: u64) -> Carried {
    let act = planned.action.act();
    let deadline_ms = began_ms.saturating_add(millis(act.deadline()));
    let provider = match provider(recorder, deadline_ms).await {
        Ok(provider) => provider,
        Err(problem) => return failed(Failure::of(problem.message)),
    };
    let mut changes = provider.engine.changes();
    let (mut errors, mut said) = (0, String::new());
    loop {
        changes.mark_unchanged();
        let scene = scene(recorder, &provider);
        let left = Duration::from_millis(deadline_ms.saturating_sub(scene.now_ms));
        let result = tokio::select! {
            biased;
            result = act.run(&scene) => result,
            () = recorder.kit.clock().sleep(left) => {
                let reason = format!("no answer of the engine within {:?}", act.deadline());
                return ended_badly(recorder, &scene, reason, false).await;
            }
        };
        errors = if result.is_err() { errors + 1 } else { 0 };
        let (after, waiting_for) = match verdict(result, errors) {
            Verdict::Done { note } => {
                let took_ms = recorder.kit.now_ms().saturating_sub(began_ms);
                return Carried::Ended(Input::Done { note, took_ms });
            }
            Verdict::Failed { reason, lines, stale } if lines.is_empty() => {
                return ended_badly(recorder, &scene, reason, stale).await;
            }
            // Whatever failed has spoken for itself.
            Verdict::Failed { reason, lines, .. } => {
                return failed(Failure { log: lines, ..Failure::of(reason) });
            }
            Verdict::RetryAfter { after, waiting_for } => (after, waiting_for),
        };
        if !recorder.is_written() {
            return Carried::MustWait;
        }
        if left.is_zero() {
            let reason = format!("{:?} passed, waiting for {waiting_for}", act.deadline());
            return ended_badly(recorder, &scene, reason, false).await;
        }
        if said != waiting_for {
            tell_waiting(recorder, planned, &waiting_for);
            said = waiting_for;
        }
        pause(&recorder.kit, &mut changes, after.min(left), errors).await;
    }
}

/// The engine of the environment; one that cannot be told now is asked for until the deadline.
async fn provider(recorder: &Recorder, deadline_ms: u64) -> Result<Provider, Problem> {
    loop {
        match recorder.kit.ports.engines.of(&recorder.subject.target.env).await {
            Err(problem)
                if problem.kind == ProblemKind::Unavailable
                    && recorder.kit.now_ms() < deadline_ms =>
            {
                recorder.kit.clock().sleep(ENGINE_PAUSE).await;
            }
            told => return told,
        }
    }
}

/// Waits until the engine announces a change, at most as long as told. After an error only time
/// helps.
async fn pause(
    kit: &Kit,
    changes: &mut tokio::sync::watch::Receiver<u64>,
    time: Duration,
    errors: u32,
) {
    tokio::select! {
        biased;
        Ok(()) = changes.changed(), if errors == 0 => {}
        () = kit.clock().sleep(time) => {}
    }
}

fn scene<'a>(recorder: &'a Recorder, provider: &'a Provider) -> Scene<'a> {
    let now_ms = recorder.kit.now_ms();
    Scene {
        target: &recorder.subject.target,
        provider,
        call: Call { epoch: recorder.subject.number },
        deployment: recorder.subject.id,
        hooks: &*recorder.kit.ports.hooks,
        metrics: &*recorder.kit.ports.metrics,
        now_ms,
        since_ms: recorder.status().in_flight_ms.unwrap_or(now_ms),
    }
}

fn tell_waiting(recorder: &Recorder, planned: &PlannedAction, note: &str) {
    let what =
        Progress::ActionWaiting { action: planned.action.name().to_owned(), note: note.to_owned() };
    let (deployment, seq) = (recorder.subject.id, recorder.status().seq);
    let at_ms = recorder.kit.now_ms();
    recorder.kit.hub.tell(ProgressEvent { deployment, seq, at_ms, whole: false, what });
}

async fn ended_badly(
    recorder: &Recorder,
    scene: &Scene<'_>,
    reason: String,
    stale: bool,
) -> Carried {
    let groups = suspects(recorder.status());
    let failure = tokio::select! {
        biased;
        failure = failure(scene, &groups, reason.clone()) => failure,
        () = recorder.kit.clock().sleep(EVIDENCE) => Failure::of(reason),
    };
    Carried::Ended(Input::Failed { failure: Box::new(failure), stale })
}

fn failed(failure: Failure) -> Carried {
    Carried::Ended(Input::Failed { failure: Box::new(failure), stale: false })
}

/// A channel for what people ask of one deployment.
pub(crate) fn channel() -> (mpsc::Sender<Asked>, mpsc::Receiver<Asked>) {
    mpsc::channel(16)
}

/// Starts the task of a deployment.
pub(crate) fn spawn(
    recorder: Recorder,
    asked: mpsc::Receiver<Asked>,
) -> Arc<tokio::task::AbortHandle> {
    Arc::new(tokio::spawn(Task::new(recorder, asked).run()).abort_handle())
}
