//! The program that shims run from, shown to them so that nobody can write it through them.
//!
//! A process that is about to become a container's command still runs this program, which is also the
//! control plane's. An image can be made so that its command is `/proc/self/exe`, and then everything
//! in the container reaches the file behind it; as root it could open it for writing. So a shim is
//! started through a mount of that one file which is read-only and appears in no namespace: it lasts
//! as long as the processes that run from it.

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{CWD, StatVfsMountFlags, statvfs};
use rustix::mount::{OpenTreeFlags, open_tree};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program behind a mount that cannot be written through.
pub(crate) struct ReadOnly(OwnedFd);

impl ReadOnly {
    /// Mounts `program` anew.
    pub(crate) fn of(program: &Path) -> io::Result<Self> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let mount = open_tree(CWD, program, flags)?;
        forbid_writing(&mount)?;
        Ok(Self(mount))
    }

    /// Where this process and those that it forks find it, while this value lives.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }
}

/// Sees to it that this process runs from such a mount. Started in another way it becomes its own
/// program again, which a caller that mounts first saves it from.
pub(crate) fn ensure_own_read_only() -> io::Result<()> {
    const OWN: &str = "/proc/self/exe";
    if statvfs(OWN)?.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Ok(());
    }
    let program = ReadOnly::of(Path::new(OWN))?;
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    Err(Command::new(program.path()).arg0(name).args(arguments).exec())
}

/// `struct mount_attr` of `mount_setattr(2)`.
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

#[expect(unsafe_code, reason = "no safe wrapper changes a mount that is not in a namespace")]
fn forbid_writing(mount: &OwnedFd) -> io::Result<()> {
    const READ_ONLY_NO_SETUID: u64 = 0x1 | 0x2;
    let attributes =
        MountAttributes { set: READ_ONLY_NO_SETUID, clear: 0, propagation: 0, user_namespace: 0 };
    // SAFETY: the descriptor is open, the path is a string that the flag lets be empty, and the
    // attributes are as long as is said; the kernel only reads them.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<MountAttributes>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
