//! One deployment at a time per application and environment, any number side by side.

use kiln_tests::{Kiln, Project, USER};

#[test]
fn a_second_deployment_is_refused_and_told_who_holds_the_place() {
    let kiln = Kiln::with_tiny();
    let project = Project::running(&kiln, "hello", &["late"]);
    project.says("hello 1\n");
    kiln.done(["bake", "hello", "1", "--dir", project.dir()]);
    let deploy = ["deploy", "hello", "prod", "hello:1", "-m", "slowly", "--detach"];
    let id = kiln.json(deploy)["id"].as_str().unwrap().to_owned();
    let second = kiln.run(["deploy", "hello", "prod", "hello:1", "-m", "me too"]).exits(5);
    second.says(&[&id, USER]);
    kiln.run(["rollback", "hello", "prod", "-m", "back"]).exits(5).says(&["kiln undo hello prod"]);
    kiln.done(["watch", &id]);
    assert_eq!(kiln.get("hello").text(), "hello 1\n");
}

#[test]
fn deployments_of_different_applications_go_side_by_side() {
    let kiln = Kiln::with_tiny();
    let apps = ["one", "two", "three"];
    let ships: Vec<_> = apps
        .map(|app| {
            let project = Project::serving(&kiln, app, &format!("{app}\n"));
            let arguments = ["ship", app, "prod", "--dir", project.dir(), "-m", "together"];
            kiln.command(arguments).spawn().unwrap()
        })
        .into_iter()
        .collect();
    for mut ship in ships {
        assert!(ship.wait().unwrap().success());
    }
    for app in apps {
        assert_eq!(kiln.get(app).text(), format!("{app}\n"));
    }
}
