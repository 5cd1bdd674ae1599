//! How two releases or two images differ, in words.

use crate::words::clean;
use kiln_names::Digest;
use kiln_protocol::deployment::Difference;

/// All differences, a line each.
pub(crate) fn differences(differences: &[Difference]) -> String {
    if differences.is_empty() {
        return "Nothing differs.\n".to_owned();
    }
    let mut text = "It differs in\n".to_owned();
    for Difference { kind, name, old, new } in differences {
        let change = match (old.as_deref().map(short), new.as_deref().map(short)) {
            (Some(old), Some(new)) => format!("{name}: {old} -> {new}"),
            (None, Some(new)) => format!("{name}: {new} (new)"),
            (Some(old), None) => format!("{name}: {old} (gone)"),
            (None, None) => name.clone(),
        };
        text.push_str(&format!("  {kind:<14} {change}\n"));
    }
    text
}

/// A digest by its first digits; anything else as it is.
fn short(value: &str) -> String {
    Digest::parse(value).map_or_else(|_| clean(value), |digest| digest.short())
}
