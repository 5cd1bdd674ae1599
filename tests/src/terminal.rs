//! A command on a terminal: what a person sees while it runs, and what is left to scroll back to.

use crate::Kiln;
use std::ffi::OsStr;
use std::num::NonZeroU16;
use std::process::{Command, Stdio};
use vt100::Parser;

/// What ends each drawing: the rest of the screen is cleared.
const DRAWN: &[u8] = b"\x1b[0J";

/// How much is remembered of what scrolled away.
const SCROLLBACK: usize = 1_000;

/// What a terminal has shown.
#[derive(Debug)]
pub struct Shown {
    /// The exit code of the command.
    pub code: Option<i32>,
    /// The screen after each drawing, and at the end.
    pub screens: Vec<String>,
    /// Everything that is left at its end, what scrolled away included.
    pub left: String,
    /// What the terminal was sent.
    pub bytes: Vec<u8>,
}

/// A terminal of so many rows and columns.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    rows: NonZeroU16,
    columns: NonZeroU16,
    colour: bool,
}

impl Terminal {
    /// One that shows colours.
    ///
    /// # Panics
    /// When it has no rows, or no columns.
    #[must_use]
    pub fn of(rows: u16, columns: u16) -> Self {
        let some = |size| NonZeroU16::new(size).expect("a terminal has a size");
        Self { rows: some(rows), columns: some(columns), colour: true }
    }

    /// The same for somebody who wants no colours.
    #[must_use]
    pub const fn without_colour(self) -> Self {
        Self { colour: false, ..self }
    }

    /// Types a command.
    ///
    /// # Panics
    /// When there is no `script`.
    #[must_use]
    pub fn run<A: AsRef<OsStr>>(
        self,
        kiln: &Kiln,
        arguments: impl IntoIterator<Item = A>,
    ) -> Shown {
        let Self { rows, columns, colour } = self;
        let typed = kiln.command(arguments);
        let words = std::iter::once(typed.get_program()).chain(typed.get_args()).map(quoted);
        let words: Vec<String> = words.collect();
        let line = format!("stty rows {rows} cols {columns}; {}", words.join(" "));
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        script.env_clear().env("TERM", "xterm").env("USER", crate::USER);
        script.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("KILN_DATA", kiln.data());
        if !colour {
            script.env("NO_COLOR", "1");
        }
        script.current_dir(kiln.scratch()).stdin(Stdio::null());
        let output = script.output().expect("there is script");
        Shown::of(output.status.code(), output.stdout, self)
    }
}

impl Shown {
    fn of(code: Option<i32>, bytes: Vec<u8>, terminal: Terminal) -> Self {
        let mut terminal = Parser::new(terminal.rows, terminal.columns, SCROLLBACK);
        let mut screens = Vec::new();
        let mut rest = &bytes[..];
        while let Some(at) = memchr::memmem::find(rest, DRAWN) {
            let (drawing, others) = rest.split_at(at + DRAWN.len());
            terminal.process(drawing);
            screens.push(terminal.screen().contents());
            rest = others;
        }
        terminal.process(rest);
        screens.push(terminal.screen().contents());
        let left = left(&mut terminal);
        Self { code, screens, left, bytes }
    }

    /// The same, if all of that was on the screen at once.
    ///
    /// # Panics
    /// If it never was.
    #[track_caller]
    pub fn shows(&self, words: &[&str]) -> &Self {
        let shows = |screen: &String| words.iter().all(|word| screen.contains(word));
        assert!(self.screens.iter().any(shows), "{words:?} on none of {:#?}", self.screens);
        self
    }

    /// The only line that is left with that in it.
    ///
    /// # Panics
    /// If there are others, or there is none.
    #[must_use]
    #[track_caller]
    pub fn line(&self, word: &str) -> &str {
        let lines: Vec<&str> = self.left.lines().filter(|line| line.contains(word)).collect();
        let [line] = lines[..] else { panic!("{word}: {lines:?} of\n{self}") };
        line
    }

    /// Whether anything had a colour, or was bold or faint.
    #[must_use]
    pub fn is_coloured(&self) -> bool {
        // The command that ends in `m` sets what a letter looks like.
        let commands = memchr::memmem::find_iter(&self.bytes, b"\x1b[");
        let mut ends = commands
            .filter_map(|at| self.bytes[at + 2..].iter().find(|byte| byte.is_ascii_alphabetic()));
        ends.any(|end| *end == b'm')
    }
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, screens, left, .. } = self;
        writeln!(f, "exit {code:?}\n--- left\n{left}\n--- screens")?;
        screens.iter().try_for_each(|screen| writeln!(f, "{screen}\n---"))
    }
}

/// The lines that scrolled away, then those of the screen.
fn left(terminal: &mut Parser) -> String {
    let columns = terminal.screen().size().1.get();
    let screen = terminal.screen_mut();
    screen.set_scrollback(usize::MAX);
    let mut lines: Vec<String> = Vec::new();
    for back in (1..=screen.scrollback()).rev() {
        screen.set_scrollback(back);
        lines.extend(screen.rows(0, columns).next());
    }
    screen.set_scrollback(0);
    lines.extend(screen.rows(0, columns));
    lines.join("\n").trim_end().to_owned()
}

fn quoted(word: &OsStr) -> String {
    format!("'{}'", word.to_string_lossy().replace('\'', r"'\''"))
}
