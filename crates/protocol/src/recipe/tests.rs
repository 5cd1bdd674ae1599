//! Recipes as people write them, right and wrong.

use super::*;
use crate::document::MAX_FILE_BYTES;
use expect_test::{Expect, expect};
use kiln_names::ProcessName;

const WHOLE: &str = r#"
app = "hello"

[image]
base = "debian-12"
packages = ["python3", "nginx-light=1.22.1-9"]
install = ["dist/hello_*.deb"]
run = ["useradd --system hello"]
copy = [{ from = "app/", to = "/srv/hello/" }]

[process.web]
command = ["/usr/bin/python3", "/srv/hello/app.py"]
port = 8080
user = "hello"
writable = ["/var/cache/nginx"]
capabilities = []
stop = { signal = "SIGQUIT", timeout = "10s" }

[process.admin]
command = ["/usr/sbin/nginx", ""]
user = "root"
capabilities = ["KILL", "CHOWN", "KILL"]
"#;

#[test]
fn a_whole_recipe_is_read_in_its_order() {
    let recipe = Recipe::parse(WHOLE).unwrap();
    expect![[r#"
        {
          "app": "hello",
          "image": {
            "base": "debian-12",
            "packages": [
              "python3",
              "nginx-light=1.22.1-9"
            ],
            "install": [
              "dist/hello_*.deb"
            ],
            "run": [
              "useradd --system hello"
            ],
            "copy": [
              {
                "from": "app",
                "to": "/srv/hello",
                "into_directory": true
              }
            ]
          },
          "processes": {
            "web": {
              "command": [
                "/usr/bin/python3",
                "/srv/hello/app.py"
              ],
              "port": 8080,
              "user": "hello",
              "writable": [
                "/var/cache/nginx"
              ],
              "capabilities": [],
              "stop": {
                "signal": "SIGQUIT",
                "timeout": "10s"
              }
            },
            "admin": {
              "command": [
                "/usr/sbin/nginx",
                ""
              ],
              "port": null,
              "user": "root",
              "writable": [],
              "capabilities": [
                "CHOWN",
                "KILL"
              ],
              "stop": {
                "signal": "SIGTERM",
                "timeout": "30s"
              }
            }
          }
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&recipe).unwrap());
}

#[test]
fn what_a_recipe_leaves_out_has_defaults() {
    let recipe = Recipe::parse(&with("")).unwrap();
    let process = recipe.processes.get(&ProcessName::parse("web").unwrap()).unwrap();
    assert_eq!((process.port, &process.user), (None, &None));
    assert_eq!(process.stop, Stop { signal: Signal::Term, timeout: kiln_names::Span::seconds(30) });
    assert!(process.writable.is_empty() && process.capabilities.is_empty());
}

#[test]
fn processes_travel_in_a_label() {
    let recipe = Recipe::parse(WHOLE).unwrap();
    let resolved = recipe.processes.try_map(|_, process| {
        let uid = if process.capabilities.is_empty() { 999 } else { 0 };
        Ok::<_, ()>(process.resolved(uid, 998))
    });
    let resolved = resolved.unwrap();
    expect![[r#"{"web":{"command":["/usr/bin/python3","/srv/hello/app.py"],"port":8080,"uid":999,"gid":998,"writable":["/var/cache/nginx"],"stop":{"signal":"SIGQUIT","timeout":"10s"}},"admin":{"command":["/usr/sbin/nginx",""],"uid":0,"gid":998,"capabilities":["CHOWN","KILL"],"stop":{"signal":"SIGTERM","timeout":"30s"}}}"#]].assert_eq(&resolved.to_label());
    assert_eq!(Processes::from_label(&resolved.to_label()).unwrap(), resolved);
    assert!(Processes::from_label(r#"{"Web":{"command":["/a"],"uid":1,"gid":1}}"#).is_err());
}

#[test]
fn web_is_the_main_process_or_else_the_first() {
    let main = |names: &[&str]| {
        let named = names.iter().map(|name| (ProcessName::parse(name).unwrap(), ()));
        named.collect::<Processes<()>>().main().map(|(name, ())| name.to_string())
    };
    assert_eq!(main(&["worker", "web"]).as_deref(), Some("web"));
    assert_eq!(main(&["worker", "admin"]).as_deref(), Some("worker"));
    assert_eq!(main(&[]), None);
}

/// A recipe that is right but for `lines` of its process.
fn with(lines: &str) -> String {
    format!("app='a'\nimage.base='b'\n[process.web]\ncommand=['/c']\n{lines}")
}

fn refused(text: &str, expected: &Expect) {
    expected.assert_eq(&Recipe::parse(text).unwrap_err().to_string());
}

#[test]
fn an_unknown_key_is_refused_at_every_level_with_the_nearest_one() {
    refused("ap = 'a'", &expect!["line 1, column 1: unknown key `ap`, did you mean `app`?"]);
    refused(
        "app='a'\n[image]\nbase='b'\n  package=['x']",
        &expect!["line 4, column 3: image: unknown key `package`, did you mean `packages`?"],
    );
    refused(
        "app='a'\n[image]\nbase='b'\ncopy=[{from='a', too='/b'}]",
        &expect!["line 4, column 18: image.copy[0]: unknown key `too`, did you mean `to`?"],
    );
    refused(
        "app='a'\nimage.base='b'\n[process.web]\ncomand=['/x']",
        &expect!["line 4, column 1: process.web: unknown key `comand`, did you mean `command`?"],
    );
    refused(
        &with("stop = { signall = 'SIGTERM' }"),
        &expect![
            "line 5, column 10: process.web.stop: unknown key `signall`, did you mean `signal`?"
        ],
    );
    refused(
        &with("environment = 1"),
        &expect![
            "line 5, column 1: process.web: unknown key `environment`; known here: command, port, user, writable, capabilities, stop"
        ],
    );
}

#[test]
fn what_is_missing_or_of_another_kind_is_said() {
    refused("", &expect!["line 1, column 1: the key `app` is missing"]);
    refused("app='a'\nimage.base='b'", &expect!["line 1, column 1: the key `process` is missing"]);
    refused(
        "app='a'\nimage.base='b'\n[process]",
        &expect![
            "line 3, column 2: process: at least one process is wanted, such as [process.web]"
        ],
    );
    refused(
        "app='a'\nimage.base='b'\n[process.web]\nport=1",
        &expect!["line 3, column 10: process.web: the key `command` is missing"],
    );
    refused("app=1", &expect!["line 1, column 1: app: a number stands where a string is wanted"]);
    refused(
        "app='a'\nimage='b'",
        &expect!["line 2, column 1: image: a string stands where a table is wanted"],
    );
    refused(
        &with("port = '8080'"),
        &expect!["line 5, column 1: process.web.port: a string stands where a number is wanted"],
    );
    refused(
        &with("user = 1979-05-27"),
        &expect!["line 5, column 1: process.web.user: a date stands where a string is wanted"],
    );
}

#[test]
fn what_is_not_toml_is_said_with_its_place() {
    refused("app = 'a'\napp = 'b'", &expect!["line 2, column 1: duplicate key"]);
    refused(
        "app = 'a'\n[image\nbase=1",
        &expect!["line 2, column 7: unclosed table, expected `]`"],
    );
    refused(
        "app = \"é\" x",
        &expect!["line 1, column 11: unexpected key or value, expected newline, `#`"],
    );
    refused(
        "a = 1 = 2",
        &expect!["line 1, column 7: unexpected key or value, expected newline, `#`"],
    );
}

#[test]
fn a_process_is_checked() {
    refused(
        &with("[process.Web]\ncommand=['/c']"),
        &expect![[
            r#"line 5, column 10: process.Web: "Web" is not a process name: a lower-case letter, then lower-case letters and digits, at most 16 in all"#
        ]],
    );
    refused(
        &with("[process.b]\ncommand=[]"),
        &expect!["line 6, column 1: process.b.command: it is empty: a program is wanted"],
    );
    refused(
        &with("[process.b]\ncommand=['python3']"),
        &expect![[
            r#"line 6, column 1: process.b.command: the program is wanted by its whole path, such as /usr/bin/python3, not "python3""#
        ]],
    );
    refused(
        &with("[process.b]\ncommand=['/c', \"a\\u0000\"]"),
        &expect!["line 6, column 16: process.b.command[1]: it has a NUL character"],
    );
    refused(
        &with("port = 0"),
        &expect!["line 5, column 1: process.web.port: a whole number from 1 to 65535 is wanted"],
    );
    refused(
        &with("port = 65536"),
        &expect!["line 5, column 1: process.web.port: a whole number from 1 to 65535 is wanted"],
    );
    refused(
        &with("user = '0'"),
        &expect![[
            r#"line 5, column 1: process.web.user: "0" is not a user: a name of at most 32 lower-case letters, digits, - and _, or UID:GID in numbers above 0; root only by its name"#
        ]],
    );
    refused(
        &with("user = '+5'"),
        &expect![[
            r#"line 5, column 1: process.web.user: "+5" is not a user: a name of at most 32 lower-case letters, digits, - and _, or UID:GID in numbers above 0; root only by its name"#
        ]],
    );
    refused(
        &with("capabilities = ['KILL']"),
        &expect![[
            r#"line 5, column 1: process.web.capabilities: only a process with user = "root" can have capabilities"#
        ]],
    );
    refused(
        &with("user='root'\ncapabilities = ['SYS_ADMIN']"),
        &expect![[
            r#"line 6, column 17: process.web.capabilities[0]: "SYS_ADMIN" is not a capability that can be asked for: one of CHOWN, DAC_OVERRIDE, FOWNER, SETUID, SETGID, KILL"#
        ]],
    );
    refused(
        &with("stop = { signal = 'TERM' }"),
        &expect![[
            r#"line 5, column 10: process.web.stop.signal: "TERM" is not a signal to stop by: SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH or SIGKILL"#
        ]],
    );
    refused(
        &with("stop = { timeout = '0s' }"),
        &expect!["line 5, column 10: process.web.stop.timeout: 0s is not within 1ms and 1h"],
    );
    refused(
        &with("stop = { timeout = '2h' }"),
        &expect!["line 5, column 10: process.web.stop.timeout: 2h is not within 1ms and 1h"],
    );
}

#[test]
fn writable_directories_are_the_services_own() {
    for (path, expected) in [
        (
            "var",
            expect![[
                r#"line 5, column 13: process.web.writable[0]: "var" is not an absolute path: it begins with / and has no empty, . or .. segments"#
            ]],
        ),
        (
            "/var/../etc",
            expect![[
                r#"line 5, column 13: process.web.writable[0]: "/var/../etc" is not an absolute path: it begins with / and has no empty, . or .. segments"#
            ]],
        ),
        (
            "/",
            expect![
                "line 5, column 13: process.web.writable[0]: the whole image cannot be writable"
            ],
        ),
        (
            "/proc/self",
            expect![
                "line 5, column 13: process.web.writable[0]: /proc/self is not the service's to write to"
            ],
        ),
        (
            "/run/kiln",
            expect![
                "line 5, column 13: process.web.writable[0]: /run/kiln is not the service's to write to"
            ],
        ),
    ] {
        refused(&with(&format!("writable = ['{path}']")), &expected);
    }
    refused(
        &with("writable = ['/a', '/a/']"),
        &expect!["line 5, column 19: process.web.writable[1]: /a stands twice"],
    );
    assert!(Recipe::parse(&with("writable = ['/run/kilns', '/devices']")).is_ok());
}

fn image(lines: &str) -> String {
    format!("app='a'\n[process.web]\ncommand=['/c']\n[image]\nbase='b'\n{lines}")
}

#[test]
fn nothing_in_the_image_section_reaches_outside_or_becomes_an_option() {
    refused(
        &image("install = ['dist/*.rpm']"),
        &expect![
            "line 6, column 12: image.install[0]: package files end with .deb: others are not supported yet"
        ],
    );
    refused(
        &image("install = ['../a.deb']"),
        &expect![[
            r#"line 6, column 12: image.install[0]: "../a.deb" is not a pattern for files: a path within the service's directory, with * and ? within names"#
        ]],
    );
    refused(
        &image("run = ['true', '  ']"),
        &expect!["line 6, column 16: image.run[1]: it is empty"],
    );
    refused(
        &image("copy = [{from='../x', to='/x'}]"),
        &expect![[
            r#"line 6, column 10: image.copy[0].from: "../x" is not a path to copy from: it is relative to the service's directory and stays inside"#
        ]],
    );
    refused(
        &image("copy = [{from='/x', to='/x'}]"),
        &expect![[
            r#"line 6, column 10: image.copy[0].from: "/x" is not a path to copy from: it is relative to the service's directory and stays inside"#
        ]],
    );
    refused(
        &image("copy = [{from='x', to='x'}]"),
        &expect![[
            r#"line 6, column 20: image.copy[0].to: "x" is not an absolute path: it begins with / and has no empty, . or .. segments"#
        ]],
    );
    for bad in ["-y", "--x", "a b", "a-", "a/stable", "a^", "a*", "a=", "a=-1", "a:=1", "", "a:b:c"]
    {
        assert!(Recipe::parse(&image(&format!("packages = ['{bad}']"))).is_err(), "{bad}");
    }
    for good in ["g++", "libc6:amd64", "python3.11", "a=1:2.3~rc1+b1-4", "Perl_x"] {
        assert!(Recipe::parse(&image(&format!("packages = ['{good}']"))).is_ok(), "{good}");
    }
}

#[test]
fn a_copy_keeps_where_it_comes_from_and_goes_to() {
    let check = |from: &str, to: &str, expected: (&str, &str, bool)| {
        let text = image(&format!("copy = [{{from='{from}', to='{to}'}}]"));
        let copy = Recipe::parse(&text).unwrap().image.copy.remove(0);
        assert_eq!((copy.from.as_str(), copy.to.as_str(), copy.into_directory), expected);
    };
    check(".", "/srv", (".", "/srv", false));
    check("./", "/", (".", "/", true));
    check("./a/b/", "/srv/x/", ("a/b", "/srv/x", true));
}

#[test]
fn everything_has_a_limit() {
    refused(
        &"#".repeat(MAX_FILE_BYTES + 1),
        &expect!["line 1, column 1: too many bytes in the file: at most 262144"],
    );
    refused(
        &image(&format!("run = [{}]", "'x',".repeat(MAX_RUN + 1))),
        &expect!["line 6, column 1: image.run: too many commands: at most 256"],
    );
    let many: String =
        (0..MAX_PROCESSES).map(|n| format!("[process.p{n}]\ncommand=['/c']\n")).collect();
    refused(&with(&many), &expect!["line 3, column 2: process: too many processes: at most 64"]);
    let long = "x".repeat(MAX_ARGUMENT_BYTES + 1);
    refused(
        &image(&format!("run = ['{long}']")),
        &expect!["line 6, column 8: image.run[0]: too many bytes in one string: at most 65536"],
    );
    let deep = format!("app='a'\nimage={}1{}", "[".repeat(70), "]".repeat(70));
    refused(&deep, &expect!["line 2, column 39: too many levels of nesting: at most 32"]);
    assert!(Recipe::parse(&format!("a={}", "[".repeat(100_000))).is_err());
}
