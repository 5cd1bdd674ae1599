//! Configuration as people write it, right and wrong.

use super::CheckKind::{Http, Tcp};
use super::*;
use crate::recipe::{ImageProcess, Processes, Stop};
use expect_test::{Expect, expect};
use kiln_names::{AppName, EnvName, ProcessName};
use std::num::NonZeroU16;

mod properties;

fn refused(file: ConfigurationFile, text: &str, expected: &Expect) {
    expected.assert_eq(&file.check(text).unwrap_err().to_string());
}

fn bad_params(text: &str, expected: &Expect) {
    expected.assert_eq(&DeploymentParams::parse(text).unwrap_err().to_string());
}

fn resolve(text: &str, process: &str, has_port: bool) -> ProcessParams {
    let (app, env) = hello_prod();
    let process = ProcessName::parse(process).unwrap();
    DeploymentParams::parse(text).unwrap().resolve(&app, &env, &process, has_port)
}

fn hello_prod() -> (AppName, EnvName) {
    (AppName::parse("hello").unwrap(), EnvName::parse("prod").unwrap())
}

#[test]
fn the_first_texts_are_valid_and_mean_the_defaults() {
    for file in ConfigurationFile::ALL {
        assert_eq!(file.check(file.first_text()), Ok(()));
        assert_eq!(ConfigurationFile::parse(file.as_str()), Ok(file));
    }
    let params = DeploymentParams::parse("{}").unwrap();
    assert_eq!(params.settings, DeploymentSettings::default());
    let resolved = resolve("{}", "web", true);
    expect![[r#"
        {
          "min": 2,
          "max": 2,
          "desired": 2,
          "milliCpu": 1000,
          "memory": "512MiB",
          "pids": 512,
          "routes": [
            {
              "host": "hello.prod.localhost",
              "path": "/"
            }
          ],
          "healthCheck": {
            "path": "/",
            "interval": "2s",
            "timeout": "2s",
            "unhealthyThreshold": 3
          },
          "startupCheck": {
            "path": "/",
            "interval": "2s",
            "timeout": "1m"
          },
          "drainTimeout": "30s",
          "network": "isolated",
          "engine": {}
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&resolved).unwrap());
    let text = serde_json::to_string(&resolved).unwrap();
    assert_eq!(serde_json::from_str::<ProcessParams>(&text).unwrap(), resolved);
}

#[test]
fn a_process_has_its_own_keys_then_the_shared_ones_then_the_defaults() {
    let text = r#"{
        "min": 3, "cpu": 0.25, "memory": "1GiB", "engine": {"a": [1, {"b": null}]},
        "healthCheck": {"path": "/up?full=1", "interval": "5s"},
        "strategy": {"type": "red-black"}, "watch": "1m", "keepWarm": "0s",
        "processes": {
            "web": {"min": 4, "max": 9, "memory": 8388608, "network": "host",
                    "healthCheck": {"timeout": "1s"}, "startupCheck": {"timeout": "10s"},
                    "routes": [{"host": "Hello.example"}, {"host": "a.b", "path": "/api/"}]},
            "worker": {"desiredCapacity": 3}
        }
    }"#;
    let settings = DeploymentParams::parse(text).unwrap().settings;
    expect![[r#"{"strategy":{"type":"red-black"},"watch":"1m","keepWarm":"0s","pauseAfterInstancesHealthy":false,"pauseBeforeOldRemoved":false}"#]]
        .assert_eq(&serde_json::to_string(&settings).unwrap());
    expect![[r#"{"min":4,"max":9,"desired":4,"milliCpu":250,"memory":"8MiB","pids":512,"routes":[{"host":"hello.example","path":"/"},{"host":"a.b","path":"/api"}],"healthCheck":{"path":"/up?full=1","interval":"5s","timeout":"1s","unhealthyThreshold":3},"startupCheck":{"path":"/up?full=1","interval":"5s","timeout":"10s"},"drainTimeout":"30s","network":"host","engine":{"a":[1,{"b":null}]}}"#]].assert_eq(&serde_json::to_string(&resolve(text, "web", true)).unwrap());
    expect![[r#"{"min":3,"max":3,"desired":3,"milliCpu":250,"memory":"1GiB","pids":512,"routes":[],"healthCheck":{"path":"/up?full=1","interval":"5s","timeout":"2s","unhealthyThreshold":3},"startupCheck":{"path":"/up?full=1","interval":"5s","timeout":"1m"},"drainTimeout":"30s","network":"isolated","engine":{"a":[1,{"b":null}]}}"#]].assert_eq(&serde_json::to_string(&resolve(text, "worker", false)).unwrap());
    assert_eq!(resolve(text, "other", true).desired, 3);
}

#[test]
fn a_check_is_of_the_kind_that_is_nearest_to_it() {
    let kinds = |text: &str| {
        let params = resolve(text, "web", true);
        (params.health_check.kind, params.startup_check.kind)
    };
    let check = |text: &str, health, startup| assert_eq!(kinds(text), (health, startup), "{text}");
    check("{}", Http, Http);
    check(r#"{"healthCheck": {"type": "tcp"}}"#, Tcp, Tcp);
    check(r#"{"healthCheck": {"type": "tcp"}, "startupCheck": {"path": "/up"}}"#, Tcp, Http);
    check(r#"{"startupCheck": {"type": "tcp"}}"#, Http, Tcp);
    let own = r#""processes": {"web": {"healthCheck": {"path": "/up"}}}"#;
    check(&format!(r#"{{"healthCheck": {{"type": "tcp"}}, {own}}}"#), Http, Http);
    let own = r#""processes": {"web": {"healthCheck": {"type": "tcp"}}}"#;
    check(&format!(r#"{{"healthCheck": {{"path": "/up"}}, {own}}}"#), Tcp, Tcp);
}

#[test]
fn an_application_whose_name_ends_with_a_hyphen_has_a_route_too() {
    let params = DeploymentParams::parse("{}").unwrap();
    let app = AppName::parse("hello-").unwrap();
    let process = ProcessName::parse("web").unwrap();
    let resolved = params.resolve(&app, &hello_prod().1, &process, true);
    assert_eq!(resolved.routes[0].to_string(), "hello.prod.localhost/");
}

#[test]
fn an_unknown_key_is_refused_at_every_level_with_the_nearest_one() {
    bad_params(
        "{\n  \"mni\": 2\n}",
        &expect!["line 2, column 3: unknown key `mni`, did you mean `min`?"],
    );
    bad_params(
        r#"{"desired_capacity": 2}"#,
        &expect![
            "line 1, column 2: unknown key `desired_capacity`, did you mean `desiredCapacity`?"
        ],
    );
    bad_params(
        r#"{"healthCheck": {"unhealthyTreshold": 2}}"#,
        &expect![
            "line 1, column 18: healthCheck: unknown key `unhealthyTreshold`, did you mean `unhealthyThreshold`?"
        ],
    );
    bad_params(
        r#"{"startupCheck": {"unhealthyThreshold": 2}}"#,
        &expect![
            "line 1, column 19: startupCheck: unknown key `unhealthyThreshold`; known here: type, path, interval, timeout"
        ],
    );
    bad_params(
        r#"{"processes": {"web": {"memmory": 1}}}"#,
        &expect!["line 1, column 24: processes.web: unknown key `memmory`, did you mean `memory`?"],
    );
    bad_params(
        r#"{"routes": [{"hosts": "a"}]}"#,
        &expect!["line 1, column 14: routes[0]: unknown key `hosts`, did you mean `host`?"],
    );
    bad_params(
        r#"{"processes": {"web": {"keepWarm": "1s"}}}"#,
        &expect![
            "line 1, column 24: processes.web.keepWarm: `keepWarm` stands at the top only: it holds for all processes"
        ],
    );
    bad_params(
        r#"{"strategy": {"type": "red-black", "pause": "1h"}}"#,
        &expect![
            "line 1, column 36: strategy: unknown key `pause`; known here: type, steps, batch"
        ],
    );
}

#[test]
fn strategies_that_make_no_sense_are_refused_with_the_reason() {
    bad_params(
        r#"{"strategy": {"type": "canary"}}"#,
        &expect!["line 1, column 2: strategy: the key `steps` is missing"],
    );
    bad_params(
        r#"{"strategy": {"type": "canary", "steps": []}}"#,
        &expect!["line 1, column 33: strategy.steps: a canary has at least one step"],
    );
    bad_params(
        r#"{"strategy": {"type": "canary", "steps": [
            {"weight": 20, "duration": "1m"}, {"weight": 20, "duration": "1m"}]}}"#,
        &expect!["line 2, column 48: strategy.steps[1].weight: 20 does not follow 20: shares grow"],
    );
    bad_params(
        r#"{"strategy": {"type": "canary", "steps": [{"weight": 100, "duration": "1m"}]}}"#,
        &expect![
            "line 1, column 44: strategy.steps[0].weight: a whole number from 1 to 99 is wanted"
        ],
    );
    bad_params(
        r#"{"strategy": {"type": "rolling", "batch": 0}}"#,
        &expect!["line 1, column 34: strategy.batch: a whole number from 1 to 1000 is wanted"],
    );
    bad_params(
        r#"{"strategy": {"type": "highlander", "batch": 1}}"#,
        &expect!["line 1, column 37: strategy.batch: this strategy has no `batch`"],
    );
    bad_params(
        r#"{"strategy": {"type": "blue-green"}}"#,
        &expect![[
            r#"line 1, column 15: strategy.type: "blue-green" is neither "red-black", "canary", "rolling", "highlander" nor "one-by-one""#
        ]],
    );
}

#[test]
fn a_key_may_stand_once() {
    bad_params(
        "{\"min\": 1,\n \"m\\u0069n\": 2}",
        &expect!["line 2, column 2: the key `min` stands here twice"],
    );
    bad_params(
        r#"{"engine": {"é": 1, "a": {"b": 1, "b": 2}}}"#,
        &expect!["line 1, column 35: the key `b` stands here twice"],
    );
    refused(
        ConfigurationFile::Properties,
        r#"{"a": 1, "a": 1}"#,
        &expect!["application-properties.json: line 1, column 10: the key `a` stands here twice"],
    );
}

#[test]
fn what_is_not_json_is_said_with_its_place() {
    bad_params("", &expect!["line 1, column 1: EOF while parsing a value"]);
    bad_params("{\"min\": 1,}", &expect!["line 1, column 11: key must be a string"]);
    bad_params("{\n\"min\": 1\n\"max\": 2}", &expect!["line 3, column 1: expected `,` or `}`"]);
    bad_params("{\"engine\": {\"é\": tru}}", &expect!["line 1, column 21: expected ident"]);
    bad_params("{} {}", &expect!["line 1, column 4: trailing characters"]);
    bad_params(
        "{\"engine\": {\"a\": \"\\ud800\"}}",
        &expect!["line 1, column 18: unexpected end of hex escape"],
    );
    bad_params("{\"engine\": {\"a\": 1e999}}", &expect!["line 1, column 18: number out of range"]);
    bad_params("[]", &expect!["line 1, column 1: an array stands where an object is wanted"]);
    bad_params(
        &format!("{{\"engine\":{}", "[".repeat(100_000)),
        &expect!["line 1, column 100010: EOF while parsing a list"],
    );
    bad_params(
        &"[".repeat(40).chars().chain("]".repeat(40).chars()).collect::<String>(),
        &expect!["line 1, column 34: too many levels of nesting: at most 32"],
    );
}

#[test]
fn sizes_are_in_order_and_defaults_are_called_so() {
    bad_params(
        r#"{"max": 1}"#,
        &expect!["line 1, column 1: desiredCapacity 2, its default, is more than max 1"],
    );
    bad_params(
        r#"{"min": 3, "desiredCapacity": 2}"#,
        &expect!["line 1, column 1: min 3 is more than desiredCapacity 2"],
    );
    bad_params(
        "{\"min\": 4, \"processes\": {\n\"web\": {\"max\": 3}}}",
        &expect![
            "line 2, column 1: processes.web: desiredCapacity 4, its default, is more than max 3"
        ],
    );
    bad_params(
        r#"{"min": 1001}"#,
        &expect!["line 1, column 2: min: a whole number from 0 to 1000 is wanted"],
    );
    bad_params(
        r#"{"min": -1}"#,
        &expect!["line 1, column 2: min: a whole number from 0 to 1000 is wanted"],
    );
    bad_params(
        r#"{"min": 1.5}"#,
        &expect!["line 1, column 2: min: a whole number from 0 to 1000 is wanted"],
    );
    bad_params(
        r#"{"min": "1"}"#,
        &expect!["line 1, column 2: min: a string stands where a number is wanted"],
    );
    assert_eq!(resolve(r#"{"min": 0}"#, "web", true).max, 0);
}

#[test]
fn every_value_has_its_bounds() {
    bad_params(
        r#"{"cpu": 0.009}"#,
        &expect!["line 1, column 2: cpu: a number from 0.01 to 1024 is wanted"],
    );
    bad_params(
        r#"{"cpu": "1"}"#,
        &expect!["line 1, column 2: cpu: a string stands where a number is wanted"],
    );
    bad_params(
        r#"{"memory": "4095KiB"}"#,
        &expect!["line 1, column 2: memory: 4095KiB is not within 4MiB and 64TiB"],
    );
    bad_params(
        r#"{"memory": "1GB"}"#,
        &expect![[
            r#"line 1, column 2: memory: "1GB" is not a size: a whole number with B, KiB, MiB, GiB or TiB, such as 512MiB"#
        ]],
    );
    bad_params(
        r#"{"pids": 0}"#,
        &expect!["line 1, column 2: pids: a whole number from 1 to 4194304 is wanted"],
    );
    bad_params(
        r#"{"healthCheck": {"timeout": "0s"}}"#,
        &expect!["line 1, column 18: healthCheck.timeout: 0s is not within 1ms and 1h"],
    );
    bad_params(
        r#"{"healthCheck": {"path": "up"}}"#,
        &expect![[
            r#"line 1, column 18: healthCheck.path: "up" is not a path to check: it begins with / and has no blanks, no # and at most 1024 characters"#
        ]],
    );
    bad_params(
        r#"{"healthCheck": {"type": "udp"}}"#,
        &expect![[
            r#"line 1, column 18: healthCheck.type: "udp" is neither "http", "tcp", "command" nor "heartbeat""#
        ]],
    );
    bad_params(
        r#"{"healthCheck": {"type": "tcp", "path": "/up"}}"#,
        &expect!["line 1, column 33: healthCheck.path: a check of this type has no `path`"],
    );
    bad_params(
        r#"{"healthCheck": {"unhealthyThreshold": 0}}"#,
        &expect![
            "line 1, column 18: healthCheck.unhealthyThreshold: a whole number from 1 to 1000 is wanted"
        ],
    );
}

#[test]
fn what_stands_beside_the_checks_has_its_bounds_too() {
    bad_params(
        r#"{"drainTimeout": "2h"}"#,
        &expect!["line 1, column 2: drainTimeout: 2h is not within 0s and 1h"],
    );
    bad_params(
        r#"{"keepWarm": "8d"}"#,
        &expect!["line 1, column 2: keepWarm: 8d is not within 0s and 7d"],
    );
    bad_params(
        r#"{"watch": 30}"#,
        &expect!["line 1, column 2: watch: a number stands where a string is wanted"],
    );
    bad_params(
        r#"{"network": "bridge"}"#,
        &expect![[r#"line 1, column 2: network: "bridge" is neither "isolated" nor "host""#]],
    );
    bad_params(
        r#"{"engine": []}"#,
        &expect!["line 1, column 2: engine: an array stands where an object is wanted"],
    );
    bad_params(
        r#"{"routes": [{"host": "a"}, {"host": "A", "path": "/"}]}"#,
        &expect!["line 1, column 28: routes[1]: a/ stands twice"],
    );
    bad_params(
        r#"{"routes": [{"host": "a:80"}]}"#,
        &expect![[
            r#"line 1, column 14: routes[0].host: "a:80" is not a host: labels of letters, digits and hyphens joined by dots, without a port"#
        ]],
    );
    bad_params(
        r#"{"routes": [{"path": "/"}]}"#,
        &expect!["line 1, column 13: routes[0]: the key `host` is missing"],
    );
    bad_params(
        r#"{"processes": {"Web": {}}}"#,
        &expect![[
            r#"line 1, column 16: processes.Web: "Web" is not a process name: a lower-case letter, then lower-case letters and digits, at most 16 in all"#
        ]],
    );
}

#[test]
fn launch_data_is_a_list_of_commands() {
    let launch = LaunchData::parse(r#"["a", "b c"]"#).unwrap();
    assert_eq!(launch.commands(), ["a", "b c"]);
    let bad = |text: &str, expected: &Expect| refused(ConfigurationFile::Launch, text, expected);
    bad(
        "{}",
        &expect!["launch-data.json: line 1, column 1: an object stands where an array is wanted"],
    );
    bad("[\"a\",\n \"\"]", &expect!["launch-data.json: line 2, column 2: [1]: it is empty"]);
    bad(
        "[1]",
        &expect![
            "launch-data.json: line 1, column 2: [0]: a number stands where a string is wanted"
        ],
    );
    bad(
        &format!("[{}\"x\"]", "\"x\",".repeat(MAX_COMMANDS)),
        &expect!["launch-data.json: line 1, column 1: too many commands: at most 256"],
    );
}

fn image(processes: &[(&str, u16)]) -> Processes<ImageProcess> {
    let process = |port| ImageProcess {
        command: vec!["/x".into()],
        port: NonZeroU16::new(port),
        uid: 1,
        gid: 1,
        writable: vec![],
        capabilities: vec![],
        stop: Stop::default(),
        working_dir: None,
    };
    processes.iter().map(|(n, port)| (ProcessName::parse(n).unwrap(), process(*port))).collect()
}

fn misfit(params: &str, processes: &[(&str, u16)], expected: &Expect) {
    let (app, env) = hello_prod();
    let configuration = Configuration::parse("{}", "[]", params).unwrap();
    let checked = configuration.check(&app, &env, &image(processes));
    expected.assert_eq(&checked.map_or_else(|error| error.to_string(), |()| "it fits".into()));
}

#[test]
fn configuration_has_to_fit_the_image() {
    let both = [("web", 80), ("worker", 0)];
    misfit(r#"{"processes": {"web": {"min": 2}}}"#, &both, &expect!["it fits"]);
    misfit(
        r#"{"max": 4, "scale": {"requests": 9}}"#,
        &both,
        &expect![
            "deployment-params.json: line 1, column 1: worker has no port and takes no requests to be scaled by"
        ],
    );
    misfit(
        "{\"processes\":\n {\"wbe\": {}}}",
        &both,
        &expect![
            "deployment-params.json: line 2, column 3: processes.wbe: the image has no process `wbe`, did you mean `web`?"
        ],
    );
    misfit(
        r#"{"processes": {"admin": {}}}"#,
        &both,
        &expect![
            "deployment-params.json: line 1, column 16: processes.admin: the image has no process `admin`; it has web, worker"
        ],
    );
    misfit(
        r#"{"processes": {"worker": {"routes": [{"host": "a"}]}}}"#,
        &both,
        &expect![
            "deployment-params.json: line 1, column 16: processes.worker: it has no port in the image, so no routes either"
        ],
    );
    misfit(
        r#"{"processes": {"worker": {"healthCheck": {"path": "/"}}}}"#,
        &both,
        &expect![
            "deployment-params.json: line 1, column 16: processes.worker: it has no port in the image to be checked on"
        ],
    );
    misfit(r#"{"healthCheck": {"path": "/up"}}"#, &both, &expect!["it fits"]);
    misfit(
        "{}",
        &[("web", 80), ("admin", 81)],
        &expect![[
            r#"deployment-params.json: line 1, column 1: web and admin both take hello.prod.localhost/: give one of them routes of its own, or none with "routes": []"#
        ]],
    );
    let routed = r#"{"processes": {"admin": {"routes": [{"host": "HELLO.prod.localhost"}]}}}"#;
    misfit(
        routed,
        &[("web", 80), ("admin", 81)],
        &expect![[
            r#"deployment-params.json: line 1, column 16: processes.admin: web and admin both take hello.prod.localhost/: give one of them routes of its own, or none with "routes": []"#
        ]],
    );
    let silent = r#"{"processes": {"admin": {"routes": []}}}"#;
    misfit(silent, &[("web", 80), ("admin", 81)], &expect!["it fits"]);
}
