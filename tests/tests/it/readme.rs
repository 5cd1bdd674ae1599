//! The README names what is there.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources(dir: &Path, into: &mut String) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            into.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

/// The last column of the table's rows, without its quotes.
fn tests_of(readme: &str) -> Vec<&str> {
    let rows = readme.lines().filter(|line| line.starts_with("| ") && line.contains("| `"));
    let shown = rows.filter_map(|row| row.trim_end_matches([' ', '|']).rsplit('|').next());
    shown.map(|name| name.trim().trim_matches('`')).filter(|name| name.contains('_')).collect()
}

#[test]
fn every_test_that_the_table_names_exists() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let mut code = String::new();
    for dir in ["crates", "tests", "bench"] {
        sources(&root().join(dir), &mut code);
    }
    let named = tests_of(&readme);
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        assert!(code.contains(&format!("fn {name}()")), "there is no test {name}");
    }
}

#[test]
fn every_document_that_the_readme_leads_to_exists() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let links = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    for link in links.filter(|link| !link.contains("://")) {
        assert!(root().join(link).exists(), "{link}");
    }
}
