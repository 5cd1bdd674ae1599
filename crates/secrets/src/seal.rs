//! One value, sealed: form (1 byte), nonce (24), ciphertext with its tag. What it stands for is not
//! in it, and has to be said to open it.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use kiln_names::{AppName, EnvName, SecretName, SecretValue, SecretVersion};
use zeroize::Zeroizing;

/// The only form so far.
const FORM: u8 = 1;
const NONCE: usize = 24;

/// The key that all values are sealed with.
pub(crate) struct Key(Zeroizing<[u8; Self::BYTES]>);

/// What a sealed text stands for; names have no slash, so that no two read the same.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Label<'a> {
    /// A version of a secret.
    Value(&'a AppName, &'a EnvName, &'a SecretName, SecretVersion),
    /// What tells the right key.
    Proof,
}

/// It does not open: another key, another label, or other bytes. Which, nobody can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unsealable;

impl std::fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Value(app, env, name, version) => {
                write!(f, "kiln-secret/{FORM}/{app}/{env}/{name}/{version}")
            }
            Self::Proof => write!(f, "kiln-secret-proof/{FORM}"),
        }
    }
}

impl Key {
    pub(crate) const BYTES: usize = 32;

    pub(crate) fn new(bytes: Zeroizing<[u8; Self::BYTES]>) -> Self {
        Self(bytes)
    }

    /// Seals `value` under a nonce that has to be random: 24 bytes never meet by chance.
    pub(crate) fn seal(&self, label: Label<'_>, value: &[u8], nonce: [u8; NONCE]) -> Vec<u8> {
        let aad = label.to_string();
        let payload = Payload { msg: value, aad: aad.as_bytes() };
        let ciphertext = self.cipher().encrypt(&XNonce::from(nonce), payload);
        let ciphertext = ciphertext.expect("a value is far shorter than 256 GiB");
        [&[FORM][..], &nonce, &ciphertext].concat()
    }

    pub(crate) fn open(
        &self,
        label: Label<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
        let (form, rest) = sealed.split_first().ok_or(Unsealable)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE>().ok_or(Unsealable)?;
        if *form != FORM {
            return Err(Unsealable);
        }
        let aad = label.to_string();
        let payload = Payload { msg: ciphertext, aad: aad.as_bytes() };
        let opened = self.cipher().decrypt(&XNonce::from(*nonce), payload);
        opened.map(Zeroizing::new).map_err(|_| Unsealable)
    }

    /// The same as a value of a secret.
    pub(crate) fn open_value(
        &self,
        label: Label<'_>,
        sealed: &[u8],
    ) -> Result<SecretValue, Unsealable> {
        let mut opened = self.open(label, sealed)?;
        SecretValue::new(std::mem::take(&mut *opened)).map_err(|_| Unsealable)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Key {
        Key::new(Zeroizing::new([byte; Key::BYTES]))
    }

    fn names(name: &str) -> (AppName, EnvName, SecretName) {
        ("hello".parse().unwrap(), "prod".parse().unwrap(), name.parse().unwrap())
    }

    #[test]
    fn what_was_sealed_opens_under_its_key_and_label() {
        let (app, env, name) = names("token");
        let label = Label::Value(&app, &env, &name, SecretVersion(1));
        let sealed = key(1).seal(label, b"hunter2", [7; NONCE]);
        assert_eq!(key(1).open_value(label, &sealed).unwrap().as_ref(), b"hunter2");
        assert!(!sealed.windows(7).any(|bytes| bytes == b"hunter2"));
        assert_eq!(format!("{:?}", key(1)), "Key(…)");
    }

    #[test]
    fn it_opens_under_no_other_key() {
        let sealed = key(1).seal(Label::Proof, b"x", [7; NONCE]);
        assert_eq!(key(2).open(Label::Proof, &sealed), Err(Unsealable));
    }

    #[test]
    fn it_opens_under_no_other_name_place_or_version() {
        let (app, env, name) = names("token");
        let (other_app, other_env, other_name) =
            ("hellp".parse().unwrap(), "test".parse().unwrap(), "tokem".parse().unwrap());
        let one = SecretVersion(1);
        let sealed = key(1).seal(Label::Value(&app, &env, &name, one), b"x", [7; NONCE]);
        for label in [
            Label::Value(&other_app, &env, &name, one),
            Label::Value(&app, &other_env, &name, one),
            Label::Value(&app, &env, &other_name, one),
            Label::Value(&app, &env, &name, SecretVersion(2)),
            Label::Proof,
        ] {
            assert_eq!(key(1).open(label, &sealed), Err(Unsealable), "{label}");
        }
    }

    #[test]
    fn it_opens_neither_cut_nor_changed_anywhere() {
        let (app, env, name) = names("token");
        let label = Label::Value(&app, &env, &name, SecretVersion(1));
        let sealed = key(1).seal(label, b"hunter2", [7; NONCE]);
        for length in 0..sealed.len() {
            assert_eq!(key(1).open(label, &sealed[..length]), Err(Unsealable), "{length}");
        }
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(key(1).open(label, &changed), Err(Unsealable), "{at}");
        }
    }
}
