//! Properties: what becomes of them, and what could not reach an instance.

use super::*;

#[test]
fn properties_become_variables() {
    let text = r#"{"db.url": "x=1", "pool-size": 10, "ratio": 0.5, "on": true, "_e": "", "big": 18446744073709551615}"#;
    let properties = Properties::parse(text).unwrap();
    expect![[r#"{"BIG": "18446744073709551615", "DB_URL": "x=1", "ON": "true", "POOL_SIZE": "10", "RATIO": "0.5", "_E": ""}"#]].assert_eq(&format!("{:?}", properties.variables()));
    let keys: Vec<_> = properties.as_json().keys().map(String::as_str).collect();
    assert_eq!(keys, ["db.url", "pool-size", "ratio", "on", "_e", "big"]);
}

#[test]
fn properties_that_could_not_reach_the_instance_are_refused() {
    let bad =
        |text: &str, expected: &Expect| refused(ConfigurationFile::Properties, text, expected);
    bad(
        "{\"a.b\": 1,\n \"a-B\": 2}",
        &expect![
            "application-properties.json: line 2, column 2: a-B: it would be A_B in the environment, as a.b is"
        ],
    );
    bad(
        r#"{"port": 1}"#,
        &expect![
            "application-properties.json: line 1, column 2: port: it would be PORT in the environment, which Kiln sets"
        ],
    );
    bad(
        r#"{"kiln.app": 1}"#,
        &expect![
            "application-properties.json: line 1, column 2: kiln.app: it would be KILN_APP in the environment, which Kiln sets"
        ],
    );
    bad(
        r#"{"a": {"b": 1}}"#,
        &expect![
            "application-properties.json: line 1, column 2: a: an object stands where a string, a number or a boolean is wanted"
        ],
    );
    bad(
        r#"{"a": null}"#,
        &expect![
            "application-properties.json: line 1, column 2: a: null stands where a string, a number or a boolean is wanted"
        ],
    );
    bad(
        r#"{"a": 18446744073709551616}"#,
        &expect![
            "application-properties.json: line 1, column 2: a: a number beyond 64 bits stands where a string, a number or a boolean is wanted"
        ],
    );
    bad(
        r#"{"a": "\u0000"}"#,
        &expect!["application-properties.json: line 1, column 2: a: it has a NUL character"],
    );
}

#[test]
fn keys_and_amounts_of_properties_have_their_bounds() {
    let bad =
        |text: &str, expected: &Expect| refused(ConfigurationFile::Properties, text, expected);
    bad(
        r#"{"a b": 1}"#,
        &expect![
            "application-properties.json: line 1, column 2: a b: a key is a letter or _, then letters, digits, _ . and -, at most 256 in all"
        ],
    );
    bad(
        r#"{"\u001b[2J": 1}"#,
        &expect![[
            r#"application-properties.json: line 1, column 2: \u{1b}[2J: a key is a letter or _, then letters, digits, _ . and -, at most 256 in all"#
        ]],
    );
    bad(
        r#"{"1a": 1}"#,
        &expect![
            "application-properties.json: line 1, column 2: 1a: a key is a letter or _, then letters, digits, _ . and -, at most 256 in all"
        ],
    );
    bad(
        r#"[]"#,
        &expect![
            "application-properties.json: line 1, column 1: an array stands where an object is wanted"
        ],
    );
    let many: Vec<_> = (0..=MAX_PROPERTIES).map(|n| format!("\"a{n}\":1")).collect();
    bad(
        &format!("{{{}}}", many.join(",")),
        &expect![
            "application-properties.json: line 1, column 1: too many properties: at most 10000"
        ],
    );
    bad(
        &format!("{{\"a\": \"{}\"}}", "x".repeat(MAX_VALUE_BYTES + 1)),
        &expect![
            "application-properties.json: line 1, column 2: a: too many bytes in one string: at most 65536"
        ],
    );
    bad(
        &" ".repeat(crate::document::MAX_FILE_BYTES + 1),
        &expect![
            "application-properties.json: line 1, column 1: too many bytes in the file: at most 262144"
        ],
    );
}
