//! What instances wrote, while they run and after.

use crate::keeping::{Keeping, SERVE_PAGE};
use crate::machine::until;
use futures_util::StreamExt;
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn the_lines_of_an_instance_that_is_gone_are_kept() {
    let keeping = Keeping::healthy(&format!("echo begun; {SERVE_PAGE}"), 1);
    let id = keeping.only().id;
    assert_eq!(keeping.lines(id), ["begun"]);
    keeping.resize(0);
    keeping.until_healthy(0);
    until("its files are gone", || {
        assert_eq!(keeping.lines(id), ["begun"]);
        !keeping.machine.dir(id).exists()
    });
    assert_eq!(keeping.lines(id), ["begun"]);
}

#[test]
fn the_lines_of_an_instance_that_crashed_are_shown_before_its_successor_starts() {
    let keeping = Keeping::new("echo no configuration; exit 1", 1);
    until("the pauses between starts grow", || {
        keeping.group().unwrap().crash_loop.is_some_and(|crash| crash.exits > 4)
    });
    let id = keeping.group().unwrap().crash_loop.unwrap().instance;
    until("its files are gone", || !keeping.machine.dir(id).exists());
    assert_eq!(keeping.lines(id), ["no configuration"]);
}

#[test]
fn a_follower_hears_the_last_words_of_every_instance_once() {
    let keeping = Keeping::new("echo first; echo last; exit 1", 0);
    let mut lines = keeping.logs(None, true);
    keeping.resize(1);
    let mut heard = Vec::new();
    keeping.run(async {
        while heard.len() < 8 {
            let next = tokio::time::timeout(Duration::from_secs(30), lines.next()).await;
            let line = next.unwrap().unwrap();
            heard.push((line.instance, line.text));
        }
    });
    let once: BTreeSet<_> = heard.iter().cloned().collect();
    assert_eq!(once.len(), heard.len(), "{heard:?}");
    let instances: BTreeSet<_> = heard.iter().map(|(instance, _)| *instance).collect();
    assert_eq!(instances.len(), 4, "{heard:?}");
}
