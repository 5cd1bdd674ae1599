//! Configuration: three files that say how an image runs in one environment.
