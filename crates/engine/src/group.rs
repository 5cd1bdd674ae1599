//! What a group is made of.

use kiln_names::{
    AppName, Digest, EnvName, GroupId, GroupName, GroupNumber, ProcessName, ReleaseId,
    SecretVersions, VolumeName,
};
use kiln_protocol::configuration::ProcessParams;
use kiln_protocol::recipe::ImageProcess;
use serde::{Deserialize, Serialize};

/// Everything that an instance of a group needs, frozen when the deployment's plan was sealed: an
/// instance that dies at night comes back from this alone, without the configuration's repository,
/// the bakery or the catalog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupSpec {
    /// Its identity.
    pub id: GroupId,
    /// Its name, for people and labels.
    pub name: GroupName,
    /// The application.
    pub app: AppName,
    /// The environment.
    pub env: EnvName,
    /// The process of the application.
    pub process: ProcessName,
    /// The number shared by all groups of its deployment.
    pub number: GroupNumber,
    /// The release that it runs.
    pub release: ReleaseId,
    /// The release's image.
    pub image: Digest,
    /// How the image says that the process is run.
    pub run: ImageProcess,
    /// How the configuration says that it is run here.
    pub params: ProcessParams,
    /// What reaches the instance at its start.
    pub user_data: UserData,
    /// The release's secrets. Their values an engine gets when it starts an instance, each time anew.
    #[serde(default, skip_serializing_if = "SecretVersions::is_empty")]
    pub secrets: SecretVersions,
}

/// The slots of a group's instances: so many, from the first on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Slots {
    /// The lowest; 0 but while instances of another group are being replaced one by one.
    pub first: u32,
    /// How many.
    pub count: u32,
}

impl Slots {
    /// Whether a slot is one of them.
    #[must_use]
    pub const fn contains(self, slot: u32) -> bool {
        slot >= self.first && slot - self.first < self.count
    }

    /// Each of them, the lowest first.
    pub fn iter(self) -> impl Iterator<Item = u32> {
        (self.first..).take(self.count as usize)
    }
}

impl From<u32> for Slots {
    fn from(count: u32) -> Self {
        Self { first: 0, count }
    }
}

/// What instances of a process keep in one slot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeptVolume {
    /// The environment.
    pub env: EnvName,
    /// The application.
    pub app: AppName,
    /// The process.
    pub process: ProcessName,
    /// Its name, among those of the process.
    pub name: VolumeName,
    /// The slot of the instances that it belongs to.
    pub slot: u32,
}

/// What the configuration hands to an instance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UserData {
    /// `application-properties.json`, as it stands in the commit.
    pub properties: serde_json::Map<String, serde_json::Value>,
    /// `launch-data.json`: commands that run before the process's own.
    pub launch: Vec<String>,
}
