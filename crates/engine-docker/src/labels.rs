//! What Kiln writes on everything of its own: nothing without it is ever touched.

use kiln_keeper::Birth;
use kiln_names::{EnvName, InstallId, InstanceId};
use std::collections::HashMap;

/// Whose it is.
pub(crate) const INSTALL: &str = "io.kiln.install";
/// Of which environment.
pub(crate) const ENV: &str = "io.kiln.env";
/// Which instance it is, or is for.
pub(crate) const INSTANCE: &str = "io.kiln.instance";
/// On a network: the subnet that it shall have.
pub(crate) const SUBNET: &str = "io.kiln.subnet";

/// Whose things are meant: those of one environment of one install.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    pub(crate) install: InstallId,
    pub(crate) env: EnvName,
}

impl Owner {
    /// What is on everything.
    pub(crate) fn labels(&self) -> HashMap<String, String> {
        let pairs = [(INSTALL, self.install.to_string()), (ENV, self.env.to_string())];
        pairs.map(|(key, value)| (key.to_owned(), value)).into()
    }

    /// What is on an instance.
    pub(crate) fn of(&self, birth: &Birth) -> HashMap<String, String> {
        let spec = &birth.spec;
        let pairs = [
            ("io.kiln.app", spec.app.to_string()),
            ("io.kiln.process", spec.process.to_string()),
            ("io.kiln.group", spec.id.to_string()),
            ("io.kiln.group-name", spec.name.to_string()),
            (INSTANCE, birth.id.to_string()),
            ("io.kiln.release", spec.release.to_string()),
            ("io.kiln.slot", birth.slot.to_string()),
        ];
        let mut labels = self.labels();
        labels.extend(pairs.map(|(key, value)| (key.to_owned(), value)));
        labels
    }

    /// What asks an engine for everything of this owner's.
    pub(crate) fn filters(&self) -> HashMap<String, Vec<String>> {
        let labels = [format!("{INSTALL}={}", self.install), format!("{ENV}={}", self.env)];
        [("label".to_owned(), labels.into())].into()
    }

    /// The name of an instance's container, or service.
    pub(crate) fn name(&self, id: InstanceId) -> String {
        format!("kiln-{}-{id}", self.install)
    }

    /// The name of the environment's network.
    pub(crate) fn network(&self) -> String {
        format!("kiln-{}-{}", self.install, self.env)
    }

    /// Whether something with these labels is this owner's.
    pub(crate) fn owns(&self, labels: &HashMap<String, String>) -> bool {
        self.labels().iter().all(|(key, value)| labels.get(key) == Some(value))
    }

    /// The instance that something of this owner's is of.
    pub(crate) fn instance(&self, labels: Option<&HashMap<String, String>>) -> Option<InstanceId> {
        let labels = labels.filter(|labels| self.owns(labels))?;
        InstanceId::parse(labels.get(INSTANCE)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_carries_install_and_environment_is_owned() {
        let env = EnvName::parse("prod").unwrap();
        let owner = Owner { install: InstallId::from_random([1, 2, 3]), env };
        let mut labels = owner.labels();
        labels.insert(INSTANCE.to_owned(), "0a0b0c0d0e0f".to_owned());
        let id = InstanceId::parse("0a0b0c0d0e0f").unwrap();
        assert_eq!(owner.instance(Some(&labels)), Some(id));
        assert_eq!(owner.name(id), "kiln-010203-0a0b0c0d0e0f");
        labels.insert(INSTANCE.to_owned(), "else".to_owned());
        assert_eq!(owner.instance(Some(&labels)), None);
        labels.insert(INSTANCE.to_owned(), id.to_string());
        labels.insert(ENV.to_owned(), "test".to_owned());
        assert_eq!(owner.instance(Some(&labels)), None);
        assert_eq!(owner.instance(None), None);
    }
}
