//! Who may ask: root through the socket, everybody else with a token.

use kiln_tests::Kiln;

#[test]
fn over_tcp_a_token_is_needed_and_only_the_right_one_helps() {
    let kiln = Kiln::start();
    let url = format!("http://{}", kiln.api());
    let _none = kiln.run(["app", "list", "--url", &url]).exits(7);
    let _wrong = kiln.run(["app", "list", "--url", &url, "--token", &"0".repeat(64)]).exits(7);
    let token = std::fs::read_to_string(kiln.data().join("admin.token")).unwrap();
    kiln.done(["app", "list", "--url", &url, "--token", token.trim()]);
}

#[test]
fn what_would_let_others_in_is_readable_by_root_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let kiln = Kiln::start();
    for name in ["", "admin.token", "kiln.sock"] {
        let metadata = std::fs::metadata(kiln.data().join(name)).unwrap();
        let mode = metadata.permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{name:?} has mode {mode:o}");
    }
}

#[test]
fn the_routers_listener_knows_nothing_of_the_api() {
    let kiln = Kiln::start();
    for host in ["localhost", "kiln", "hello.prod.localhost"] {
        let answer = kiln_load::get(&kiln.target("hello").host(host), "/v1/health").unwrap();
        assert_eq!(answer.status.as_u16(), 404, "{}", answer.excerpt());
    }
}
