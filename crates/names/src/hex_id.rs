//! Short random ids. Identity is stored and compared, never parsed out of a name.

use crate::text::{Invalid, checked_text};

macro_rules! hex_id {
    ($(#[$doc:meta])* $type:ident, $what:literal, $rule:literal, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type([u8; $bytes]);

        impl $type {
            /// How many random bytes it is made of.
            pub const BYTES: usize = $bytes;

            /// An id of the given random bytes.
            #[must_use]
            pub const fn from_random(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// Reads the hexadecimal form.
            ///
            /// # Errors
            /// [`Invalid`] when it is not exactly that many lower-case hexadecimal digits.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                let mut bytes = [0; $bytes];
                crate::digest::from_hex(text, &mut bytes)
                    .then_some(Self(bytes))
                    .ok_or_else(|| Invalid::new(text, $what, $rule))
            }
        }
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
        checked_text!($type);
    };
}

hex_id!(
    /// A server group: 8 hexadecimal digits.
    GroupId,
    "a group id",
    "8 lower-case hexadecimal digits",
    4
);
hex_id!(
    /// One running copy: 12 hexadecimal digits.
    InstanceId,
    "an instance id",
    "12 lower-case hexadecimal digits",
    6
);
hex_id!(
    /// A deployment: 12 hexadecimal digits.
    DeploymentId,
    "a deployment id",
    "12 lower-case hexadecimal digits",
    6
);
hex_id!(
    /// One Kiln on one machine, made at its first start: 6 hexadecimal digits, short enough for
    /// the 15 characters of a network interface's name.
    InstallId,
    "an install id",
    "6 lower-case hexadecimal digits",
    3
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_shows() {
        let id = InstallId::from_random([0, 0xab, 0x1f]);
        assert_eq!(id.to_string(), "00ab1f");
        assert_eq!(InstallId::parse("00ab1f"), Ok(id));
        for bad in ["", "00AB1F", "00ab1", "00ab1f0", "zzzzzz"] {
            assert!(InstallId::parse(bad).is_err(), "{bad}");
        }
    }
}
