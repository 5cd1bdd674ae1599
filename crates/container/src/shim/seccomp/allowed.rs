//! The calls that services and package managers make, by what they are for.

use super::Rules;
use libc::*;

/// Every call of every group, whatever its arguments.
pub(super) fn rules() -> Rules {
    GROUPS.iter().copied().flatten().map(|&call| (call, Vec::new())).collect()
}

const GROUPS: [&[c_long]; 17] = [
    OPENING, READING, NAMING, OWNING, ATTRIBUTES, WATCHING, WAITING, SOCKETS, MEMORY, PROCESSES,
    IDENTITY, SCHEDULING, SIGNALS, CLOCKS, MESSAGES, CONFINING, ARCHITECTURE,
];

/// Descriptors: getting, copying and closing them. What may be opened is decided by modes and mounts.
const OPENING: &[c_long] = &[
    SYS_close, SYS_close_range, SYS_dup, SYS_dup3, SYS_fcntl, SYS_flock, SYS_ioctl, SYS_memfd_create,
    SYS_memfd_secret, SYS_openat, SYS_openat2, SYS_pipe2,
];

/// What is in a file: reading, writing and moving it, and making it last.
const READING: &[c_long] = &[
    SYS_copy_file_range, SYS_fadvise64, SYS_fallocate, SYS_fdatasync, SYS_fsync, SYS_ftruncate,
    SYS_io_cancel, SYS_io_destroy, SYS_io_getevents, SYS_io_setup, SYS_io_submit, IO_PGETEVENTS,
    SYS_lseek, SYS_pread64, SYS_preadv, SYS_preadv2, SYS_pwrite64, SYS_pwritev, SYS_pwritev2,
    SYS_read, SYS_readahead, SYS_readv, SYS_sendfile, SYS_splice, SYS_sync, SYS_sync_file_range,
    SYS_syncfs, SYS_tee, SYS_truncate, SYS_vmsplice, SYS_write, SYS_writev, CACHESTAT,
];

/// Names: directories, links, where one is. `mknodat` makes named pipes; devices need a capability
/// that nobody is given.
const NAMING: &[c_long] = &[
    SYS_chdir, SYS_fchdir, SYS_getcwd, SYS_getdents64, SYS_linkat, SYS_mkdirat, SYS_mknodat,
    SYS_readlinkat, SYS_renameat, SYS_renameat2, SYS_symlinkat, SYS_unlinkat,
];

/// Whose a file is, what may be done with it, and how old it is.
const OWNING: &[c_long] = &[
    SYS_faccessat, SYS_faccessat2, SYS_fchmod, SYS_fchmodat, SYS_fchown, SYS_fchownat, SYS_fstat,
    SYS_fstatfs, SYS_newfstatat, SYS_statfs, SYS_statx, SYS_umask, SYS_utimensat, FCHMODAT2,
    LISTMOUNT, STATMOUNT,
];

/// Extended attributes: package managers restore file capabilities and access lists with them.
const ATTRIBUTES: &[c_long] = &[
    SYS_fgetxattr, SYS_flistxattr, SYS_fremovexattr, SYS_fsetxattr, SYS_getxattr, SYS_lgetxattr,
    SYS_listxattr, SYS_llistxattr, SYS_lremovexattr, SYS_lsetxattr, SYS_removexattr, SYS_setxattr,
    SETXATTRAT, GETXATTRAT, LISTXATTRAT, REMOVEXATTRAT,
];

/// Being told when a file changes.
const WATCHING: &[c_long] = &[SYS_inotify_add_watch, SYS_inotify_init1, SYS_inotify_rm_watch];

/// Waiting for descriptors, the heart of every server.
const WAITING: &[c_long] = &[
    SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_epoll_pwait2, SYS_eventfd2, SYS_ppoll,
    SYS_pselect6,
];

/// Connections. Which families a socket may have is a rule of `refused`.
const SOCKETS: &[c_long] = &[
    SYS_accept, SYS_accept4, SYS_bind, SYS_connect, SYS_getpeername, SYS_getsockname, SYS_getsockopt,
    SYS_listen, SYS_recvfrom, SYS_recvmmsg, SYS_recvmsg, SYS_sendmmsg, SYS_sendmsg, SYS_sendto,
    SYS_setsockopt, SYS_shutdown, SYS_socket, SYS_socketpair,
];

/// One's own memory: mapping, protecting and locking it, within the limits set from outside.
const MEMORY: &[c_long] = &[
    SYS_brk, SYS_madvise, SYS_membarrier, SYS_mincore, SYS_mlock, SYS_mlock2, SYS_mlockall, SYS_mmap,
    SYS_mprotect, SYS_mremap, SYS_mseal, SYS_msync, SYS_munlock, SYS_munlockall, SYS_munmap,
    SYS_pkey_alloc, SYS_pkey_free, SYS_pkey_mprotect, SYS_remap_file_pages, MAP_SHADOW_STACK,
];

/// Processes and threads: starting them, becoming programs, ending, waiting, and debugging one's own
/// kind. Which ways of `clone` start a namespace is a rule of `refused`; `clone3` hides its flags
/// from every filter and is not here.
const PROCESSES: &[c_long] = &[
    SYS_clone, SYS_execve, SYS_execveat, SYS_exit, SYS_exit_group, SYS_futex, SYS_futex_waitv,
    SYS_get_robust_list, SYS_gettid, SYS_pidfd_open, SYS_prctl, SYS_process_mrelease,
    SYS_process_vm_readv, SYS_process_vm_writev, SYS_ptrace, SYS_restart_syscall, SYS_rseq,
    SYS_set_robust_list, SYS_set_tid_address, SYS_wait4, SYS_waitid, FUTEX_REQUEUE, FUTEX_WAIT_V2,
    FUTEX_WAKE_V2,
];

/// Who one is: ids, groups, sessions and capabilities, which can be given up and not gained.
const IDENTITY: &[c_long] = &[
    SYS_capget, SYS_capset, SYS_getegid, SYS_geteuid, SYS_getgid, SYS_getgroups, SYS_getpgid,
    SYS_getpid, SYS_getppid, SYS_getresgid, SYS_getresuid, SYS_getsid, SYS_getuid, SYS_setfsgid,
    SYS_setfsuid, SYS_setgid, SYS_setgroups, SYS_setpgid, SYS_setregid, SYS_setresgid,
    SYS_setresuid, SYS_setreuid, SYS_setsid, SYS_setuid,
];

/// How much one gets and has used, and what machine this is.
const SCHEDULING: &[c_long] = &[
    SYS_getcpu, SYS_getpriority, SYS_getrandom, SYS_getrusage, SYS_ioprio_get, SYS_ioprio_set,
    SYS_personality, SYS_prlimit64, SYS_sched_get_priority_max, SYS_sched_get_priority_min,
    SYS_sched_getaffinity, SYS_sched_getattr, SYS_sched_getparam, SYS_sched_getscheduler,
    SYS_sched_rr_get_interval, SYS_sched_setaffinity, SYS_sched_setattr, SYS_sched_setparam,
    SYS_sched_setscheduler, SYS_sched_yield, SYS_setpriority, SYS_sysinfo, SYS_uname,
];

/// Signals, to processes that the pid namespace shows.
const SIGNALS: &[c_long] = &[
    SYS_kill, SYS_pidfd_send_signal, SYS_rt_sigaction, SYS_rt_sigpending, SYS_rt_sigprocmask,
    SYS_rt_sigqueueinfo, SYS_rt_sigreturn, SYS_rt_sigsuspend, SYS_rt_sigtimedwait,
    SYS_rt_tgsigqueueinfo, SYS_sigaltstack, SYS_signalfd4, SYS_tgkill, SYS_tkill,
];

/// Reading clocks and setting timers. Setting a clock needs a capability that nobody is given.
const CLOCKS: &[c_long] = &[
    SYS_adjtimex, SYS_clock_adjtime, SYS_clock_getres, SYS_clock_gettime, SYS_clock_nanosleep,
    SYS_getitimer, SYS_gettimeofday, SYS_nanosleep, SYS_setitimer, SYS_timer_create,
    SYS_timer_delete, SYS_timer_getoverrun, SYS_timer_gettime, SYS_timer_settime,
    SYS_timerfd_create, SYS_timerfd_gettime, SYS_timerfd_settime, SYS_times,
];

/// Shared memory, semaphores and queues of the instance's own ipc namespace; databases use them.
const MESSAGES: &[c_long] = &[
    SYS_mq_getsetattr, SYS_mq_notify, SYS_mq_open, SYS_mq_timedreceive, SYS_mq_timedsend,
    SYS_mq_unlink, SYS_msgctl, SYS_msgget, SYS_msgrcv, SYS_msgsnd, SYS_semctl, SYS_semget,
    SYS_semop, SYS_semtimedop, SYS_shmat, SYS_shmctl, SYS_shmdt, SYS_shmget,
];

/// Confining oneself further, as browsers and package managers do.
const CONFINING: &[c_long] = &[
    SYS_chroot, SYS_landlock_add_rule, SYS_landlock_create_ruleset, SYS_landlock_restrict_self,
    SYS_seccomp,
];

/// What only this processor has, and the older ways that other architectures never had.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: &[c_long] = &[
    SYS_access, SYS_alarm, SYS_arch_prctl, SYS_chmod, SYS_chown, SYS_creat, SYS_dup2,
    SYS_epoll_create, SYS_epoll_wait, SYS_eventfd, SYS_fork, SYS_futimesat, SYS_getdents,
    SYS_getpgrp, SYS_getrlimit, SYS_inotify_init, SYS_lchown, SYS_link, SYS_lstat, SYS_mkdir,
    SYS_mknod, SYS_open, SYS_pause, SYS_pipe, SYS_poll, SYS_readlink, SYS_rename, SYS_rmdir,
    SYS_select, SYS_set_thread_area, SYS_setrlimit, SYS_signalfd, SYS_stat, SYS_symlink, SYS_time,
    SYS_unlink, SYS_utime, SYS_utimes, SYS_vfork, URETPROBE,
];
/// Nothing: this architecture began with the newer ways.
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: &[c_long] = &[];

// Not in `libc`; the same numbers on every architecture but for the last two.
const CACHESTAT: c_long = 451;
const FCHMODAT2: c_long = 452;
const MAP_SHADOW_STACK: c_long = 453;
const FUTEX_WAKE_V2: c_long = 454;
const FUTEX_WAIT_V2: c_long = 455;
const FUTEX_REQUEUE: c_long = 456;
const STATMOUNT: c_long = 457;
const LISTMOUNT: c_long = 458;
const SETXATTRAT: c_long = 463;
const GETXATTRAT: c_long = 464;
const LISTXATTRAT: c_long = 465;
const REMOVEXATTRAT: c_long = 466;
#[cfg(target_arch = "x86_64")]
const IO_PGETEVENTS: c_long = 333;
#[cfg(target_arch = "aarch64")]
const IO_PGETEVENTS: c_long = 292;
#[cfg(target_arch = "x86_64")]
const URETPROBE: c_long = 335;
