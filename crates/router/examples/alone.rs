//! A router alone, for measuring: `alone LISTEN CONTROL STATE_DIR`, until it is killed.

#![expect(clippy::unwrap_used, reason = "whoever measures is told by the panic what is missing")]

use kiln_router::{Settings, Socket, run};
use std::time::Duration;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [listen, control, state_dir] = args.as_slice() else {
        panic!("usage: alone LISTEN CONTROL STATE_DIR");
    };
    let settings = Settings {
        socket: Socket::Address(listen.parse().unwrap()),
        locks: Vec::new(),
        control: control.into(),
        state_dir: state_dir.into(),
        drain_timeout: Duration::from_secs(1),
        linger: Duration::from_secs(20),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(settings, std::future::pending())).unwrap();
}
