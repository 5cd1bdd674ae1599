//! Preparing what goes to another release: deploy, redeploy, rollback.

use super::goal::{Goal, back_from, goal};
use super::image::{check_architecture, check_configuration, check_embargo, check_image, image};
use super::surroundings::{Fit, Surroundings};
use super::{Draft, approach, secrets, warm};
use crate::actions::RecordRelease;
use crate::decide::Refusal;
use crate::difference::differences;
use crate::kit::Kit;
use crate::place::{Claim, GroupRef, KnownGroup};
use crate::plan::{Cast, Plan, Shares, actions, same_requests, unserved};
use crate::ports::ImageFacts;
use crate::scaling::bounds;
use crate::{Ask, Problem, Release, Request, Target};
use kiln_engine::{GroupSpec, UserData};
use kiln_names::{CommitId, Digest, GroupId, GroupName, GroupNumber, ProcessName};
use kiln_protocol::configuration::{Configuration, DeploymentSettings, Network, Strategy};
use kiln_protocol::deployment::Difference;
use kiln_protocol::status::GroupState;
use kiln_store::route_claims;

/// The most packages whose change a journal keeps.
const MAX_PACKAGES: usize = 200;

/// What is deployed: groups to be made and groups to be used again.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) release: Release,
    pub(super) new: Vec<GroupSpec>,
    pub(super) reused: Vec<(KnownGroup, u32)>,
    pub(super) ready: bool,
    pub(super) settings: DeploymentSettings,
    pub(super) number: Option<GroupNumber>,
}

/// What was decided about the parts of a release.
struct Chosen {
    incoming: Incoming,
    strategy: Strategy,
    claims: Vec<Claim>,
    /// Groups that make room.
    room: Vec<KnownGroup>,
    /// What people look at when the deployment waits for them.
    judgement: Option<String>,
    /// How the packages of the images differ.
    packages: Vec<Difference>,
}

pub(super) async fn prepare(
    draft: &mut Draft<'_>,
    request: &Request,
    around: &Surroundings,
    judgement: Option<String>,
) -> Result<Plan, Refusal> {
    let kit = draft.kit;
    let goal = draft.step("choose release", goal(kit, request, around)).await?;
    let warm = match (&goal.returns_to, &goal.known) {
        (Some(activation), Some(release)) => {
            draft
                .step("look for warm groups", warm::incoming(kit, around, activation, release))
                .await?
        }
        _ => None,
    };
    let incoming = match warm {
        Some(incoming) => incoming,
        None => cold(draft, request, around, &goal).await?,
    };
    let claims = claims(&incoming);
    draft.step("claim routes", routes_free(kit, &request.target, &claims)).await?;
    let more: Vec<(&GroupSpec, u32)> = incoming.more().collect();
    let strategy = approach::strategy(request, around, &incoming);
    let able = around.provider.engine.capabilities();
    draft.decide("check strategy", approach::check(&strategy, able))?;
    let spare = around.spare(|id| incoming.reuses(id));
    let needed = approach::needed(&strategy, around, &incoming);
    let fit = draft.step("check capacity", around.fit(&more, needed, &spare)).await?;
    let room = match (&strategy, fit) {
        (Strategy::Highlander, _) => around.place.groups.clone(),
        (_, Fit::WithoutSpare) => spare,
        (_, Fit::AsItIs) => Vec::new(),
    };
    let packages = packages(draft, around, &incoming.release.image).await;
    let chosen = Chosen { incoming, strategy, claims, room, judgement, packages };
    let plan = assemble(draft, request, around, &goal, chosen);
    draft.decide("seal plan", Ok(plan))
}

/// How the packages of the active image differ from those of `new`. That they cannot be told is no
/// reason to stay on the old one.
async fn packages(draft: &mut Draft<'_>, around: &Surroundings, new: &Digest) -> Vec<Difference> {
    let active = around.place.in_state(GroupState::Active).next();
    let Some(old) = active.map(|group| group.spec.image).filter(|old| old != new) else {
        return Vec::new();
    };
    let mut changes = match draft.kit.ports.images.package_changes(&old, new).await {
        Ok(changes) => changes,
        Err(problem) => {
            draft.notes.push(format!("packages cannot be compared: {problem}"));
            return Vec::new();
        }
    };
    let more = changes.len().saturating_sub(MAX_PACKAGES);
    if more > 0 {
        changes.truncate(MAX_PACKAGES);
        draft.notes.push(format!("{more} more packages differ: kiln image diff shows all"));
    }
    changes
}

/// Everything from the image and the configuration: the groups are all new.
async fn cold(
    draft: &mut Draft<'_>,
    request: &Request,
    around: &Surroundings,
    goal: &Goal,
) -> Result<Incoming, Refusal> {
    let (kit, target) = (draft.kit, &request.target);
    let ports = &kit.ports;
    let commit = draft.step("pin commit", pin(kit, request, goal)).await?;
    draft.found(commit.to_string());
    let configuration =
        draft.step("read configuration", ports.configurations.read(target, commit)).await?;
    let (image, name) = draft.step("resolve image", image(kit, request, around, goal)).await?;
    draft.found(name.clone().unwrap_or_else(|| image.to_string()));
    draft.notes.extend(name.map(|name| format!("the newest bake is {name}, {}", image.short())));
    let mut facts =
        draft.step("verify image", ports.images.facts(&image, Some(&target.env))).await?;
    draft.decide("check image", check_image(target, &image, &facts))?;
    draft.decide("check embargo", check_embargo(&image, &facts))?;
    draft.decide("check architecture", check_architecture(around, &facts))?;
    facts.processes = configuration.with_ports(facts.processes);
    draft.decide("check configuration", check_configuration(target, &configuration, &facts))?;
    let pinned = draft.step("pin secrets", secrets::pin(kit, target, goal.known.as_ref())).await?;
    draft.found(secrets::listed(&pinned));
    let hooks = &configuration.params.settings.hooks;
    draft.decide("check hooks", secrets::check_hooks(target, hooks, &pinned))?;
    let release = Release::new(target.app.clone(), target.env.clone(), image, commit);
    let release = release.with_secrets(pinned);
    let number = GroupNumber(around.place.last_number + 1);
    draft.done("choose names", number.to_string());
    let new = sized(kit, around, render(kit, &release, number, &configuration, &facts));
    let new = draft.decide("render specs", check_capabilities(around, new))?;
    let settings = configuration.params.settings.clone();
    let number = Some(number);
    Ok(Incoming { release, new, reused: Vec::new(), ready: false, settings, number })
}

async fn pin(kit: &Kit, request: &Request, goal: &Goal) -> Result<CommitId, Problem> {
    let revision = match (&goal.known, &request.ask) {
        (Some(release), _) => return Ok(release.config),
        (None, Ask::Deploy(deploy)) => deploy.config.as_deref(),
        (None, _) => None,
    };
    kit.ports.configurations.pin(&request.target, revision).await
}

/// The specs of all processes, frozen.
fn render(
    kit: &Kit,
    release: &Release,
    number: GroupNumber,
    configuration: &Configuration,
    facts: &ImageFacts,
) -> Vec<GroupSpec> {
    let Release { app, env, .. } = release;
    let user_data = UserData {
        properties: configuration.properties.as_json().clone(),
        launch: configuration.launch.commands().to_vec(),
    };
    let spec =
        |(process, run): (&kiln_names::ProcessName, &kiln_protocol::recipe::ImageProcess)| {
            GroupSpec {
                id: kit.ports.ids.group(),
                name: GroupName::new(app, env, process, number),
                app: app.clone(),
                env: env.clone(),
                process: process.clone(),
                number,
                release: release.id(),
                image: release.image,
                run: run.clone(),
                params: configuration.params.resolve(app, env, process, run.port.is_some()),
                user_data: user_data.clone(),
                secrets: release.secrets.clone(),
            }
        };
    facts.processes.iter().map(spec).collect()
}

/// Where the size follows the load or the clock, as many as they have by now asked for.
fn sized(kit: &Kit, around: &Surroundings, mut specs: Vec<GroupSpec>) -> Vec<GroupSpec> {
    let follows =
        |spec: &&mut GroupSpec| spec.params.scale.is_some() || !spec.params.schedule.is_empty();
    for spec in specs.iter_mut().filter(follows) {
        let (min, max) = bounds(&spec.params, kit.now_ms());
        let mut active = around.place.in_state(GroupState::Active);
        let active = active.find(|group| group.spec.process == spec.process);
        let now = active.map_or(spec.params.desired, |active| active.size);
        spec.params.desired = now.clamp(min, max);
    }
    specs
}

fn check_capabilities(
    around: &Surroundings,
    specs: Vec<GroupSpec>,
) -> Result<Vec<GroupSpec>, Problem> {
    for GroupSpec { process, params, .. } in &specs {
        let accepted = around.provider.engine.accept(&params.engine);
        accepted.map_err(|mistake| Problem::invalid(format!("{process}: {mistake}")))?;
    }
    let able = around.provider.engine.capabilities();
    let host = specs.iter().find(|spec| spec.params.network == Network::Host);
    match host {
        Some(spec) if !able.host_network => {
            let message = format!("{}: this engine has no \"network\": \"host\"", spec.process);
            Err(Problem::invalid(message))
        }
        _ if !able.volumes && specs.iter().any(|spec| !spec.params.volumes.is_empty()) => {
            Err(Problem::invalid("this engine has no volumes that instances could keep"))
        }
        _ if !able.secrets && specs.iter().any(|spec| !spec.secrets.is_empty()) => {
            Err(Problem::invalid("this engine has no way to hand secrets to instances"))
        }
        _ => Ok(specs),
    }
}

fn claims(incoming: &Incoming) -> Vec<Claim> {
    let claims = incoming.groups().flat_map(|(spec, _)| {
        let process = &spec.process;
        spec.params
            .routes
            .iter()
            .map(|route| Claim { route: route.clone(), process: process.clone() })
    });
    claims.collect()
}

async fn routes_free(kit: &Kit, target: &Target, claims: &[Claim]) -> Result<(), Problem> {
    let mut db = kit.db.read().await?;
    for Claim { route, .. } in claims {
        let holder = route_claims::holder(&mut db, route).await?;
        let other = holder.filter(|held| held.app != target.app || held.env != target.env);
        if let Some(held) = other {
            let (app, env, process) = (held.app, held.env, held.process);
            let message = format!("{route} belongs to {process} of {app} in {env}");
            return Err(Problem::conflict(message));
        }
    }
    Ok(())
}

fn assemble(
    draft: &mut Draft<'_>,
    request: &Request,
    around: &Surroundings,
    goal: &Goal,
    Chosen { incoming, strategy, claims, room, judgement, packages }: Chosen,
) -> Plan {
    let (target, place) = (&request.target, &around.place.without(&room));
    match &strategy {
        Strategy::Highlander => {
            draft.notes.push("nobody serves until the new instances are healthy".to_owned());
        }
        Strategy::OneByOne => {
            let note = |process: &ProcessName| {
                format!("nobody serves {process} while its one instance is replaced")
            };
            draft.notes.extend(unserved(&around.place, &incoming.new).into_iter().map(note));
        }
        _ => {}
    }
    if let Some(first) = room.first().filter(|_| strategy != Strategy::Highlander) {
        draft.notes.push(format!("{} makes room: there is no going back to it", first.group()));
    }
    let id = incoming.release.id();
    let new: Vec<(&GroupSpec, u32)> = incoming.groups().collect();
    let specs: Vec<&GroupSpec> = new.iter().map(|(spec, _)| *spec).collect();
    let active = || around.place.in_state(GroupState::Active);
    let old: Vec<_> = active().map(|g| (&g.spec, g.size)).collect();
    let differences = [differences(&old, &new), packages].concat();
    draft.done("compute differences", format!("{} differ", differences.len()));
    if !same_requests(&Shares::plan(target, &around.place, &specs).before, &around.traffic.state) {
        let version = around.traffic.version.0;
        let note = format!("somebody else changed the traffic: version {version} is not Kiln's");
        draft.notes.push(note);
    }
    let back = match goal.known {
        Some(_) => goal.back,
        None => back_from(place.current.as_ref(), Some(id)),
    };
    let record = RecordRelease {
        release: Some(id),
        back,
        settings: incoming.settings.clone(),
        groups: specs.iter().map(|spec| GroupRef::from(*spec)).collect(),
    };
    let named = incoming.number.map_or_else(String::new, |number| format!(" as {number}"));
    let leaving = room.iter().filter(|group| group.state == GroupState::Active);
    let settings = approach::settings(request, &incoming);
    let cast = Cast {
        target,
        place,
        in_force: &around.traffic.state,
        new: incoming.new,
        reused: incoming.reused,
        restore: leaving.map(approach::restore).collect(),
        room,
        strategy,
        ready: incoming.ready,
        claims,
        settings: &settings,
        pauses: approach::pauses(request, &incoming.settings),
        judgement,
        keep_warm: approach::keep_warm(request, place.current.as_ref(), &incoming.settings),
        record,
        title: format!("{} {}{named} to {target}", request.ask.verb(), id.short()),
    };
    Plan {
        target: target.clone(),
        from: place.release(),
        release: Some(incoming.release),
        number: incoming.number,
        differences,
        notes: draft.notes.clone(),
        hold: request.ask.holds(),
        actions: actions(&cast),
    }
}

// === impl Incoming ===

impl Incoming {
    /// All groups of the release, with the sizes that they need.
    fn groups(&self) -> impl Iterator<Item = (&GroupSpec, u32)> {
        let new = self.new.iter().map(|spec| (spec, spec.params.desired));
        new.chain(self.reused.iter().map(|(group, size)| (&group.spec, *size)))
    }

    fn reuses(&self, group: GroupId) -> bool {
        self.reused.iter().any(|(reused, _)| reused.spec.id == group)
    }

    /// What is needed beyond what runs.
    pub(super) fn more(&self) -> impl Iterator<Item = (&GroupSpec, u32)> {
        let new = self.new.iter().map(|spec| (spec, spec.params.desired));
        let grown = self.reused.iter().map(|(g, size)| (&g.spec, size.saturating_sub(g.size)));
        new.chain(grown).filter(|(_, count)| *count > 0)
    }
}
