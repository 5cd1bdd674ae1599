//! The group of a visit: what one command runs, beneath the instance's group in one hierarchy, so
//! that it can be found and killed as a whole. In all others it is in the instance's group itself; the
//! instance's limits count it either way.

use super::hierarchy::{Hierarchy, Version};
use super::{Cgroups, DYING, leaf};
use crate::clock::poll_until;
use crate::ident::{Boot, ProcessIdent};
use kiln_names::InstanceId;
use rustix::process::Pid;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A group that is killed and removed when its visit ends.
#[derive(Debug)]
pub(crate) struct VisitGroup {
    own: Hierarchy,
    group: PathBuf,
    instance: PathBuf,
    others: Vec<Hierarchy>,
}

impl Cgroups {
    /// Makes a group for the visit that `owner` makes, and removes those of owners that are gone.
    pub(crate) fn visit(
        &self,
        instance: &InstanceId,
        owner: &ProcessIdent,
    ) -> io::Result<VisitGroup> {
        let instance = self.path(&leaf(instance));
        // The instance's shim decided which ones it is in.
        let mut joined: Vec<Hierarchy> =
            self.joined().filter(|it| it.at(&instance).exists()).cloned().collect();
        joined.sort_by_key(fitness);
        if joined.is_empty() {
            return Err(io::Error::other("the instance has no control group"));
        }
        let own = joined.remove(0);
        let group = instance.join(name(owner));
        sweep(&own, &instance, &owner.boot_id)?;
        std::fs::create_dir(own.at(&group))?;
        Ok(VisitGroup { own, group, instance, others: joined })
    }
}

/// Which hierarchy serves best: the one that kills a group in one step, then one that can freeze it.
fn fitness(hierarchy: &Hierarchy) -> u8 {
    match hierarchy.version {
        Version::V2 => 0,
        Version::V1 if hierarchy.has("freezer") => 1,
        Version::V1 => 2,
    }
}

impl VisitGroup {
    /// Where the first process is to be born, if the hierarchy lets processes be born into groups.
    pub(crate) fn birthplace(&self) -> io::Result<Option<File>> {
        match self.own.version {
            Version::V2 => File::open(self.own.at(&self.group)).map(Some),
            Version::V1 => Ok(None),
        }
    }

    /// Puts the calling process, born where [`VisitGroup::birthplace`] says, into the rest.
    pub(crate) fn join(&self) -> io::Result<()> {
        if self.own.version == Version::V1 {
            self.own.join(&self.group)?;
        }
        self.others.iter().try_for_each(|hierarchy| hierarchy.join(&self.instance))
    }

    /// Kills what is in it now, all but `spared`.
    pub(crate) fn kill(&self, spared: Option<Pid>) {
        self.own.kill(&self.group, spared);
    }

    /// Kills what is left in it, and removes it.
    pub(crate) fn remove(&self) -> io::Result<()> {
        remove(&self.own, &self.group)
    }
}

fn remove(hierarchy: &Hierarchy, group: &Path) -> io::Result<()> {
    let mut removed = Ok(());
    poll_until(DYING, || {
        hierarchy.kill(group, None);
        removed = hierarchy.remove(group);
        removed.is_ok()
    });
    removed
}

/// A visit whose process was killed could not clean up after itself.
fn sweep(hierarchy: &Hierarchy, instance: &Path, boot: &Boot) -> io::Result<()> {
    let lost = |group: &PathBuf| owner(group, boot).is_some_and(|owner| !owner.is_alive(boot));
    hierarchy
        .beneath(instance)
        .iter()
        .filter(|it| lost(it))
        .try_for_each(|it| remove(hierarchy, it))
}

fn name(owner: &ProcessIdent) -> String {
    format!("visit-{}-{}", owner.pid, owner.start_time)
}

fn owner(group: &Path, boot: &Boot) -> Option<ProcessIdent> {
    let (pid, start) = group.file_name()?.to_str()?.strip_prefix("visit-")?.split_once('-')?;
    let (pid, start_time) = (pid.parse().ok()?, start.parse().ok()?);
    Some(ProcessIdent { boot_id: boot.clone(), pid, start_time })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_named_by_who_makes_the_visit() {
        let boot = Boot::current().unwrap();
        let made = ProcessIdent { boot_id: boot.clone(), pid: 12, start_time: 345 };
        assert_eq!(owner(&Path::new("/kiln/x/i-y").join(name(&made)), &boot), Some(made));
        for other in ["i-y", "visit-", "visit-x-3", "visit-3", "other-1-2"] {
            assert_eq!(owner(&Path::new("/kiln").join(other), &boot), None, "{other}");
        }
    }
}
