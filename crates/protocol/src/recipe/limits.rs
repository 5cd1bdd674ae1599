//! The limits of a recipe: each far above what a service needs and far below what hurts.

/// Packages of one image.
pub const MAX_PACKAGES: usize = 1024;
/// Patterns for package files of one image.
pub const MAX_INSTALL: usize = 256;
/// Provisioning commands of one image; each runs in turn.
pub const MAX_RUN: usize = 256;
/// Copies of one image.
pub const MAX_COPY: usize = 256;
/// Processes of one image: each becomes a cluster.
pub const MAX_PROCESSES: usize = 64;
/// Words of one command.
pub const MAX_ARGUMENTS: usize = 1024;
/// Bytes of one argument or command: the kernel takes 128 KiB, its end included.
pub const MAX_ARGUMENT_BYTES: usize = 64 << 10;
/// Directories that one process may write to: each is a mount.
pub const MAX_WRITABLE: usize = 64;
/// Bytes of a path: the kernel's `PATH_MAX` is 4096, its end included.
pub const MAX_PATH_BYTES: usize = 1024;
/// The longest that a process may take to stop.
pub const MAX_STOP: kiln_names::Span = kiln_names::Span::seconds(3600);
