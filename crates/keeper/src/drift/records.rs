//! The database beside what this server keeps in memory: groups, sizes, specs, traffic.

use super::{Gap, Rows, gap, of_nobody};
use crate::inner::Inner;
use crate::model::Model;
use kiln_engine::{Drift, GroupSpec, Slots, TrafficState};

/// What puts memory right: it is read from the database at every start.
const AGAIN: &str = "end kiln up with Ctrl-C, and start it again: services go on meanwhile";

pub(super) fn compare(inner: &Inner, rows: &Rows) -> Vec<Drift> {
    let model = inner.model();
    let mut all = Vec::new();
    for row in &rows.groups {
        let Some(known) = model.groups.get(&row.id) else { continue };
        let subject = format!("group {}", known.spec.name);
        let (app, env) = (Some(known.spec.app.clone()), Some(known.spec.env.clone()));
        let drift = |gap| Drift {
            app: app.clone(),
            env: env.clone(),
            ..of_nobody(&subject, Gap { mend: AGAIN, ..gap })
        };
        let slots = Slots { first: row.first, count: row.size };
        if known.slots != slots {
            let said = |slots: Slots| format!("{} from slot {}", slots.count, slots.first);
            all.push(drift(gap("its size", said(slots), said(known.slots))));
        }
        let spec: Option<GroupSpec> = serde_json::from_str(&row.spec).ok();
        if spec.as_ref() != Some(&*known.spec) {
            all.push(drift(gap("its spec in the database", "as it was frozen", "another one")));
        }
    }
    all.extend(unkept(&model, rows).into_iter().map(|gap| of_nobody("groups", gap)));
    all.extend(traffic(&model, rows));
    all
}

/// Groups that only one of the two knows.
fn unkept(model: &Model, rows: &Rows) -> Vec<Gap> {
    let mend = |gap: Gap| Gap { mend: AGAIN, ..gap };
    let lost = rows.groups.iter().filter(|row| !model.groups.contains_key(&row.id));
    let lost = lost.map(|row| gap("kept groups", format!("group {}", row.id), "not kept"));
    let known = |id| rows.groups.iter().any(|row| row.id == id);
    let extra = model.groups.values().filter(|group| !known(group.spec.id));
    let extra = extra.map(|group| gap("kept groups", "those of the database", &group.spec.name));
    lost.chain(extra).map(mend).collect()
}

fn traffic(model: &Model, rows: &Rows) -> Vec<Drift> {
    let differs = |row: &&kiln_store::local::TrafficRow| {
        let asked = model.traffic.get(&(row.app.clone(), row.env.clone()));
        let state: Option<TrafficState> = serde_json::from_str(&row.state).ok();
        asked.is_none_or(|asked| {
            asked.version.0 != row.version || state != Some(asked.state.clone())
        })
    };
    let told = |row: &kiln_store::local::TrafficRow| Drift {
        app: Some(row.app.clone()),
        env: Some(row.env.clone()),
        subject: format!("traffic of {} in {}", row.app, row.env),
        what: "its version".to_owned(),
        expected: row.version.to_string(),
        found: "another one in memory".to_owned(),
        mend: AGAIN.to_owned(),
    };
    rows.traffic.iter().filter(differs).map(told).collect()
}
