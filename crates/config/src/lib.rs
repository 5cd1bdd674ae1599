//! Configuration in git, and user data.
