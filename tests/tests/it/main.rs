//! The real binary, end to end: each test has a Kiln of its own and takes it down again, and fails
//! when anything is left of it. Root is needed, as Kiln needs it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there and then")]

mod access;
mod backups;
mod bakes;
mod chaos;
mod checks;
mod configuration;
mod containment;
mod crashes;
mod debian;
mod disk;
mod drift;
mod engines;
mod external;
mod failures;
mod git;
mod history;
mod hooks;
mod interop;
mod kills;
mod layering;
mod life;
mod lock;
mod memory;
mod metrics;
mod mistakes;
mod nodes;
mod notices;
mod progress;
mod readme;
mod recovery;
mod run;
mod scaling;
mod secrets;
mod strategies;
mod stuck;
mod systemd;
mod traffic;
mod upgrades;
mod volumes;
