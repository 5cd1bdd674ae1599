//! What an engine says of containers. Pure.

use crate::labels::Owner;
use crate::seen::{Ended, Seen};
use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum as State, ContainerSummary,
    ContainerSummaryStateEnum as Listed,
};
use kiln_names::InstanceId;
use std::collections::HashMap;

/// Whether a container is the one of that instance.
pub(crate) fn is_of(owner: &Owner, found: &ContainerInspectResponse, id: InstanceId) -> bool {
    let labels = found.config.as_ref().and_then(|config| config.labels.as_ref());
    owner.instance(labels) == Some(id)
}

/// The state of one.
pub(crate) fn seen(found: &ContainerInspectResponse) -> Seen {
    let state = found.state.as_ref().and_then(|state| state.status);
    match state {
        Some(State::RUNNING | State::PAUSED | State::RESTARTING | State::STOPPING) => {
            Seen::Running(None)
        }
        Some(State::CREATED) => Seen::Pending(None),
        _ => Seen::Ended(Ended::default()),
    }
}

/// The states of all.
pub(crate) fn all(owner: &Owner, listed: &[ContainerSummary]) -> HashMap<InstanceId, Seen> {
    let one = |found: &ContainerSummary| {
        let id = owner.instance(found.labels.as_ref())?;
        let seen = match found.state {
            Some(Listed::RUNNING | Listed::PAUSED | Listed::RESTARTING | Listed::STOPPING) => {
                Seen::Running(None)
            }
            Some(Listed::CREATED) => Seen::Pending(None),
            _ => Seen::Ended(Ended::default()),
        };
        Some((id, seen))
    };
    listed.iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::tests::{birth, owner};
    use serde_json::json;

    #[test]
    fn containers_are_told_by_their_state_and_foreign_ones_not_at_all() {
        let labels = owner().of(&birth());
        let list = |state: &str, labels: &HashMap<String, String>| {
            let json = json!([{"Id": "x", "State": state, "Labels": labels}]);
            let listed: Vec<ContainerSummary> = serde_json::from_value(json).unwrap();
            all(&owner(), &listed).remove(&birth().id)
        };
        assert_eq!(list("running", &labels), Some(Seen::Running(None)));
        assert_eq!(list("created", &labels), Some(Seen::Pending(None)));
        assert_eq!(list("exited", &labels), Some(Seen::Ended(Ended::default())));
        assert_eq!(list("dead", &labels), Some(Seen::Ended(Ended::default())));
        assert_eq!(list("running", &HashMap::new()), None);
    }
}
