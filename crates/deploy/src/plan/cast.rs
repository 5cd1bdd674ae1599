//! Who takes part in a deployment, and what was decided about it.

use super::Shares;
use crate::Target;
use crate::actions::{
    Analyze, Becomes, Due, EnsureImage, Expected, Pause, RecordRelease, Resize, Restore, Retiree,
    RunHook,
};
use crate::place::{Claim, KnownGroup, Place, routed};
use kiln_engine::{GroupSpec, TrafficState};
use kiln_names::Span;
use kiln_protocol::configuration::{DeploymentSettings, HookPoint, HookWork, Pauses, Strategy};
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

    /// What compares the groups that come with those that they replace, where that is asked for.
    pub(super) fn analysis(&self) -> Option<Analyze> {
        let by = self.settings.analysis?;
        let old =
            |new: &GroupSpec| self.leaving().into_iter().find(|g| g.spec.process == new.process);
        let coming = self.incoming_specs().into_iter().filter(|spec| routed(spec));
        let pairs = coming.filter_map(|new| Some((new.into(), old(new)?.group())));
        Some(Analyze { pairs: pairs.collect(), by })
    }

    pub(super) fn pause(&self, before: &str) -> Pause {
        Pause { before: before.to_owned(), judgement: self.judgement.clone() }
    }

    pub(super) fn names(&self) -> String {
        let routed = self.incoming_specs().into_iter().filter(|spec| routed(spec));
        routed.map(|spec| spec.name.to_string()).collect::<Vec<_>>().join(", ")
    }
}
