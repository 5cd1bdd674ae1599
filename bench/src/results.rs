//! Figures for programs: one object for each row and peer.

use crate::figure::{Beside, Figure};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The figures of the last whole run.
pub(crate) fn latest() -> PathBuf {
    kiln_tests::repository().join("bench/results/latest.json")
}

/// Replaces a file by the figures.
pub(crate) fn write(path: &Path, figures: &[Figure]) -> Result<()> {
    let objects: Vec<Value> = figures.iter().flat_map(of_figure).collect();
    let text = serde_json::to_string_pretty(&objects)?;
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    std::fs::write(path, format!("{text}\n")).with_context(|| format!("write {}", path.display()))
}

fn of_figure(figure: &Figure) -> Vec<Value> {
    if figure.peers.is_empty() {
        return vec![object(figure, None)];
    }
    figure.peers.iter().map(|beside| object(figure, Some(beside))).collect()
}

fn object(figure: &Figure, beside: Option<&Beside>) -> Value {
    json!({
        "row": figure.row,
        "kiln": rounded(figure.kiln),
        "peer": beside.map(|beside| beside.peer),
        "peer_value": beside.and_then(|beside| beside.value).map(rounded),
        "unit": figure.unit.as_str(),
        "ratio": beside.and_then(|beside| figure.ratio(beside)).map(rounded),
    })
}

/// To four digits after the point.
fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::Unit;

    #[test]
    fn there_is_an_object_for_each_row_and_peer_and_nothing_is_invented() {
        let alone = Figure::new("switch", "", Unit::Milliseconds, 1.0);
        let missing = Figure::new("ship", "", Unit::Milliseconds, 1.0).beside("swarm", None);
        assert_eq!(of_figure(&alone)[0]["peer"], Value::Null);
        assert_eq!(of_figure(&missing)[0]["peer"], "swarm");
        assert_eq!(of_figure(&missing)[0]["peer_value"], Value::Null);
        assert_eq!(of_figure(&missing)[0]["ratio"], Value::Null);
    }
}
