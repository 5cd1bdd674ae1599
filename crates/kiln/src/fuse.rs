//! Where a server of a test build kills itself: before or after a commit of an orchestrator, as its
//! data directory says. No other build knows of this.

use crate::data::Data;
use kiln_deploy::Fuse;

/// The fuse that a test has laid, and takes it away: the next server has none.
#[cfg(debug_assertions)]
pub(crate) fn laid(data: &Data) -> Fuse {
    let path = data.at("fuse");
    let notch = std::fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
    let removed = std::fs::remove_file(path).is_ok();
    let die = || {
        let (own, signal) = (rustix::process::getpid(), rustix::process::Signal::KILL);
        rustix::process::kill_process(own, signal).expect("whoever runs may end itself");
    };
    notch.filter(|_| removed).map_or_else(Fuse::none, |notch| Fuse::that_calls(notch, die))
}

/// None.
#[cfg(not(debug_assertions))]
pub(crate) const fn laid(_data: &Data) -> Fuse {
    Fuse::none()
}
