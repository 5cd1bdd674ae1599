//! The terminal beneath the tree: lines that are drawn over again in place.

use super::draw::Size;
use super::line::Line;
use console::Term;
use std::io;

/// What is drawn at the end of the terminal's text.
#[derive(Debug)]
pub(super) struct Screen {
    term: Term,
    /// What stands there: drawn over by what comes next.
    drawn: Vec<Line>,
}

impl Screen {
    /// On standard error.
    pub(super) fn new() -> Self {
        // Sent in one piece: it never shows half of a tree.
        Self { term: Term::buffered_stderr(), drawn: Vec::new() }
    }

    pub(super) fn size(&self) -> Size {
        let (rows, columns) = self.term.size();
        Size { rows: rows.into(), columns: columns.into() }
    }

    /// Draws lines in the place of those before. Nobody is left to tell when the terminal is gone.
    pub(super) fn draw(&mut self, lines: Vec<Line>) {
        if lines != self.drawn {
            self.over(&lines).ok();
            self.drawn = lines;
        }
    }

    fn over(&self, lines: &[Line]) -> io::Result<()> {
        let size = self.size();
        // A terminal that became narrower has broken lines in two.
        let rows = |line: &Line| line.width().div_ceil(size.columns.max(1)).max(1);
        let up: usize = self.drawn.iter().map(rows).sum();
        self.term.move_cursor_up(up.min(size.rows.saturating_sub(1)))?;
        for line in lines {
            self.term.clear_line()?;
            self.term.write_line(&line.painted())?;
        }
        self.term.clear_to_end_of_screen()?;
        self.term.flush()
    }
}
