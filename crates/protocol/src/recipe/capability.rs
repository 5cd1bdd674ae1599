//! What root may keep of its powers.

use kiln_names::Invalid;

/// A Linux capability that a process running as root may ask for. All others are always dropped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// Give files to other users.
    Chown,
    /// Read and write files whatever their permissions say.
    DacOverride,
    /// Change files that belong to others.
    Fowner,
    /// Become another user.
    Setuid,
    /// Become another group.
    Setgid,
    /// Signal processes of other users.
    Kill,
}

impl Capability {
    /// All of them, in the order of the contract.
    pub const ALL: [Self; 6] =
        [Self::Chown, Self::DacOverride, Self::Fowner, Self::Setuid, Self::Setgid, Self::Kill];

    /// The name as recipes have it: the kernel's without `CAP_`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chown => "CHOWN",
            Self::DacOverride => "DAC_OVERRIDE",
            Self::Fowner => "FOWNER",
            Self::Setuid => "SETUID",
            Self::Setgid => "SETGID",
            Self::Kill => "KILL",
        }
    }

    /// Reads a name.
    ///
    /// # Errors
    /// [`Invalid`] for any other capability.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::ALL.into_iter().find(|known| known.as_str() == text).ok_or_else(|| {
            let rule = "one of CHOWN, DAC_OVERRIDE, FOWNER, SETUID, SETGID, KILL";
            Invalid::new(text, "a capability that can be asked for", rule)
        })
    }
}

impl std::fmt::Display for Capability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
kiln_names::checked_text!(Capability);
