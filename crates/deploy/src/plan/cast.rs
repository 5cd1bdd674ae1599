//! Who takes part in a deployment, and what was decided about it.

use super::Shares;
use crate::Target;
use crate::actions::{
    Analyze, Becomes, Due, EnsureImage, Expected, Pause, RecordRelease, Resize, Restore, Retiree,
    RunHook,
};
use crate::analysis::{Question, Questions};
use crate::place::{Claim, KnownGroup, Place, routed};
use kiln_engine::{GroupSpec, TrafficState};
use kiln_names::Span;
use kiln_protocol::configuration::{
    DeploymentSettings, HookPoint, HookWork, Pauses, Placeholder, Prometheus, Query, Strategy,
};
use kiln_protocol::status::GroupState;

/// Who takes part in a deployment, and what was decided about it.
#[derive(Debug)]
pub(crate) struct Cast<'a> {
    pub(crate) target: &'a Target,
    pub(crate) place: &'a Place,
    /// What the traffic carries now.
    pub(crate) in_force: &'a TrafficState,
    /// Groups to be made.
    pub(crate) new: Vec<GroupSpec>,
    /// Warm groups to be used again, with the size that they need.
    pub(crate) reused: Vec<(KnownGroup, u32)>,
    /// Groups that make room for new ones.
    pub(crate) room: Vec<KnownGroup>,
    /// Those of them that an undo brings back.
    pub(crate) restore: Vec<Restore>,
    /// Whether the reused groups can take all traffic as they are.
    pub(crate) ready: bool,
    pub(crate) claims: Vec<Claim>,
    pub(crate) settings: &'a DeploymentSettings,
    /// How the new groups take over.
    pub(crate) strategy: Strategy,
    /// Where it waits for a person, and what that person looks at.
    pub(crate) pauses: Pauses,
    pub(crate) judgement: Option<String>,
    /// How long the groups that are left stay warm.
    pub(crate) keep_warm: Span,
    pub(crate) record: RecordRelease,
    /// "deploy r-0123 as v003 to hello in prod"
    pub(crate) title: String,
}

/// Which groups are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Routed {
    Any,
    Only,
    Not,
}

// === impl Cast ===

impl Cast<'_> {
    pub(super) fn shares(&self) -> Shares {
        Shares::plan(self.target, self.place, &self.incoming_specs())
    }

    fn incoming_specs(&self) -> Vec<&GroupSpec> {
        self.new.iter().chain(self.reused.iter().map(|(group, _)| &group.spec)).collect()
    }

    /// What brings the image of the new groups.
    pub(super) fn image(&self) -> EnsureImage {
        EnsureImage { image: self.new.first().map(|spec| spec.image) }
    }

    /// The active groups, which the new ones replace.
    pub(super) fn outgoing(&self) -> impl Iterator<Item = &KnownGroup> {
        self.place.in_state(GroupState::Active)
    }

    pub(super) fn expected(&self, which: Routed) -> Vec<Expected> {
        let new = self.new.iter().map(|spec| (spec, spec.params.desired));
        let reused = self.reused.iter().map(|(group, size)| (&group.spec, *size));
        new.chain(reused)
            .filter(|(spec, _)| match which {
                Routed::Any => true,
                Routed::Only => routed(spec),
                Routed::Not => !routed(spec),
            })
            .map(|(spec, size)| Expected::of(spec, size))
            .collect()
    }

    pub(super) fn resizes(&self) -> Vec<Resize> {
        let new = self.new.iter().map(|spec| Resize {
            group: spec.into(),
            from: None,
            to: spec.params.desired,
            top: None,
        });
        let grown = self.reused.iter().filter(|(group, size)| group.size != *size);
        let grown = grown.map(|(group, size)| Resize {
            group: group.group(),
            from: Some(group.size),
            to: *size,
            top: None,
        });
        new.chain(grown).collect()
    }

    /// The groups that are taken back from retirement, with when they would have been due.
    pub(super) fn reclaimed(&self) -> Vec<Retiree> {
        let due = |group: &KnownGroup| group.retirement.as_ref().map_or(0, |row| row.due_ms);
        let retiree =
            |group: &KnownGroup| Retiree { group: group.group(), due: Due::At(due(group)) };
        self.reused.iter().map(|(group, _)| retiree(group)).collect()
    }

    /// The groups that lose the traffic.
    pub(super) fn leaving(&self) -> Vec<&KnownGroup> {
        self.outgoing().filter(|group| group.routed()).collect()
    }

    /// What becomes of groups once all traffic has moved.
    pub(super) fn becomes(&self) -> Vec<Becomes> {
        let comes = self.incoming_specs().into_iter().filter(|spec| routed(spec)).map(|spec| {
            Becomes { group: spec.into(), now: GroupState::Active, before: GroupState::Ready }
        });
        let goes = self.leaving().into_iter().map(|group| Becomes {
            group: group.group(),
            now: GroupState::Warm,
            before: GroupState::Active,
        });
        comes.chain(goes).collect()
    }

    /// What runs a hook at that point, if the new groups have one. A release that comes back has had its
    /// own, whatever is made anew of it.
    pub(super) fn hook(&self, point: HookPoint) -> Option<RunHook> {
        if !self.reused.is_empty() {
            return None;
        }
        let hook = self.settings.hooks.get(&point)?.clone();
        let web = self.new.iter().find(|spec| spec.process.as_str() == "web");
        let like = web.or_else(|| self.new.first())?;
        let told = matches!(hook.work, HookWork::Http(_));
        let previous = self.place.release().filter(|_| told);
        Some(RunHook { point, hook, like: Box::new(like.clone()), previous })
    }

    /// What compares the groups that come with those that they replace, and asks of them, where that
    /// is asked for. Where the old ones go first, there is nothing beside the new ones.
    pub(super) fn analysis(&self) -> Option<Analyze> {
        let mut by = self.settings.analysis.clone()?;
        let questions = by.prometheus.take().and_then(|asked| self.questions(&asked));
        let beside = !matches!(self.strategy, Strategy::Highlander | Strategy::OneByOne);
        let old =
            |new: &GroupSpec| self.leaving().into_iter().find(|g| g.spec.process == new.process);
        let coming = self.incoming_specs().into_iter().filter(|spec| beside && routed(spec));
        let pairs = coming.filter_map(|new| Some((new.into(), old(new)?.group())));
        Some(Analyze { pairs: pairs.collect(), by, questions })
    }

    /// What is asked of the new groups. A question about an old one that there is not is left out.
    fn questions(&self, Prometheus { url, queries }: &Prometheus) -> Option<Questions> {
        let specs = self.incoming_specs();
        let ask = |query: &Query| -> Vec<Question> {
            let of_each = query.is_of_a_process();
            let about = if of_each { &specs[..] } else { &specs[..specs.len().min(1)] };
            about.iter().filter_map(|spec| self.question(query, spec, of_each)).collect()
        };
        let all: Vec<Question> = queries.iter().flat_map(ask).collect();
        (!all.is_empty()).then(|| Questions { url: url.clone(), all })
    }

    fn question(&self, query: &Query, new: &GroupSpec, of_each: bool) -> Option<Question> {
        let old = || self.outgoing().find(|group| group.spec.process == new.process);
        // All of these are lower-case letters, digits and hyphens: none ends a string of a query.
        let filled = query.filled(|placeholder| match placeholder {
            Placeholder::Application => Some(new.app.as_str().into()),
            Placeholder::Environment => Some(new.env.as_str().into()),
            Placeholder::Release => Some(new.release.to_string().into()),
            Placeholder::OldRelease => Some(self.place.release()?.to_string().into()),
            Placeholder::Process => Some(new.process.as_str().into()),
            Placeholder::Group => Some(new.name.as_str().into()),
            Placeholder::OldGroup => Some(old()?.spec.name.to_string().into()),
        })?;
        let name = match of_each {
            true => format!("{} of {}", query.name, new.process),
            false => query.name.clone(),
        };
        Some(Question { name, query: filled, min: query.min.clone(), max: query.max.clone() })
    }

    pub(super) fn pause(&self, before: &str) -> Pause {
        Pause { before: before.to_owned(), judgement: self.judgement.clone() }
    }

    pub(super) fn names(&self) -> String {
        let routed = self.incoming_specs().into_iter().filter(|spec| routed(spec));
        routed.map(|spec| spec.name.to_string()).collect::<Vec<_>>().join(", ")
    }
}
