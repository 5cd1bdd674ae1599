//! Reading what instances wrote: from their files while they are there, then from the database.

mod file;

pub(crate) use file::tail_of;

use crate::engine::store;
use crate::inner::Inner;
use file::{Follower, parse};
use kiln_engine::{EngineError, LogLine, LogQuery, LogStream};
use kiln_names::{GroupName, InstanceId};
use kiln_store::local;
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// The most lines of one instance that a reader may begin with.
const MOST_LINES: usize = 100_000;
/// How often followed files are looked at. A person does not notice; the cost is one `stat` each.
const LOOK: Duration = Duration::from_millis(100);
/// Lines waiting for a slow reader; then reading waits as well.
const QUEUE: usize = 256;

/// Where one instance's lines come from.
#[derive(Debug, Clone)]
struct Origin {
    instance: InstanceId,
    group: GroupName,
    dir: PathBuf,
    /// Its last lines, for one that is gone.
    kept: Option<String>,
}

/// The lines that a query asks for.
pub(crate) async fn read(inner: Arc<Inner>, query: LogQuery) -> Result<LogStream, EngineError> {
    let mut origins = running(&inner, &query);
    origins.extend(ended(&inner, &query, &origins).await?);
    if origins.is_empty() && query.instance.is_some() {
        return Err(EngineError::not_found("there is no such instance, and no log of one is kept"));
    }
    let tail = query.tail.min(MOST_LINES);
    let first = tokio::task::spawn_blocking(move || first_lines(origins, tail)).await;
    let (lines, followers) = first.map_err(|error| EngineError::retry(error.to_string()))?;
    if !query.follow {
        return Ok(Box::pin(futures_util::stream::iter(lines)));
    }
    let (send, receive) = mpsc::channel(QUEUE);
    let following = follow(inner.clone(), query, lines, followers, send);
    inner.spawn(following);
    let next = |mut receive: mpsc::Receiver<LogLine>| async {
        let line = receive.recv().await?;
        Some((line, receive))
    };
    Ok(Box::pin(futures_util::stream::unfold(receive, next)))
}

/// The instances that the model knows and whose directory is therefore still there, or was until a
/// moment ago.
fn running(inner: &Inner, query: &LogQuery) -> Vec<Origin> {
    let model = inner.model();
    let asked = model.groups.values().filter(|g| {
        g.spec.app == query.app
            && g.spec.env == query.env
            && query.group.as_ref().is_none_or(|name| *name == g.spec.name)
    });
    let origins = asked.flat_map(|group| {
        group.instances.iter().map(|instance| Origin {
            instance: instance.id,
            group: group.spec.name.clone(),
            dir: inner.machine.instance_dir(instance.id),
            kept: None,
        })
    });
    origins.filter(|o| query.instance.is_none_or(|id| id == o.instance)).collect()
}

/// Those that ended: all that are kept when a group or an instance is asked for by name; otherwise
/// only what the model still shows.
async fn ended(
    inner: &Inner,
    query: &LogQuery,
    known: &[Origin],
) -> Result<Vec<Origin>, EngineError> {
    if query.group.is_none() && query.instance.is_none() && !known.is_empty() {
        return Ok(Vec::new());
    }
    let mut db = inner.db.read().await.map_err(store)?;
    let rows = local::ended_instances(&mut db, &query.app, &query.env).await.map_err(store)?;
    let known: HashSet<_> = known.iter().map(|origin| origin.instance).collect();
    let asked = rows.into_iter().filter(|row| {
        query.group.as_ref().is_none_or(|name| *name == row.instance.group_name)
            && query.instance.is_none_or(|id| id == row.instance.id)
            && !known.contains(&row.instance.id)
    });
    let origin = |row: local::EndedInstance| Origin {
        instance: row.instance.id,
        group: row.instance.group_name,
        dir: inner.machine.instance_dir(row.instance.id),
        kept: Some(row.last_lines),
    };
    Ok(asked.map(origin).collect())
}

fn first_lines(origins: Vec<Origin>, tail: usize) -> (Vec<LogLine>, Vec<Followed>) {
    let mut lines = Vec::new();
    let mut followers = Vec::new();
    for origin in origins {
        let follower = Follower::at_end(&origin.dir);
        lines.extend(raw_lines(&origin, tail).iter().filter_map(|raw| line(&origin, raw)));
        if origin.kept.is_none() {
            followers.push((origin, follower));
        }
    }
    lines.sort_by(|a, b| a.time.cmp(&b.time));
    (lines, followers)
}

type Followed = (Origin, Follower);

fn raw_lines(origin: &Origin, tail: usize) -> Vec<String> {
    match &origin.kept {
        Some(kept) => {
            let all: Vec<_> = kept.lines().collect();
            all[all.len().saturating_sub(tail)..].iter().map(ToString::to_string).collect()
        }
        None => tail_of(&origin.dir, tail),
    }
}

fn line(origin: &Origin, raw: &str) -> Option<LogLine> {
    let (time, source, text) = parse(raw)?;
    let (instance, group) = (origin.instance, origin.group.clone());
    Some(LogLine { instance, group, time: time.to_owned(), source, text: text.to_owned() })
}

/// Sends lines as they come until the reader goes away.
async fn follow(
    inner: Arc<Inner>,
    query: LogQuery,
    first: Vec<LogLine>,
    followers: Vec<Followed>,
    send: mpsc::Sender<LogLine>,
) {
    let mut followed: BTreeMap<InstanceId, Followed> =
        followers.into_iter().map(|followed| (followed.0.instance, followed)).collect();
    let mut fresh = first;
    loop {
        for line in fresh {
            if send.send(line).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = send.closed() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        for origin in running(&inner, &query) {
            let instance = origin.instance;
            followed.entry(instance).or_insert_with(|| (origin, Follower::default()));
        }
        let look = tokio::task::spawn_blocking(move || new_lines(followed));
        let Ok((lines, still)) = look.await else { return };
        (fresh, followed) = (lines, still);
    }
}

fn new_lines(
    mut followed: BTreeMap<InstanceId, Followed>,
) -> (Vec<LogLine>, BTreeMap<InstanceId, Followed>) {
    let mut lines = Vec::new();
    for (origin, follower) in followed.values_mut() {
        lines.extend(follower.new_lines(&origin.dir).iter().filter_map(|raw| line(origin, raw)));
    }
    lines.sort_by(|a, b| a.time.cmp(&b.time));
    followed.retain(|_, (origin, _)| origin.dir.exists());
    (lines, followed)
}
