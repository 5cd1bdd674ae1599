//! Every verb in every state.
