//! Configuration as people write it, right and wrong.
