//! The Engine and Traffic traits, their words, the simulated engine, the conformance suite.
