//! A command in one line of text.

use super::{MAX_ARGUMENT_BYTES, MAX_ARGUMENTS};
use kiln_names::Invalid;

/// Words that a shell would take for itself. No shell reads a command here.
const SHELL: [&str; 9] = [";", "&", "&&", "|", "||", ">", ">>", "<", "2>&1"];

/// A program by its whole path, and its arguments.
///
/// Words stand apart by white space. `'…'` and `"…"` keep words together; a backslash takes the
/// meaning from white space, a quotation mark or a backslash. Nothing else is special, and what
/// a shell or systemd would read in another way is refused.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CommandLine {
    text: String,
    words: Vec<String>,
}

impl CommandLine {
    /// Reads the words of `text`.
    ///
    /// # Errors
    /// [`Invalid`] when there are none, the first is not an absolute path, a quotation does not end,
    /// or a word means something else to a shell.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let refuse = |rule| Invalid::new(text, "a command", rule);
        let words = split_words(text).map_err(refuse)?;
        if !words.first().is_some_and(|program| program.starts_with('/')) {
            return Err(refuse(
                "the program is wanted by its whole path, such as /usr/bin/python3",
            ));
        }
        if words.len() > MAX_ARGUMENTS || words.iter().any(|it| it.len() > MAX_ARGUMENT_BYTES) {
            return Err(refuse("at most 1024 words of at most 64 KiB"));
        }
        Ok(Self { text: text.to_owned(), words })
    }

    /// The program and its arguments.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }
}

impl std::fmt::Display for CommandLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}
kiln_names::checked_text!(CommandLine);

/// The words of a line, by the rules of [`CommandLine`].
///
/// # Errors
/// The rule that the line breaks, in words.
pub fn split_words(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut letters = text.chars();
    let mut word: Option<String> = None;
    let mut plain = true;
    while let Some(letter) = letters.next() {
        match letter {
            '\0' => return Err("it has no NUL character"),
            _ if letter.is_whitespace() => end(&mut words, word.take(), &mut plain)?,
            '\'' | '"' => {
                plain = false;
                quoted(letter, &mut letters, word.get_or_insert_default())?;
            }
            '\\' => {
                plain = false;
                word.get_or_insert_default().push(escaped(letters.next())?);
            }
            _ => word.get_or_insert_default().push(letter),
        }
    }
    end(&mut words, word, &mut plain)?;
    Ok(words)
}

fn end(
    words: &mut Vec<String>,
    word: Option<String>,
    plain: &mut bool,
) -> Result<(), &'static str> {
    let plain = std::mem::replace(plain, true);
    match word {
        Some(word) if plain && SHELL.contains(&word.as_str()) => {
            Err("no shell reads it; for what only a shell can do, /bin/sh -c '…'")
        }
        word => {
            words.extend(word);
            Ok(())
        }
    }
}

fn quoted(
    mark: char,
    letters: &mut std::str::Chars<'_>,
    word: &mut String,
) -> Result<(), &'static str> {
    loop {
        match letters.next() {
            None => return Err("a quotation ends with the mark that it began with"),
            Some(letter) if letter == mark => return Ok(()),
            Some('\0') => return Err("it has no NUL character"),
            Some('\\') if mark == '"' => word.push(escaped(letters.next())?),
            Some('\\') => return Err("within '…' no backslash: shells and systemd differ there"),
            Some(letter) => word.push(letter),
        }
    }
}

fn escaped(letter: Option<char>) -> Result<char, &'static str> {
    letter
        .filter(|letter| letter.is_whitespace() || matches!(letter, '\\' | '"' | '\''))
        .ok_or("a backslash stands before white space, a quotation mark or a backslash")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_a_shell_would_pass() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(CommandLine::parse(text).unwrap().words(), expected, "{text}");
        };
        check("/bin/true", &["/bin/true"]);
        check("  /bin/a  -b\tc ", &["/bin/a", "-b", "c"]);
        check(r#"/bin/sh -c 'a "b"  c; d' "" "#, &["/bin/sh", "-c", r#"a "b"  c; d"#, ""]);
        check(r#"/a b\ c "d\"e" x'y'z"#, &["/a", "b c", "d\"e", "xyz"]);
        check("/bin/find . '|'", &["/bin/find", ".", "|"]);
    }

    #[test]
    fn what_could_be_meant_otherwise_is_refused() {
        for bad in [
            "",
            " ",
            "python3 x",
            "'/a",
            "/a \"b",
            "/a \\n",
            "/a '\\'",
            "/a && /b",
            "/a ; /b",
            "/a > /b",
            "/a \0",
            "/a \\",
        ] {
            assert!(CommandLine::parse(bad).is_err(), "{bad:?}");
        }
    }
}
