//! Whether a symbolic link stays within the directory, judged by its text alone.

/// Whether the link at `path` (relative, `/` between segments) that points to `target` leads
/// outside the directory that `path` is relative to.
pub(crate) fn leaves(path: &str, target: &str) -> bool {
    if target.starts_with('/') {
        return true;
    }
    // How deep the directory of the link lies; following the target may never go above the top.
    let mut depth = path.split('/').count() - 1;
    for segment in target.split('/') {
        match segment {
            "" | "." => {}
            ".." if depth == 0 => return true,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_may_point_anywhere_beneath_the_top() {
        let check = |path: &str, target: &str, expected: bool| {
            assert_eq!(leaves(path, target), expected, "{path} -> {target}");
        };
        check("a", "b", false);
        check("a/b", "../c", false);
        check("a/b", ".././c/./d", false);
        check("a", "../x", true);
        check("a/b", "../../x", true);
        check("a/b", "../c/../../x", true);
        check("a", "/etc/passwd", true);
    }
}
