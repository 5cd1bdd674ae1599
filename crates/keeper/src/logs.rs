//! Reading what instances wrote: from the runtime while it has it, then from the database.

mod follow;

use crate::engine::store;
use crate::inner::Inner;
use follow::{Followed, follow};
use kiln_engine::{EngineError, LogLine, LogQuery, LogStream, Source};
use kiln_names::{GroupName, InstanceId};
use kiln_store::local;
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The most lines of one instance that a reader may begin with.
const MOST_LINES: usize = 100_000;
/// Lines waiting for a slow reader; then reading waits as well.
const QUEUE: usize = 256;

/// Where one instance's lines come from.
#[derive(Debug, Clone)]
struct Origin {
    instance: InstanceId,
    group: GroupName,
}

/// The lines that a query asks for.
pub(crate) async fn read(inner: Arc<Inner>, query: LogQuery) -> Result<LogStream, EngineError> {
    let tail = query.tail.min(MOST_LINES);
    let known = running(&inner, &query);
    let shown: HashSet<InstanceId> = known.iter().map(|origin| origin.instance).collect();
    // The runtime first: what it does not have any more has been recorded before it was removed.
    let (mut lines, followed) = first_lines(&inner, known, tail).await;
    let read: HashSet<InstanceId> = followed.iter().map(Followed::instance).collect();
    let ended = ended(&inner, &query, |id| !read.contains(&id), &shown).await?;
    if ended.is_empty() && shown.is_empty() && query.instance.is_some() {
        return Err(EngineError::not_found("there is no such instance, and no log of one is kept"));
    }
    let done: HashSet<InstanceId> = ended.iter().map(|row| row.instance.id).collect();
    lines.extend(ended.iter().flat_map(|row| kept_lines(row, tail)));
    lines.sort_by(|a, b| a.time.cmp(&b.time));
    if !query.follow {
        return Ok(Box::pin(futures_util::stream::iter(lines)));
    }
    let (send, receive) = mpsc::channel(QUEUE);
    inner.spawn(follow(inner.clone(), query, lines, (followed, done), send));
    let next = |mut receive: mpsc::Receiver<LogLine>| async {
        let line = receive.recv().await?;
        Some((line, receive))
    };
    Ok(Box::pin(futures_util::stream::unfold(receive, next)))
}

/// The instances that the model knows: their logs are there, or were until they were recorded.
fn running(inner: &Inner, query: &LogQuery) -> Vec<Origin> {
    let model = inner.model();
    let asked = model.groups.values().filter(|g| {
        g.spec.app == query.app
            && g.spec.env == query.env
            && query.group.as_ref().is_none_or(|name| *name == g.spec.name)
    });
    let origins = asked.flat_map(|group| {
        group
            .instances
            .iter()
            .map(|instance| Origin { instance: instance.id, group: group.spec.name.clone() })
    });
    origins.filter(|o| query.instance.is_none_or(|id| id == o.instance)).collect()
}

/// Those that ended and are not read from the runtime: all that are kept when a group or an instance is
/// asked for by name, or when there is nothing else; otherwise only what the model still shows.
async fn ended(
    inner: &Inner,
    query: &LogQuery,
    wanted: impl Fn(InstanceId) -> bool,
    shown: &HashSet<InstanceId>,
) -> Result<Vec<local::EndedInstance>, EngineError> {
    let all = query.group.is_some() || query.instance.is_some() || shown.is_empty();
    if !all && !shown.iter().any(|id| wanted(*id)) {
        return Ok(Vec::new());
    }
    let mut db = inner.db.read().await.map_err(store)?;
    let rows = local::ended_instances(&mut db, &query.app, &query.env).await.map_err(store)?;
    let asked = rows.into_iter().filter(|row| {
        let id = row.instance.id;
        query.group.as_ref().is_none_or(|name| *name == row.instance.group_name)
            && query.instance.is_none_or(|asked| asked == id)
            && (all || shown.contains(&id))
            && wanted(id)
    });
    Ok(asked.collect())
}

/// The last lines of each instance whose log is there.
async fn first_lines(
    inner: &Inner,
    origins: Vec<Origin>,
    tail: usize,
) -> (Vec<LogLine>, Vec<Followed>) {
    let mut lines = Vec::new();
    let mut followed = Vec::new();
    for origin in origins {
        // One line at least: its time says from where on to follow.
        let last = inner.runtime.last_lines(origin.instance, tail.max(1)).await;
        let Some((last, log)) = last else { continue };
        let newest = last.last().and_then(|raw| line(&origin, raw)).map(|line| line.time);
        let shown = &last[last.len().saturating_sub(tail)..];
        lines.extend(shown.iter().filter_map(|raw| line(&origin, raw)));
        followed.push(Followed::new(origin, log, newest));
    }
    (lines, followed)
}

/// The last lines of an instance whose log is gone.
fn kept_lines(row: &local::EndedInstance, tail: usize) -> Vec<LogLine> {
    let origin = Origin { instance: row.instance.id, group: row.instance.group_name.clone() };
    let all: Vec<_> = row.last_lines.lines().collect();
    let last = &all[all.len().saturating_sub(tail)..];
    last.iter().filter_map(|raw| line(&origin, raw)).collect()
}

fn line(origin: &Origin, raw: &str) -> Option<LogLine> {
    let (time, source, text) = parse(raw)?;
    let (instance, group) = (origin.instance, origin.group.clone());
    Some(LogLine { instance, group, time: time.to_owned(), source, text: text.to_owned() })
}

/// Takes `TIME stdout F text` apart.
fn parse(raw: &str) -> Option<(&str, Source, &str)> {
    let (time, rest) = raw.split_once(' ')?;
    let (source, rest) = rest.split_once(' ')?;
    let source = match source {
        "stdout" => Source::Stdout,
        "stderr" => Source::Stderr,
        _ => return None,
    };
    // `F` ends a line, `P` a piece of a longer one; an empty line has nothing behind it.
    let text = rest.split_once(' ').map_or("", |(_, text)| text);
    Some((time, source, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart_at_its_first_three_spaces() {
        assert_eq!(parse("T stdout F a b"), Some(("T", Source::Stdout, "a b")));
        assert_eq!(parse("T stderr F"), Some(("T", Source::Stderr, "")));
        assert_eq!(parse("nonsense"), None);
    }
}
