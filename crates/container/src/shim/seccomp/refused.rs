//! The calls that are refused on purpose, by what they could do. Most need a capability that nobody is
//! given; here they are refused before the kernel's own checks, where its mistakes have been.

use super::Rules;
use libc::*;
use rustix::thread::CapabilitySet;
use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::SeccompCmpOp::{MaskedEq, Ne};
use seccompiler::{BackendError, SeccompCondition, SeccompRule};

type Result<T> = std::result::Result<T, BackendError>;

/// What a process with these capabilities is refused.
pub(super) fn rules(capabilities: CapabilitySet) -> Result<Rules> {
    let mut rules: Rules =
        GROUPS.iter().copied().flatten().map(|&call| (call, Vec::new())).collect();
    rules.insert(SYS_clone, NAMESPACES.into_iter().map(with_flag).collect::<Result<_>>()?);
    rules.insert(SYS_socket, vec![other_than(FAMILIES)?]);
    rules.insert(SYS_personality, vec![other_than(PERSONALITIES)?]);
    if !capabilities.contains(CapabilitySet::SYS_CHROOT) {
        // Of all that could be done without a filter, package managers do only this.
        rules.insert(SYS_chroot, Vec::new());
    }
    Ok(rules)
}

const GROUPS: [&[c_long]; 6] = [MOUNTS, KERNEL, MACHINE, SECRETS, OTHERS, PLACEMENT];

/// Mounts and namespaces: the walls of the instance.
const MOUNTS: &[c_long] = &[
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fsopen,
    SYS_fspick,
    SYS_mount,
    SYS_mount_setattr,
    SYS_move_mount,
    SYS_open_tree,
    SYS_pivot_root,
    SYS_setns,
    SYS_umount2,
    SYS_unshare,
];

/// Programs that run inside the kernel, and faults that are handled outside it: the tools of most
/// ways to take a kernel over.
const KERNEL: &[c_long] = &[
    SYS_bpf,
    SYS_delete_module,
    SYS_finit_module,
    SYS_init_module,
    SYS_kexec_file_load,
    SYS_kexec_load,
    SYS_perf_event_open,
    SYS_userfaultfd,
];

/// What belongs to the whole machine: its clock, swap, name, quotas, accounting, log and power.
const MACHINE: &[c_long] = &[
    SYS_acct,
    SYS_clock_settime,
    SYS_quotactl,
    SYS_quotactl_fd,
    SYS_reboot,
    SYS_setdomainname,
    SYS_sethostname,
    SYS_settimeofday,
    SYS_swapoff,
    SYS_swapon,
    SYS_syslog,
    SYS_vhangup,
];

/// Key rings, which no namespace divides.
const SECRETS: &[c_long] = &[SYS_add_key, SYS_keyctl, SYS_request_key];

/// Ways around names and modes: files by their numbers, events of whole file systems, descriptors of
/// other processes, and comparing what the kernel holds for them.
const OTHERS: &[c_long] = &[
    SYS_fanotify_init,
    SYS_fanotify_mark,
    SYS_kcmp,
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    SYS_pidfd_getfd,
    SYS_process_madvise,
];

/// On which memory of the machine something lies: not an instance's to say.
const PLACEMENT: &[c_long] = &[
    SYS_get_mempolicy,
    SYS_mbind,
    SYS_migrate_pages,
    SYS_move_pages,
    SYS_set_mempolicy,
    SYS_set_mempolicy_home_node,
];

/// The flags of `clone` that start a namespace. The one for time is not here: `clone` reads its bit as
/// part of a signal's number.
const NAMESPACES: [c_int; 7] = [
    CLONE_NEWNS,
    CLONE_NEWCGROUP,
    CLONE_NEWUTS,
    CLONE_NEWIPC,
    CLONE_NEWUSER,
    CLONE_NEWPID,
    CLONE_NEWNET,
];

/// The families that a service talks in. Others are little used and full of holes, or as `AF_VSOCK`
/// lead past the network namespace.
const FAMILIES: [c_int; 4] = [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK];

/// Asking for the personality, the usual one, and the one that calls itself 32-bit. The others switch
/// protections of memory off.
const PERSONALITIES: [c_int; 3] = [-1, 0, 8];

fn with_flag(flag: c_int) -> Result<SeccompRule> {
    let flag = u64::from(flag.cast_unsigned());
    SeccompRule::new(vec![SeccompCondition::new(0, Dword, MaskedEq(flag), flag)?])
}

/// Holds for a first argument that is none of these.
fn other_than<const N: usize>(values: [c_int; N]) -> Result<SeccompRule> {
    let differs =
        |value: c_int| SeccompCondition::new(0, Dword, Ne, u64::from(value.cast_unsigned()));
    SeccompRule::new(values.into_iter().map(differs).collect::<Result<_>>()?)
}
