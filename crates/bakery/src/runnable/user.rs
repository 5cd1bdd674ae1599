//! Who an image from elsewhere runs as: names looked up in its own `/etc/passwd` and `/etc/group`.

use crate::within::{self, MAX_FILE};
use kiln_image::Stack;
use std::io;

/// Why there is no such user.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// The image does not know the name.
    #[error("{list} of the image has no {name:?}")]
    Unknown {
        /// Where it was looked for.
        list: &'static str,
        /// The name.
        name: String,
    },
    /// The image's files could not be read.
    #[error("the image cannot be looked into")]
    Image(#[from] kiln_image::Error),
    /// Such a file is no list of users.
    #[error("the image's list of users cannot be read")]
    Read(#[from] io::Error),
}

/// The numbers of `USER[:GROUP]`, each a name or a number, as OCI has it: nothing is root, a user
/// without a group is in the group that `/etc/passwd` says, and a number that stands nowhere is in
/// root's.
pub(super) fn find(tree: &Stack, text: &str) -> Result<(u32, u32), UserError> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let (uid, own_group) = user_of(tree, user)?;
    let gid = match group.filter(|group| !group.is_empty()) {
        Some(group) => group_of(tree, group)?,
        None => own_group,
    };
    Ok((uid, gid))
}

fn user_of(tree: &Stack, user: &str) -> Result<(u32, u32), UserError> {
    if user.is_empty() {
        return Ok((0, 0));
    }
    let passwd = list(tree, "/etc/passwd")?;
    let number = number(user);
    // A line is NAME:PASSWORD:UID:GID:…
    let found = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, ..] = fields[..] else { return None };
        let (uid, gid) = (self::number(uid)?, self::number(gid)?);
        (name == user || number == Some(uid)).then_some((uid, gid))
    });
    let numbers = found.or_else(|| number.map(|uid| (uid, 0)));
    let name = user.to_owned();
    numbers.ok_or(UserError::Unknown { list: "/etc/passwd", name })
}

fn group_of(tree: &Stack, group: &str) -> Result<u32, UserError> {
    if let Some(gid) = number(group) {
        return Ok(gid);
    }
    let groups = list(tree, "/etc/group")?;
    // A line is NAME:PASSWORD:GID:…
    let found = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == group).then_some(())?;
        number(fields.nth(1)?)
    });
    found.ok_or_else(|| UserError::Unknown { list: "/etc/group", name: group.to_owned() })
}

fn list(tree: &Stack, path: &str) -> Result<String, UserError> {
    let Some(file) = tree.find(path)? else { return Ok(String::new()) };
    let bytes = within::read(&file, MAX_FILE)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The kernel keeps the highest number for "no change".
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|id| digits && *id != u32::MAX)
}
