use super::*;
use serde_json::json;

fn parse(settings: Value) -> Result<EngineSettings, String> {
    EngineSettings::parse(settings.as_object().unwrap()).map_err(|error| error.to_string())
}

#[test]
fn a_host_alone_is_enough() {
    let settings = parse(json!({"host": "unix:///var/run/docker.sock"})).unwrap();
    let host = Host::Unix("/var/run/docker.sock".into());
    assert_eq!(settings, EngineSettings::at(host, Mode::Single));
    assert_eq!(settings.host.to_string(), "unix:///var/run/docker.sock");
}

#[test]
fn everything_that_can_be_set_is_read() {
    let settings = parse(json!({"host": "tcp://swarm.example.org:2376", "tlsCa": "/t/ca.pem",
        "tlsCert": "/t/cert.pem", "tlsKey": "/t/key.pem", "swarm": true,
        "registry": "kiln.example.org:8080", "ports": "30000-30099", "address": "10.1.2.3"}));
    let expected = EngineSettings {
        host: Host::Tcp { name: "swarm.example.org".into(), port: 2376 },
        tls: Some(Tls {
            ca: "/t/ca.pem".into(),
            cert: "/t/cert.pem".into(),
            key: "/t/key.pem".into(),
        }),
        mode: Mode::Swarm,
        registry: Some("kiln.example.org:8080".into()),
        ports: 30_000..=30_099,
        address: Some([10, 1, 2, 3].into()),
    };
    assert_eq!(settings, Ok(expected));
}

#[test]
fn mistakes_say_what_is_allowed() {
    let check = |settings: Value, expected: &str| {
        assert_eq!(parse(settings).unwrap_err(), expected);
    };
    let all = "host, tlsCa, tlsCert, tlsKey, swarm, registry, ports, address";
    check(
        json!({"host": "unix:///s", "regsitry": "x"}),
        &format!("there is no setting regsitry (did you mean registry?); there are {all}"),
    );
    check(
        json!({}),
        "host is missing: where the engine listens, as unix:///PATH or tcp://HOST:PORT",
    );
    for host in ["docker.sock", "unix://relative", "tcp://h", "tcp://:1", "tcp://h:0", "http://h:1"]
    {
        let expected = format!("host is \"{host}\"; it is unix:///PATH or tcp://HOST:PORT");
        check(json!({"host": host}), &expected);
    }
    check(json!({"host": 7}), "host is 7; it is unix:///PATH or tcp://HOST:PORT");
    check(
        json!({"host": "tcp://h:1", "tlsCa": "/ca"}),
        "tlsCert is missing: of tlsCa, tlsCert and tlsKey there are all or none",
    );
    check(json!({"host": "tcp://h:1", "swarm": "yes"}), "swarm is \"yes\"; it is true or false");
    check(
        json!({"host": "tcp://h:1", "ports": "80-90"}),
        "ports is \"80-90\"; it is FIRST-LAST, such as 20000-29999, from 1024 on",
    );
    check(
        json!({"host": "tcp://h:1", "address": "0.0.0.0"}),
        "address is \"0.0.0.0\"; it is the IP address where published ports are reached",
    );
    check(
        json!({"host": "tcp://h:1", "registry": "http://k:1"}),
        "registry is \"http://k:1\"; it is HOST:PORT, without a scheme: Kiln's registry as the nodes \
         reach it",
    );
}

#[test]
fn addresses_in_hosts_are_known_and_names_are_not() {
    let ip = |host: &str| Host::parse(host).unwrap().ip().map(|ip| ip.to_string());
    assert_eq!(ip("unix:///s").as_deref(), Some("127.0.0.1"));
    assert_eq!(ip("tcp://10.0.0.7:2375").as_deref(), Some("10.0.0.7"));
    assert_eq!(ip("tcp://[::1]:2375").as_deref(), Some("::1"));
    assert_eq!(ip("tcp://docker:2375"), None);
}
