//! Runs groups on this machine.
