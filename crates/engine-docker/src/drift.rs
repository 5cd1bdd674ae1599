//! Differences in the words of an engine's.

use crate::labels::Owner;
use kiln_engine::Drift;
use kiln_keeper::Birth;
use kiln_names::InstanceId;

/// What differs, what it should be, and what it is.
pub(crate) type Gap = (String, String, String);

pub(crate) fn gap(what: &str, expected: impl ToString, found: impl ToString) -> Gap {
    (what.to_owned(), expected.to_string(), found.to_string())
}

/// A difference of an instance that should run as it was started.
pub(crate) fn of_birth(birth: &Birth, (what, expected, found): Gap) -> Drift {
    Drift {
        app: Some(birth.spec.app.clone()),
        env: Some(birth.spec.env.clone()),
        subject: format!("instance {} of {}", birth.id, birth.spec.name),
        what,
        expected,
        found,
        mend: format!("kiln replace {}", birth.id),
    }
}

/// Something of ours that no instance answers for.
pub(crate) fn stray(kind: &str, owner: &Owner, id: InstanceId) -> Drift {
    let name = owner.name(id);
    let mend = match kind {
        "service" => format!("docker service rm {name}"),
        _ => format!("docker rm --force {name}"),
    };
    Drift {
        app: None,
        env: Some(owner.env.clone()),
        subject: format!("{kind} {name}"),
        what: "its instance".to_owned(),
        expected: "one that Kiln knows".to_owned(),
        found: "none".to_owned(),
        mend,
    }
}
