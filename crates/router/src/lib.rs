//! The data plane: table, balancing, health, drain, hand-over.
//!
//! A router is one process that takes requests on a listening socket and carries each to an instance.
//! What it knows is one [`Table`], given to it over a Unix socket by [`Control`], kept on disk, and
//! in force from one instant to the next for every connection.
//!
//! ```text
//! Control ──PUT /table──▶ control ─▶ plane ─┬─ stored   last table, on disk
//!         ◀─GET /status──                   ├─ routing  host + path → cluster, one atomic pointer
//!                                           └─ instance in flight, health, idle connections
//! client ──request──▶ listen ─▶ forward ─▶ routing ─▶ upstream ──▶ instance
//! ```
//!
//! # Guarantees
//! * No request that begins after [`Control::apply`] returned sees an older table, on connections
//!   opened long before too. A request that has started keeps its instance.
//! * A table is on disk before it is acknowledged; a router that starts serves its last one, alone.
//! * An instance that left the table and shows no request in flight gets none any more.
//! * A router gives its place to the next one, of another program perhaps, and no request is lost.
//! * A request is sent a second time only where that cannot be told from sending it once.
//!
//! # Deliberately absent
//! The control surface is never on the traffic listener. Nothing here starts or stops instances.

mod balance;
mod body;
mod changes;
mod control;
mod figures;
mod forward;
mod handover;
mod headers;
mod health;
mod instance;
mod listen;
mod plane;
mod pulse;
mod routing;
mod serve;
mod shard;
mod status;
mod stored;
mod table;
mod tunnel;
mod upstream;

pub use control::{ApplyError, Control, StatusError};
pub use health::judge::Judge;
pub use serve::{RouterError, Settings, Socket, leaving, run};
pub use status::{GroupStatus, Health, InstanceStatus, Latency, Status};
pub use stored::StoredError;
pub use table::{Check, CheckKind, Cluster, Endpoint, Group, StartupCheck, Table, TableError};
