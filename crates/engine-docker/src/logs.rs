//! What instances wrote, as Docker keeps it, line by line.
//!
//! Docker is asked for the lines since the second of the last one, and those that were given already
//! are left out: its times go to the nanosecond, what can be asked for does not.

use crate::connection::SOON;
use crate::inner::Inner;
use crate::settings::Mode;
use crate::trouble::Trouble;
use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::query_parameters::{LogsOptions, LogsOptionsBuilder};
use futures_util::{Stream, StreamExt as _};
use kiln_keeper::Log;
use kiln_names::InstanceId;
use std::sync::Arc;

/// The most lines that are taken at once.
const MOST_LINES: usize = 100_000;
/// The longest line, as everywhere in Kiln.
const LONGEST_LINE: usize = 64 << 10;

/// How far a log has been read: the time of the last line, and how many of that time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Place {
    time: String,
    lines: usize,
}

/// One log that is being read.
#[derive(Debug)]
pub(crate) struct Reading {
    inner: Arc<Inner>,
    id: InstanceId,
    place: Place,
    /// Whether there was something of the instance once.
    was_there: bool,
}

impl Reading {
    /// From the first line on.
    pub(crate) fn new(inner: Arc<Inner>, id: InstanceId) -> Self {
        Self { inner, id, place: Place::default(), was_there: false }
    }

    /// From the end of the lines that were given.
    fn after(inner: Arc<Inner>, id: InstanceId, lines: &[String]) -> Self {
        let mut reading = Self { was_there: true, ..Self::new(inner, id) };
        reading.place.pass(lines);
        reading
    }
}

/// The last lines, and the log from there on.
pub(crate) async fn last(
    inner: &Arc<Inner>,
    id: InstanceId,
    count: usize,
) -> Option<(Vec<String>, Box<dyn Log>)> {
    let count = count.min(MOST_LINES);
    let tail = count.max(1).to_string();
    let lines = read(inner, id, options(0, &tail)).await;
    let mut lines = match lines {
        Ok(lines) => lines,
        Err(Trouble::Absent(_)) => return None,
        Err(trouble) => {
            tracing::warn!(instance = %id, error = trouble.words(), "failed to read a log");
            Vec::new()
        }
    };
    let reading = Reading::after(inner.clone(), id, &lines);
    lines.drain(..lines.len().saturating_sub(count));
    Some((lines, Box::new(reading)))
}

#[async_trait::async_trait]
impl Log for Reading {
    async fn more(&mut self) -> Option<Vec<String>> {
        let lines = read(&self.inner, self.id, options(self.place.second(), "all")).await;
        match lines {
            Ok(lines) => {
                self.was_there = true;
                Some(self.place.news(lines))
            }
            Err(Trouble::Absent(_)) => {
                let own = self.inner.is_own(self.id);
                let gone = self.was_there && !own;
                self.was_there |= own;
                (!gone).then(Vec::new)
            }
            // It is as good as silent.
            Err(_) => Some(Vec::new()),
        }
    }
}

impl Place {
    /// The second that holds the last line.
    fn second(&self) -> i32 {
        let time = self.time.parse::<jiff::Timestamp>();
        time.map_or(0, |time| i32::try_from(time.as_second()).unwrap_or_default())
    }

    /// Of lines since this second, those that come after the place; it moves behind them.
    fn news(&mut self, lines: Vec<String>) -> Vec<String> {
        let mut same = self.lines;
        let news = lines.into_iter().filter(|line| {
            let time = time(line);
            if time == self.time && same > 0 {
                same -= 1;
                return false;
            }
            time >= self.time.as_str()
        });
        let news: Vec<String> = news.collect();
        self.pass(&news);
        news
    }

    fn pass(&mut self, lines: &[String]) {
        for line in lines {
            let time = time(line);
            if time == self.time {
                self.lines += 1;
            } else {
                *self = Self { time: time.to_owned(), lines: 1 };
            }
        }
    }
}

fn time(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

fn options(since: i32, tail: &str) -> LogsOptions {
    let options = LogsOptionsBuilder::default().stdout(true).stderr(true).timestamps(true);
    options.since(since).tail(tail).build()
}

async fn read(inner: &Inner, id: InstanceId, options: LogsOptions) -> Result<Vec<String>, Trouble> {
    let name = inner.owner.name(id);
    let mode = inner.settings.engine.mode;
    let lines = inner.connection.ask(SOON, |docker: Docker| async move {
        match mode {
            Mode::Single => collect(docker.logs(&name, Some(options))).await,
            Mode::Swarm => collect(docker.service_logs(&name, Some(options))).await,
        }
    });
    // Lines of the same time keep their order; a Swarm mixes both outputs.
    let mut lines = lines.await?;
    lines.sort_by(|a, b| time(a).cmp(time(b)));
    Ok(lines)
}

async fn collect(
    outputs: impl Stream<Item = Result<LogOutput, Error>>,
) -> Result<Vec<String>, Error> {
    let mut outputs = std::pin::pin!(outputs);
    let mut lines = Vec::new();
    while let Some(output) = outputs.next().await {
        lines.extend(line(&output?));
        if lines.len() >= MOST_LINES {
            break;
        }
    }
    Ok(lines)
}

/// A raw line of what Docker gives: the time, a blank, the text, the line's end unless it goes on.
fn line(output: &LogOutput) -> Option<String> {
    let (source, message) = match output {
        LogOutput::StdErr { message } => ("stderr", message),
        LogOutput::StdOut { message } | LogOutput::Console { message } => ("stdout", message),
        LogOutput::StdIn { .. } => return None,
    };
    let message = String::from_utf8_lossy(message);
    let (time, text) = message.split_once(' ')?;
    // What is no time comes from no container's log.
    time.parse::<jiff::Timestamp>().ok()?;
    let (text, whole) = match text.strip_suffix('\n') {
        Some(text) => (text, 'F'),
        None => (text, 'P'),
    };
    let text = text.strip_suffix('\r').unwrap_or(text).replace('\n', " ");
    let end = (0..=text.len().min(LONGEST_LINE)).rev().find(|end| text.is_char_boundary(*end));
    Some(format!("{time} {source} {whole} {}", &text[..end.unwrap_or_default()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stdout(text: &str) -> Option<String> {
        line(&LogOutput::StdOut { message: text.to_owned().into() })
    }

    #[test]
    fn lines_are_raw_lines_and_what_goes_on_says_so() {
        let time = "2026-01-02T03:04:05.678901234Z";
        assert_eq!(
            stdout(&format!("{time} hello there\n")).unwrap(),
            format!("{time} stdout F hello there")
        );
        assert_eq!(stdout(&format!("{time} a piece")).unwrap(), format!("{time} stdout P a piece"));
        let stderr = LogOutput::StdErr { message: format!("{time} oops\n").into() };
        assert_eq!(line(&stderr).unwrap(), format!("{time} stderr F oops"));
        assert_eq!(stdout("no time\n"), None);
    }

    #[test]
    fn lines_that_were_given_are_not_given_again() {
        let lines = |times: &[&str]| -> Vec<String> {
            times.iter().map(|time| format!("{time} stdout F x")).collect()
        };
        let (a, b, c) =
            ("2026-01-02T03:04:05.1Z", "2026-01-02T03:04:05.2Z", "2026-01-02T03:04:05.3Z");
        let mut place = Place::default();
        assert_eq!(place.news(lines(&[a, b, b])).len(), 3);
        assert_eq!(place.news(lines(&[a, b, b])), Vec::<String>::new());
        assert_eq!(place.news(lines(&[a, b, b, b, c])), lines(&[b, c]));
        assert_eq!(place.second(), 1_767_323_045);
    }
}
