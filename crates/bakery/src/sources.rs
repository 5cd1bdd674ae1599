//! The package sources of this machine, as far as they are of one suite: a base gets the same
//! mirrors. Pure.

/// What comes with a suite under a name of its own.
const PARTS: [&str; 3] = ["", "-updates", "-security"];

/// The lines of a `sources.list` that are of `suite`.
pub(crate) fn of_list(text: &str, suite: &str) -> String {
    let ours = |line: &&str| {
        let mut words = line.split_whitespace().skip_while(|word| *word != "deb").skip(1);
        let mut words =
            words.by_ref().skip_while(|word| word.starts_with('[') || word.ends_with(']'));
        let Some(_uri) = words.next() else { return false };
        words.next().is_some_and(|name| is_of(name, suite)) && words.any(|it| it == "main")
    };
    let lines = text.lines().filter(|line| line.starts_with("deb ")).filter(ours);
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// The stanzas of a deb822 `.sources` file that are of `suite`, without others' suites.
pub(crate) fn of_stanzas(text: &str, suite: &str) -> String {
    let stanzas = text.split("\n\n").filter_map(|stanza| stanza_of(stanza, suite));
    stanzas.flat_map(|stanza| [stanza, "\n".to_owned()]).collect()
}

fn stanza_of(stanza: &str, suite: &str) -> Option<String> {
    let field = |name: &str| stanza.lines().find_map(|line| field_of(line, name));
    field("Types")?.split_whitespace().find(|kind| *kind == "deb")?;
    field("Components")?.split_whitespace().find(|it| *it == "main")?;
    if field("Enabled").is_some_and(|enabled| enabled == "no") {
        return None;
    }
    let suites: Vec<&str> =
        field("Suites")?.split_whitespace().filter(|name| is_of(name, suite)).collect();
    (!suites.is_empty()).then_some(())?;
    let line = |line: &str| match field_of(line, "Suites") {
        Some(_) => format!("Suites: {}\n", suites.join(" ")),
        None if field_of(line, "Types").is_some() => "Types: deb\n".to_owned(),
        None => format!("{line}\n"),
    };
    let lines = stanza.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    Some(lines.map(line).collect())
}

fn field_of<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    Some(line.strip_prefix(name)?.strip_prefix(':')?.trim())
}

fn is_of(name: &str, suite: &str) -> bool {
    PARTS.iter().any(|part| name.strip_suffix(part) == Some(suite))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_of_the_suite_stay_and_others_go() {
        let text = "Types: deb deb-src\n# a snapshot\nURIs: http://mirror/debian\n\
            Suites: bookworm bookworm-updates trixie\nComponents: main\nSigned-By: /k.gpg\n\n\
            Types: deb\nURIs: http://mirror/debian-security\nSuites: bookworm-security\n\
            Components: main contrib\n\n\
            Types: deb\nURIs: https://other/\nSuites: nodistro\nComponents: main\n";
        let expected = "Types: deb\nURIs: http://mirror/debian\n\
            Suites: bookworm bookworm-updates\nComponents: main\nSigned-By: /k.gpg\n\n\
            Types: deb\nURIs: http://mirror/debian-security\nSuites: bookworm-security\n\
            Components: main contrib\n\n";
        assert_eq!(of_stanzas(text, "bookworm"), expected);
        assert_eq!(of_stanzas(text, "sid"), "");
    }

    #[test]
    fn lines_of_the_suite_stay_and_others_go() {
        let text = "deb http://mirror/debian bookworm main contrib\n\
            # deb http://mirror/debian bookworm main\n\
            deb-src http://mirror/debian bookworm main\n\
            deb [signed-by=/k.gpg arch=amd64] http://mirror/s bookworm-security main\n\
            deb https://other/ bookworm stable\n\
            deb https://other/ trixie main\n";
        let expected = "deb http://mirror/debian bookworm main contrib\n\
            deb [signed-by=/k.gpg arch=amd64] http://mirror/s bookworm-security main\n";
        assert_eq!(of_list(text, "bookworm"), expected);
    }
}
