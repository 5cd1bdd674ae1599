//! Names, ids, digests, sizes: whatever is taken is shown in a form that is taken again.

use crate::in_few_words;
use kiln_names::{
    AppName, BaseName, ByteSize, CommitId, DeploymentId, Digest, EnvName, GroupId, GroupName, Host,
    ImageRef, InstallId, InstanceId, Invalid, PathPrefix, ProcessName, ReleaseId, Span, Version,
};
use kiln_protocol::configuration::CheckPath;
use kiln_protocol::recipe::{
    AbsolutePath, Capability, CommandLine, ContextPath, FilePattern, Package, Signal, User,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::{Debug, Display};
use std::str::FromStr;

/// Text of any kind as every kind of name.
pub fn names(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    for check in [
        check::<AppName>,
        check::<BaseName>,
        check::<ByteSize>,
        check::<CommitId>,
        check::<DeploymentId>,
        check::<Digest>,
        check::<EnvName>,
        check::<GroupId>,
        check::<GroupName>,
        check::<Host>,
        check::<ImageRef>,
        check::<InstallId>,
        check::<InstanceId>,
        check::<PathPrefix>,
        check::<ProcessName>,
        check::<ReleaseId>,
        check::<Span>,
        check::<Version>,
        check::<CheckPath>,
        check::<AbsolutePath>,
        check::<Capability>,
        check::<CommandLine>,
        check::<ContextPath>,
        check::<FilePattern>,
        check::<Package>,
        check::<Signal>,
        check::<User>,
    ] {
        check(text);
    }
    pattern(text);
}

fn check<T>(text: &str)
where
    T: FromStr<Err = Invalid> + Display + Debug + PartialEq + Serialize + DeserializeOwned,
{
    match T::from_str(text) {
        Err(invalid) => in_few_words(&invalid),
        Ok(name) => {
            let shown = name.to_string();
            assert!(shown.len() <= text.len() + 32, "{text:?} is shown as {shown:?}");
            assert_eq!(T::from_str(&shown).as_ref(), Ok(&name), "{text:?} is shown as {shown:?}");
            let json = serde_json::to_string(&name).unwrap();
            assert_eq!(serde_json::from_str::<T>(&json).unwrap(), name, "{json}");
        }
    }
}

/// The first line as a pattern for the second.
fn pattern(text: &str) {
    let Some((pattern, path)) = text.split_once('\n') else { return };
    let Ok(pattern) = FilePattern::parse(pattern) else { return };
    let plain = !pattern.as_str().contains(['*', '?']);
    assert_eq!(pattern.matches(path), pattern.matches(path));
    assert!(!plain || pattern.matches(path) == (pattern.as_str() == path));
}
