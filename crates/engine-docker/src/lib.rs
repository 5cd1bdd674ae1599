//! Runs instances on a Docker Engine or a Docker Swarm.
//!
//! An instance is one labelled container of an engine, or one service of one replica of a Swarm. What
//! does not carry the labels of this install is never touched.
//!
//! ```text
//! runtime ─┬─ single  containers ─┐          ┌─ render  what is asked for          (pure)
//!          └─ swarm   services ───┴─ asks ───┼─ read    what the engine says of it  (pure)
//!                                            └─ seen    what is known by now, and waited for
//! ```

mod addresses;
mod check;
mod connection;
mod drift;
mod exits;
mod images;
mod inner;
mod labels;
mod logs;
mod network;
mod placement;
mod render;
mod runtime;
mod seen;
mod settings;
mod single;
mod swarm;
mod trouble;
mod usage;

pub use check::check;
pub use runtime::DockerRuntime;
pub use settings::{EngineSettings, Host, Mode, Settings, SettingsError, Tls};
