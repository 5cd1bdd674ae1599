//! What a table may not say.

use super::*;

fn endpoint(id: &str) -> Endpoint {
    let address = "10.0.0.1:80".parse().unwrap();
    Endpoint { id: InstanceId::parse(id).unwrap(), address, check: Check::default() }
}

fn cluster(name: &str, host: &str, group: &str, instance: &str) -> Cluster {
    let route = serde_json::from_str(&format!(r#"{{"host":"{host}"}}"#)).unwrap();
    let id = GroupId::parse(group).unwrap();
    let group = Group { id, weight: 1, instances: vec![endpoint(instance)] };
    Cluster { name: name.to_owned(), routes: vec![route], groups: vec![group] }
}

fn sound() -> Table {
    let clusters = vec![
        cluster("a/prod/web", "a.localhost", "00000001", "000000000001"),
        cluster("b/prod/web", "b.localhost", "00000002", "000000000002"),
    ];
    Table { epoch: 1, version: 1, clusters }
}

fn check(change: impl Fn(&mut Table), expected: &str) {
    let mut table = sound();
    change(&mut table);
    assert_eq!(table.check().unwrap_err().to_string(), expected);
}

#[test]
fn a_sound_table_is_accepted_and_reads_back_as_written() {
    let table = sound();
    table.check().unwrap();
    let text = serde_json::to_string(&table).unwrap();
    assert_eq!(serde_json::from_str::<Table>(&text).unwrap(), table);
}

#[test]
fn nothing_stands_twice() {
    check(
        |table| table.clusters[1].name = "a/prod/web".to_owned(),
        "cluster a/prod/web stands twice in the table",
    );
    check(
        |table| table.clusters[1].routes = table.clusters[0].routes.clone(),
        "route a.localhost/ stands twice in the table",
    );
    check(
        |table| table.clusters[1].groups[0].id = table.clusters[0].groups[0].id,
        "group 00000001 stands twice in the table",
    );
    check(
        |table| table.clusters[1].groups[0].instances[0].id = endpoint("000000000001").id,
        "instance 000000000001 stands twice in the table",
    );
}

#[test]
fn checks_and_weights_are_within_bounds() {
    check(
        |table| table.clusters[0].groups[0].weight = 1_000_001,
        "weight 1000001 of group 00000001 is over 1000000",
    );
    let with = |change: fn(&mut Check), rule: &str| {
        let expected = format!("check of instance 000000000001: {rule}");
        check(|table| change(&mut table.clusters[0].groups[0].instances[0].check), &expected);
    };
    let path = "a path begins with / and is what a request line can hold";
    with(|check| check.path = "health".to_owned(), path);
    with(|check| check.startup.path = "/a b".to_owned(), path);
    with(|check| check.interval = Span::ZERO, "intervals and timeouts are longer than nothing");
    with(|check| check.unhealthy_threshold = 0, "the unhealthy threshold is at least 1");
}
