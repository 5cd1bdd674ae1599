//! The walls of an instance, raised around the calling process as `libcontainer` raises them around a
//! container's first.

use crate::shim::rlimits;
use crate::shim::seccomp::Filters;
use crate::shim::verify::capabilities;
use crate::spec::{InstanceSpec, User};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Gid, Signal, Uid, set_dumpable_behavior};
use rustix::process::{set_parent_process_death_signal, umask};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
    set_keep_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};
use std::io;

/// Raises them all, in the one order that works: what takes rights comes before they are given up,
/// the filters come last.
pub(super) fn raise(spec: &InstanceSpec, filters: &Filters) -> io::Result<()> {
    umask(Mode::WGRP | Mode::WOTH);
    rlimits::apply(&spec.rlimits)?;
    let granted = capabilities(spec);
    bound(granted)?;
    become_user(spec.user)?;
    let (effective, permitted, inheritable) = (granted, granted, granted);
    set_capabilities(None, CapabilitySets { effective, permitted, inheritable })?;
    clear_ambient_capability_set()?;
    granted.iter().try_for_each(|one| configure_capability_in_ambient_set(one, true))?;
    // The service may have the same user: it gets to see nothing of this process through `/proc`.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // After the change of user, which clears it.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    set_no_new_privs(true)?;
    filters.load().map_err(io::Error::other)
}

/// Nothing that it becomes may ever have more.
fn bound(granted: CapabilitySet) -> io::Result<()> {
    for bit in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << bit);
        if granted.contains(one) {
            continue;
        }
        match remove_capability_from_bounding_set(one) {
            // The kernel has no more than it knows.
            Err(Errno::INVAL) => return Ok(()),
            other => other?,
        }
    }
    Ok(())
}

fn become_user(User { uid, gid }: User) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    // Otherwise a user that is not root could be granted nothing.
    set_keep_capabilities(true)?;
    set_thread_res_uid(uid, uid, uid)?;
    Ok(set_keep_capabilities(false)?)
}
