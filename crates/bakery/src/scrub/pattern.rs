//! Paths by pattern: `*` within a name, `**` for any number of directories.

/// Whether `path`, without a slash before it, is of the form of `pattern`.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    let (first, rest) = split(pattern);
    if first == "**" {
        let here = rest.is_some_and(|rest| matches(rest, path));
        return here || split(path).1.is_some_and(|below| matches(pattern, below));
    }
    let (name, below) = split(path);
    name_matches(first, name)
        && match (rest, below) {
            (None, None) => true,
            (Some(rest), Some(below)) => matches(rest, below),
            _ => false,
        }
}

fn split(path: &str) -> (&str, Option<&str>) {
    path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)))
}

fn name_matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len())
                .filter(|at| rest.is_char_boundary(*at))
                .any(|at| name_matches(after, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_names_and_directories() {
        for (pattern, path, expected) in [
            ("etc/passwd-", "etc/passwd-", true),
            ("etc/passwd-", "etc/passwd", false),
            ("etc/passwd-", "etc/passwd-/x", false),
            ("var/lib/dpkg/*-old", "var/lib/dpkg/status-old", true),
            ("var/lib/dpkg/*-old", "var/lib/dpkg/info/x-old", false),
            ("etc/**/*.dpkg-old", "etc/a.dpkg-old", true),
            ("etc/**/*.dpkg-old", "etc/a/b/c.dpkg-old", true),
            ("etc/**/*.dpkg-old", "usr/a.dpkg-old", false),
            ("var/log/**/*", "var/log/a", true),
            ("var/log/**/*", "var/log/a/b/c", true),
            ("var/log/**/*", "var/log", false),
            ("var/log/**/*", "srv/var/log/a", false),
            ("etc/ssh/ssh_host_*_key", "etc/ssh/ssh_host_ed25519_key", true),
            ("etc/ssh/ssh_host_*_key", "etc/ssh/ssh_host_key", false),
            ("a*b*c", "axbxbc", true),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }
}
