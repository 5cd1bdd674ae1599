//! What the two lists say together, and that they are programs the kernel takes.

use super::*;

#[test]
fn no_call_is_both_allowed_and_refused_whatever_its_arguments() {
    let allowed = allowed::rules();
    let mut refused = refused::rules(CapabilitySet::SYS_CHROOT).unwrap();
    refused.retain(|call, rules| rules.is_empty() && allowed.contains_key(call));
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn a_call_that_is_refused_for_some_arguments_is_allowed_for_others() {
    let allowed = allowed::rules();
    for (call, rules) in refused::rules(CapabilitySet::empty()).unwrap() {
        assert!(rules.is_empty() || allowed.contains_key(&call), "{call}");
    }
}

#[test]
fn another_root_takes_the_capability_for_it() {
    let refuses =
        |capabilities| refused::rules(capabilities).unwrap().contains_key(&libc::SYS_chroot);
    assert!(refuses(CapabilitySet::all().difference(CapabilitySet::SYS_CHROOT)));
    assert!(!refuses(CapabilitySet::SYS_CHROOT));
}

/// `clone3` points to its flags, and `io_uring` makes calls that no filter sees.
#[test]
fn calls_that_filters_cannot_look_into_are_unknown() {
    for call in [libc::SYS_clone3, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter] {
        assert!(!allowed::rules().contains_key(&call), "{call}");
        assert!(!refused::rules(CapabilitySet::empty()).unwrap().contains_key(&call), "{call}");
    }
}

#[test]
fn both_filters_fit_into_what_the_kernel_takes() {
    const MOST: usize = 4096;
    let filters = Filters::new(CapabilitySet::empty()).unwrap();
    for (what, program) in [("allowed", &filters.allowed), ("refused", &filters.refused)] {
        assert!((8..MOST / 2).contains(&program.len()), "{what} {}", program.len());
    }
}

/// Loaded into a thread, the filters go with it.
#[test]
fn a_thread_that_loads_the_filters_has_both() {
    let load = || {
        Filters::new(CapabilitySet::empty()).unwrap().load().unwrap();
        std::fs::read_to_string("/proc/thread-self/status").unwrap()
    };
    let status = std::thread::spawn(load).join().unwrap();
    let filters = format!("Seccomp_filters:\t{}", Filters::COUNT);
    assert!(status.lines().any(|line| line == filters), "{status}");
}
