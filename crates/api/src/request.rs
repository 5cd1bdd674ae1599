//! What handlers read from a request: names in the path, parameters, JSON, secrets, who asks.

mod caller;
mod json;
mod names;
mod plain;
mod value;

pub(crate) use caller::Caller;
pub(crate) use json::Body;
pub(crate) use names::{Names, Parameters};
pub(crate) use plain::PlainRefusal;
pub(crate) use value::Value;
