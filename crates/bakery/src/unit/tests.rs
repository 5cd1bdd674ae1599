//! Units as packages have them, and as none should.

use super::*;

const WHOLE: &str = "\
# a comment
[Unit]
Description=100% fine \\
  here
After=network.target

[Service]
Type=notify
; another
ExecStart=/usr/bin/hello --name 'a b' \\
  # within
  --rate 5%% --cash $$5
Environment=A=1 \"B=two words\"
Environment=C=x=y
User=hello
Group=hello
RuntimeDirectory=hello hello/deep
KillSignal=INT
TimeoutStopSec=1min
Restart=on-failure
ProtectSystem=strict

[Install]
WantedBy=multi-user.target
";

fn service(lines: &str) -> Result<Unit, UnitError> {
    Unit::parse("hello.service", &format!("[Service]\n{lines}\n"))
}

#[test]
fn a_whole_unit_is_read() {
    let unit = Unit::parse("hello.service", WHOLE).unwrap();
    let command = ["/usr/bin/hello", "--name", "a b", "--rate", "5%", "--cash", "$5"];
    assert_eq!(unit.command, command);
    assert_eq!(unit.env, ["A=1", "B=two words", "C=x=y"]);
    assert_eq!(unit.user, Some(User::parse("hello").unwrap()));
    let writable: Vec<&str> = unit.writable.iter().map(AbsolutePath::as_str).collect();
    assert_eq!(writable, ["/run/hello", "/run/hello/deep"]);
    assert_eq!(
        (unit.stop.signal.as_str(), unit.stop.timeout.to_string().as_str()),
        ("SIGINT", "1m")
    );
}

#[test]
fn what_a_unit_leaves_out_has_defaults() {
    let unit = service("ExecStart=/bin/false\nExecStart=\nExecStart=/bin/true").unwrap();
    assert_eq!(
        (unit.command, unit.user, unit.stop),
        (vec!["/bin/true".into()], None, Stop::default())
    );
    let user = |lines: &str| service(&format!("ExecStart=/a\n{lines}")).unwrap().user;
    assert_eq!(user("User=root\nGroup=root"), None);
    assert_eq!(user("User=made-up\nDynamicUser=yes"), Some(User::NOBODY));
}

#[test]
fn what_is_not_understood_is_refused_with_its_place() {
    let check = |lines: &str, expected: &str| {
        let said = service(lines).unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
    };
    let at = "understand hello.service, line 3: Type=forking: its program leaves";
    check("ExecStart=/a\nType=forking", at);
    check("ExecStart=/a\nType=oneshot", "line 3: Type=oneshot");
    check("ExecStart=/a %i", "line 2: ExecStart=/a %i: specifiers");
    check("ExecStart=/a $OPTIONS", "variables with $ are not replaced");
    check("ExecStart=-/a", "by its whole path");
    check("ExecStart=a", "by its whole path");
    check("ExecStart=/a ; /b", "no shell reads it");
    check("ExecStart=/a\nExecStart=/b", "it has several ExecStart");
    check("User=a", "it has no ExecStart");
    check("ExecStartPre=/a", "ExecStartPre=/a: this is not understood");
    check("EnvironmentFile=-/etc/default/a", "this is not understood");
    check("Environment=A", "\"A\" is not NAME=value");
    check("Environment=PORT=1", "PORT is what Kiln sets itself");
    check("StateDirectory=a", "an instance keeps no state");
    check("RuntimeDirectory=../a", "is not an absolute path");
    check("KillSignal=SIGSEGV", "SIGTERM, SIGINT");
    check("TimeoutStopSec=infinity", "one number and one unit");
    check("TimeoutStopSec=1min 30s", "one number and one unit");
    check("ExecStart=/a\nUser=a\nGroup=b", "its Group is not that of its User");
    check("A\x1b[31m=b", "line 2: A [31m=b: this");
    check("garbage", "garbage=: this is not understood");
}
