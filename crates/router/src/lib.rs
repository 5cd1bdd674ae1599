//! The data plane: table, balancing, health, drain.
