//! What an instance is told, whichever runtime starts it.

use crate::Birth;
use kiln_config::InstanceFacts;
use kiln_engine::UserData;
use kiln_init::InitSpec;
use kiln_protocol::recipe::ImageProcess;
use std::collections::BTreeMap;
use std::num::NonZeroU16;

/// The longest host name that a kernel takes, less its end.
const LONGEST_HOST_NAME: usize = 63;

impl Birth {
    /// The variables that configuration and Kiln give it; `port` is the one that it listens on.
    #[must_use]
    pub fn variables(&self, port: Option<NonZeroU16>) -> BTreeMap<String, String> {
        let group = &self.spec;
        let facts = InstanceFacts {
            app: Some(&group.app),
            env: Some(&group.env),
            process: &group.process,
            group: Some(&group.name),
            instance: self.id,
            release: Some(group.release),
            image: group.image,
            port,
        };
        kiln_config::environment(&group.user_data.properties, &facts)
    }

    /// Its host name: its group's name, or its group's id where that is too long.
    #[must_use]
    pub fn hostname(&self) -> String {
        let named = format!("{}-{}", self.spec.name, self.slot);
        match named.len() <= LONGEST_HOST_NAME {
            true => named,
            false => format!("g-{}-{}", self.spec.id, self.slot),
        }
    }
}

/// The image's own variables, then those of configuration and Kiln, which nothing overrides.
#[must_use]
pub fn over_image(image: &[String], own: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let image = image.iter().filter_map(|pair| pair.split_once('='));
    let mut all: BTreeMap<String, String> =
        image.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    all.extend(own);
    all
}

/// What `kiln-init` is told before it runs the process.
#[must_use]
pub fn init(run: &ImageProcess, user_data: &UserData) -> InitSpec {
    InitSpec {
        properties: user_data.properties.clone(),
        launch: user_data.launch.clone(),
        command: run.command.clone(),
        ..InitSpec::default()
    }
}
