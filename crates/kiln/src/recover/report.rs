//! What a recovery brought back, and what not.

use crate::data::Data;
use crate::role::Role;
use crate::say;
use kiln_store::{Origin, Salvaged};
use serde_json::{Value, json};
use std::path::PathBuf;

/// What was done.
#[derive(Debug)]
pub(crate) struct Report {
    database: PathBuf,
    /// What was wrong; none if nothing was.
    why: Option<String>,
    up: bool,
    /// Where the damaged files are now.
    pub(crate) aside: Option<PathBuf>,
    pub(crate) tables: Vec<Salvaged>,
    /// How many instances run and are known again.
    pub(crate) instances: usize,
    /// What a person has to know or to do.
    pub(crate) notes: Vec<String>,
}

impl Report {
    pub(crate) fn new(data: &Data, why: String) -> Self {
        Self { why: Some(why), ..Self::nothing_to_do(data) }
    }

    pub(crate) fn nothing_to_do(data: &Data) -> Self {
        Self {
            database: crate::books::path(data),
            why: None,
            up: Role::Up.player(data).is_some(),
            aside: None,
            tables: Vec::new(),
            instances: 0,
            notes: Vec::new(),
        }
    }

    pub(crate) fn print(&self, json: bool) {
        if json {
            say::data(&self.json().to_string());
            return;
        }
        let database = self.database.display();
        let Some(why) = &self.why else {
            say::note(&format!("{database} is whole; nothing to recover."));
            return;
        };
        say::note(&format!("{database} is rebuilt; {why}."));
        if let Some(aside) = &self.aside {
            say::note(&format!("  the old one     {}", aside.display()));
        }
        say::note(&format!("  instances       {} run on and are known again", self.instances));
        for (label, origin) in [
            ("read whole", Origin::Database),
            ("read in part", Origin::Both),
            ("from the spare", Origin::Spare),
        ] {
            self.list(label, origin);
        }
        self.lost();
        self.notes.iter().for_each(|note| say::note(&format!("  {note}")));
        match self.up {
            true => say::note("kiln up starts the server again by itself."),
            false => say::note("Start the server with kiln up."),
        }
    }

    fn list(&self, label: &str, origin: Origin) {
        let here = self.tables.iter().filter(|done| done.origin == origin && done.rows > 0);
        let names: Vec<&str> = here.map(|done| done.table.as_str()).collect();
        if !names.is_empty() {
            say::note(&format!("  {label:<14}  {}", wrapped(&names)));
        }
    }

    /// What is missing, in the words of people rather than of tables.
    fn lost(&self) {
        for (table, present, nothing) in LOST {
            let origin = self.tables.iter().find(|done| done.table == *table).map(|d| d.origin);
            match origin {
                Some(Origin::Present) => say::note(&format!("  lost            {present}")),
                Some(Origin::Nothing) => say::note(&format!("  lost            {nothing}")),
                _ => {}
            }
        }
    }

    fn json(&self) -> Value {
        let table = |done: &Salvaged| json!({"table": done.table, "rows": done.rows, "from": word(done.origin)});
        json!({
            "database": self.database,
            "recovered": self.why.is_some(),
            "reason": self.why,
            "aside": self.aside,
            "instances": self.instances,
            "tables": self.tables.iter().map(table).collect::<Vec<_>>(),
            "notes": self.notes,
        })
    }
}

/// A table, what is lost when only its present is left, and what when nothing is.
const LOST: &[(&str, &str, &str)] = &[
    ("deployments", "older deployments", "all earlier deployments"),
    ("audit", "who changed what, so far", "who changed what, so far"),
    (
        "bake_layers",
        "what bakes need not do again: the next ones take longer",
        "what bakes need not do again: the next ones take longer",
    ),
    ("applications", "", "applications that nothing runs of, and all properties"),
    ("versions", "", "the names of images: APP:VERSION"),
    ("bases", "", "the names of bases: kiln base bake names them again"),
];

const fn word(origin: Origin) -> &'static str {
    match origin {
        Origin::Database => "database",
        Origin::Both => "both",
        Origin::Spare => "spare",
        Origin::Present => "spare-present",
        Origin::Nothing => "nothing",
    }
}

/// Names in lines of at most 60 characters, the second and later ones indented.
fn wrapped(names: &[&str]) -> String {
    let mut lines = vec![String::new()];
    for name in names {
        let line = lines.last_mut().expect("there is always one");
        if line.len() + name.len() > 58 {
            lines.push((*name).to_owned());
        } else if line.is_empty() {
            line.push_str(name);
        } else {
            line.push(' ');
            line.push_str(name);
        }
    }
    lines.join(&format!("\n{:18}", ""))
}
