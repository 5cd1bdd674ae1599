//! Specs of groups that run nothing.

use kiln_engine::conformance::Ask;
use kiln_engine::{GroupSpec, UserData};
use kiln_names::{
    AppName, Digest, EnvName, GroupId, GroupName, GroupNumber, ProcessName, ReleaseId,
    SecretVersions,
};
use kiln_protocol::configuration::DeploymentParams;
use kiln_protocol::recipe::{ImageProcess, Stop};
use std::num::NonZeroU16;

pub(crate) fn spec(ask: &Ask) -> GroupSpec {
    let params = DeploymentParams::parse("{}").unwrap();
    GroupSpec {
        id: ask.id,
        name: GroupName::new(&ask.app, &ask.env, &ask.process, ask.number),
        app: ask.app.clone(),
        env: ask.env.clone(),
        process: ask.process.clone(),
        number: ask.number,
        release: ReleaseId::of(b"release"),
        image: Digest::of(b"image"),
        run: ImageProcess {
            command: vec!["/bin/serve".to_owned()],
            port: NonZeroU16::new(8080),
            uid: 65_532,
            gid: 65_532,
            writable: Vec::new(),
            capabilities: Vec::new(),
            stop: Stop::default(),
            working_dir: None,
        },
        params: params.resolve(&ask.app, &ask.env, &ask.process, true),
        user_data: UserData::default(),
        secrets: SecretVersions::new(),
    }
}

pub(crate) fn ask(number: u32) -> Ask {
    Ask {
        id: GroupId::from_random(number.to_be_bytes()),
        app: AppName::parse("hello").unwrap(),
        env: EnvName::parse("prod").unwrap(),
        process: ProcessName::parse("web").unwrap(),
        number: GroupNumber(number),
    }
}
