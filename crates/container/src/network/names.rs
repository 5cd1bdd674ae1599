//! Names of interfaces. The kernel allows 15 characters, so that identity is cut into them rather
//! than written out, and never read back.

use super::Subnet;
use kiln_names::{InstallId, InstanceId};

/// How many bridges a network divides into: one for bakes, the rest for environments. At most as many
/// as two hexadecimal digits count.
pub(super) const fn bridges_in(network: Subnet) -> u16 {
    let bits = 24_u8.saturating_sub(network.prefix());
    1 << if bits > 8 { 8 } else { bits }
}

/// What all bridges of an install begin with.
pub(super) fn bridges(install: InstallId) -> String {
    format!("kn{install}e")
}

pub(super) fn bridge(install: InstallId, index: u8) -> String {
    format!("{}{index:x}", bridges(install))
}

/// What the host ends of all links of an install begin with.
pub(crate) fn links(install: InstallId) -> String {
    format!("kv{install}")
}

/// The host end of an instance's link: 28 bits of its random id, which an install's few thousand
/// instances do not share; should two ever, the second does not start and is replaced.
pub(crate) fn link(install: InstallId, instance: InstanceId) -> String {
    format!("{}{}", links(install), &instance.to_string()[..7])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_the_kernel_and_tell_installs_apart() {
        let install = InstallId::from_random([0, 0xab, 0x1f]);
        let instance = InstanceId::from_random([1, 2, 3, 4, 5, 6]);
        assert_eq!(link(install, instance), "kv00ab1f0102030");
        assert_eq!(bridge(install, 15), "kn00ab1fef");
        assert!(bridge(install, 255).len() <= 15);
        assert!(link(install, instance).len() <= 15);
    }

    #[test]
    fn a_larger_network_has_more_bridges() {
        let bridges = |text: &str| bridges_in(text.parse().unwrap());
        assert_eq!(["10.0.0.0/20", "10.0.0.0/18", "10.0.0.0/16"].map(bridges), [16, 64, 256]);
        assert_eq!(bridges("10.0.0.0/8"), 256);
    }
}
