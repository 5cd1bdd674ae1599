//! Runs one process tree from a root file system.
