//! The limits of a configuration, each far above what a service needs and far below what hurts; and
//! the sizes that hold where nothing is said.

use super::MilliCpu;
use kiln_names::{ByteSize, Span};

/// Properties of one application: all of them reach the environment.
pub const MAX_PROPERTIES: usize = 10_000;
/// Bytes of a property's key.
pub const MAX_KEY_BYTES: usize = 256;
/// Bytes of a property's value: the kernel takes 128 KiB for a variable with its name.
pub const MAX_VALUE_BYTES: usize = 64 << 10;
/// Commands of the launch data.
pub const MAX_COMMANDS: usize = 256;
/// Bytes of one command.
pub const MAX_COMMAND_BYTES: usize = 64 << 10;
/// Instances of one process.
pub const MAX_INSTANCES: u32 = 1_000;
/// Routes of one process.
pub const MAX_ROUTES: usize = 64;
/// Processes that have settings of their own: as many as an image may have.
pub const MAX_OVERRIDES: usize = crate::recipe::MAX_PROCESSES;
/// The least of a processor: the kernel's shortest share, 1 ms of every 100.
pub const MIN_MILLI_CPU: u32 = 10;
/// The most of a processor.
pub const MAX_MILLI_CPU: u32 = 1_024_000;
/// The least memory: less does not hold a program's first pages.
pub const MIN_MEMORY: ByteSize = ByteSize::mib(4);
/// The most memory: 64 TiB.
pub const MAX_MEMORY: ByteSize = ByteSize(64 << 40);
/// The most processes and threads: the kernel's own limit on 64 bits.
pub const MAX_PIDS: u32 = 4 << 20;
/// Checks that may fail in a row.
pub const MAX_THRESHOLD: u32 = 1_000;
/// The shortest span of a check.
pub const MIN_CHECK: Span = Span::millis(1);
/// The longest span of a check, and the longest drain.
pub const MAX_CHECK: Span = Span::seconds(3600);
/// The longest watch and the longest that an old group is kept warm: a week.
pub const MAX_KEPT: Span = Span::seconds(7 * 86_400);

/// The share of processors where nothing is said.
pub const DEFAULT_CPU: MilliCpu = MilliCpu(1_000);
/// The memory where nothing is said.
pub const DEFAULT_MEMORY: ByteSize = ByteSize::mib(512);
/// The processes and threads where nothing is said.
pub const DEFAULT_PIDS: u32 = 512;
