use super::container::Door;
use super::*;
use bollard::models::{ContainerCreateBody, ServiceSpec};
use kiln_engine::{GroupSpec, UserData};
use kiln_names::SecretName;
use kiln_names::{
    AppName, ByteSize, Digest, EnvName, GroupId, GroupName, GroupNumber, InstallId, InstanceId,
    ProcessName, ReleaseId, SecretVersions,
};
use kiln_protocol::configuration::ProcessParams;
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) fn owner() -> Owner {
    let env = EnvName::parse("prod").unwrap();
    Owner { install: InstallId::from_random([1, 2, 3]), env }
}

/// An instance of a web process.
pub(crate) fn birth() -> Birth {
    let (app, env) = (AppName::parse("hello").unwrap(), EnvName::parse("prod").unwrap());
    let process = ProcessName::parse("web").unwrap();
    let check = json!({"path": "/", "interval": "1s", "timeout": "5s", "unhealthyThreshold": 2});
    let params: ProcessParams = serde_json::from_value(json!({"min": 1, "max": 2, "desired": 1,
        "milliCpu": 250, "memory": "64MiB", "pids": 32, "routes": [], "healthCheck": check,
        "startupCheck": {"path": "/", "interval": "1s", "timeout": "20s"}, "drainTimeout": "1s",
        "network": "isolated", "engine": {}}))
    .unwrap();
    let run = json!({"command": ["/bin/hello", "-v"], "port": 8080, "uid": 7, "gid": 8,
        "writable": ["/var/cache"], "capabilities": ["CHOWN"]});
    let spec = GroupSpec {
        id: GroupId::from_random([9; 4]),
        name: GroupName::new(&app, &env, &process, GroupNumber(3)),
        app,
        env,
        process,
        number: GroupNumber(3),
        release: ReleaseId::of(b"release"),
        image: Digest::of(b"image"),
        run: serde_json::from_value(run).unwrap(),
        params,
        user_data: UserData::default(),
        secrets: SecretVersions::default(),
    };
    Birth {
        spec: Arc::new(spec),
        id: InstanceId::from_random([5; 6]),
        slot: 2,
        address: "172.30.0.5:8080".parse().unwrap(),
        size: 1,
    }
}

fn made(birth: &Birth, config: &ImageConfig) -> Made {
    Made::of(&owner(), birth, config, "sha256:abc").unwrap()
}

fn json(of: &impl ToJson) -> Value {
    of.to_json()
}

trait ToJson {
    fn to_json(&self) -> Value;
}

impl ToJson for ContainerCreateBody {
    fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap()
    }
}

impl ToJson for ServiceSpec {
    fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap()
    }
}

fn with(change: impl FnOnce(&mut GroupSpec)) -> Birth {
    let mut birth = birth();
    change(Arc::make_mut(&mut birth.spec));
    birth
}

fn container(birth: &Birth, door: Door) -> Value {
    json(&container::render(made(birth, &ImageConfig::default()), "net", door, None))
}

#[test]
fn a_container_has_its_limits_walls_and_address() {
    let body = container(&birth(), Door::Own([172, 30, 0, 5].into()));
    assert_eq!(body["User"], "7:8");
    assert_eq!(body["Hostname"], "hello-prod-web-v003-2");
    assert_eq!(body["Entrypoint"], json!(["/bin/hello", "-v"]));
    assert_eq!(body["Labels"]["io.kiln.instance"], "050505050505");
    assert_eq!((&body["StopSignal"], &body["StopTimeout"]), (&json!("SIGTERM"), &json!(30)));
    let host = &body["HostConfig"];
    let mib = 64 << 20;
    assert_eq!((&host["Memory"], &host["MemorySwap"]), (&json!(mib), &json!(mib)));
    assert_eq!((&host["NanoCpus"], &host["PidsLimit"]), (&json!(250_000_000), &json!(32)));
    assert_eq!(host["CapDrop"], json!(["ALL"]));
    assert_eq!(host["CapAdd"], json!(["CHOWN"]));
    assert_eq!(host["ReadonlyRootfs"], true);
    assert_eq!(host["NetworkMode"], "net");
    assert!(host["PortBindings"].is_null());
    let own = format!("rw,exec,nosuid,nodev,mode=0755,uid=7,gid=8,size={mib}");
    assert_eq!(host["Tmpfs"]["/var/cache"], own);
    assert_eq!(host["Tmpfs"]["/run/kiln"], own);
    assert_eq!(host["Tmpfs"]["/tmp"], own.replace("0755", "1777"));
    let endpoint = &body["NetworkingConfig"]["EndpointsConfig"]["net"];
    assert_eq!(endpoint["IPAMConfig"]["IPv4Address"], "172.30.0.5");
}

#[test]
fn a_container_of_a_far_engine_is_published_at_the_chosen_port() {
    let mut birth = birth();
    birth.address = "10.0.0.1:20007".parse().unwrap();
    let body = container(&birth, Door::Published);
    let binding = json!([{"HostIp": "0.0.0.0", "HostPort": "20007"}]);
    assert_eq!(body["HostConfig"]["PortBindings"]["8080/tcp"], binding);
    let env = body["Env"].as_array().unwrap();
    assert!(env.contains(&json!("PORT=8080")), "{env:?}");
}

#[test]
fn on_the_machines_own_network_the_chosen_port_is_told() {
    let mut birth = with(|spec| spec.params.network = Network::Host);
    birth.address = "127.0.0.1:20007".parse().unwrap();
    let body = container(&birth, Door::Own([127, 0, 0, 1].into()));
    assert_eq!(body["HostConfig"]["NetworkMode"], "host");
    assert!(body["NetworkingConfig"].is_null());
    let env = body["Env"].as_array().unwrap();
    assert!(env.contains(&json!("PORT=20007")), "{env:?}");
}

#[test]
fn images_of_kilns_own_start_with_its_init_and_get_their_spec_as_a_variable() {
    let config = ImageConfig {
        entrypoint: vec![PROGRAM.to_owned()],
        env: vec!["PATH=/opt/bin".to_owned(), "KILN_APP=forged".to_owned()],
        ..ImageConfig::default()
    };
    let birth = with(|spec| spec.user_data.launch = vec!["true".to_owned()]);
    let made = made(&birth, &config);
    assert_eq!(made.command, [PROGRAM]);
    assert!(made.env.contains(&"PATH=/opt/bin".to_owned()));
    assert!(made.env.contains(&"KILN_APP=hello".to_owned()));
    let spec = made.env.iter().find_map(|pair| pair.strip_prefix("KILN_SPEC=")).unwrap();
    let spec = kiln_init::InitSpec::parse(spec).unwrap();
    assert_eq!((spec.command, spec.launch), (birth.spec.run.command.clone(), vec!["true".into()]));
}

#[test]
fn a_spec_that_no_variable_holds_is_refused() {
    let config = ImageConfig { entrypoint: vec![PROGRAM.to_owned()], ..ImageConfig::default() };
    let launch = vec!["x".repeat(200 << 10)];
    let birth = with(|spec| spec.user_data.launch = launch);
    let refused = Made::of(&owner(), &birth, &config, "i").unwrap_err();
    let expected = "the properties and launch commands together are 200 KiB; Docker can hand over \
                    less than 128 KiB";
    assert_eq!(refused, expected);
}

#[test]
fn a_service_has_one_replica_that_nobody_starts_again() {
    let kept = service::Kept {
        file: SecretName::parse("db").unwrap(),
        id: "s1".to_owned(),
        name: "kiln-x".to_owned(),
    };
    let mut birth = birth();
    birth.address = "0.0.0.0:20007".parse().unwrap();
    let made = made(&birth, &ImageConfig::default());
    let spec = service::render(made, "net", &[kept]);
    assert!(!service::is_stopped(spec.task_template.as_ref()));
    let stopped = service::stopped(spec.clone());
    assert!(service::is_stopped(stopped.task_template.as_ref()));
    let spec = json(&spec);
    assert_eq!(spec["Mode"]["Replicated"]["Replicas"], 1);
    let port = json!({"Protocol": "tcp", "TargetPort": 8080, "PublishedPort": 20007,
        "PublishMode": "host"});
    assert_eq!(spec["EndpointSpec"], json!({"Mode": "dnsrr", "Ports": [port]}));
    let task = &spec["TaskTemplate"];
    assert_eq!(task["RestartPolicy"]["Condition"], "none");
    let limits = json!({"NanoCPUs": 250_000_000, "MemoryBytes": 64 << 20, "Pids": 32});
    assert_eq!(task["Resources"]["Limits"], limits);
    assert_eq!(task["Resources"]["Reservations"]["MemoryBytes"], 64 << 20);
    let container = &task["ContainerSpec"];
    assert_eq!(container["CapabilityAdd"], json!(["CAP_CHOWN"]));
    assert_eq!(container["StopGracePeriod"], 30_000_000_000_u64);
    let file = json!({"Name": "/run/kiln/secrets/db", "UID": "7", "GID": "8", "Mode": 0o400});
    assert_eq!(container["Secrets"][0]["File"], file);
}

#[test]
fn long_group_names_give_way_to_ids_in_host_names() {
    let birth = with(|spec| {
        let app = AppName::parse(&"a".repeat(32)).unwrap();
        let process = ProcessName::parse(&"b".repeat(16)).unwrap();
        spec.name = GroupName::new(
            &app,
            &EnvName::parse(&"e".repeat(16)).unwrap(),
            &process,
            GroupNumber(1),
        );
    });
    assert!(birth.hostname().len() <= 63, "{}", birth.hostname());
    let memory = ByteSize::mib(64);
    assert_eq!(birth.spec.params.memory, memory);
}
