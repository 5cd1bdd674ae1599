//! Every transition, and what cannot be one.
