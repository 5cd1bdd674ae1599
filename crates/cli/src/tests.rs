//! The command line as a whole: its help, its mistakes, its exit codes.

use super::*;
use clap::CommandFactory as _;
use kiln_protocol::Code;

fn every(command: &clap::Command, visit: &mut impl FnMut(&clap::Command)) {
    visit(command);
    for subcommand in command.get_subcommands() {
        every(subcommand, visit);
    }
}

#[test]
fn the_help_of_every_command_fits_80_columns_and_has_an_example() {
    let mut line = Line::command();
    line.build();
    every(&line, &mut |command| {
        let help = command.clone().render_long_help().to_string();
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{}: {line}", command.get_name());
        }
        let is_leaf = !command.has_subcommands() && !command.is_hide_set();
        assert!(!is_leaf || help.contains("Example:\n"), "{}: {help}", command.get_name());
    });
}

#[test]
fn the_definitions_of_the_commands_are_sound() {
    Line::command().debug_assert();
}

#[test]
fn verbs_that_are_not_built_are_absent_and_inner_ones_hidden() {
    let help = Line::command().render_long_help().to_string();
    for verb in ["  up ", "  run ", "  ship ", "  rollback ", "  logs "] {
        assert!(help.contains(verb), "{verb}");
    }
    for verb in ["  server ", "  router ", "  shim "] {
        assert!(!help.contains(verb), "{verb}");
    }
}

#[test]
fn the_examples_in_the_help_are_understood() {
    let mut line = Line::command();
    line.build();
    let mut seen = 0;
    every(&line, &mut |command| {
        let about = command.get_long_about().map(ToString::to_string).unwrap_or_default();
        let examples = about.lines().filter_map(|line| line.strip_prefix("  kiln "));
        for example in examples {
            seen += 1;
            let words = words_of(example);
            let arguments = std::iter::once("kiln".to_owned()).chain(words);
            let parsed = Line::try_parse_from(arguments);
            assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
        }
    });
    assert!(seen > 30, "{seen}");
}

/// The words of an example up to what the shell would take, quotes taken off.
fn words_of(example: &str) -> Vec<String> {
    let example = example.split("  ").next().unwrap_or(example);
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in example.chars() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, ' ') => words.push(String::new()),
            (None, '>' | '&' | '\\') => break,
            _ => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn a_mistake_is_exit_2_and_help_is_exit_0() {
    let check = |line: &[&str], expected: Exit| {
        assert_eq!(parse(line.iter().copied()).unwrap_err(), expected, "{line:?}");
    };
    check(&["kiln", "depoly", "hello", "prod"], Exit::Usage);
    check(&["kiln", "deploy", "Hello", "prod", "-m", "x"], Exit::Usage);
    check(&["kiln", "deploy", "hello", "prod"], Exit::Usage);
    check(&["kiln"], Exit::Usage);
    check(&["kiln", "--version"], Exit::Done);
    check(&["kiln", "deploy", "--help"], Exit::Done);
    check(&["kiln", "help"], Exit::Done);
    check(&["kiln", "help", "app", "create"], Exit::Done);
    check(&["kiln", "help", "depoly"], Exit::Usage);
}

#[test]
fn a_mistyped_verb_is_answered_with_the_nearest_one() {
    let error = Line::try_parse_from(["kiln", "depoly"]).unwrap_err().to_string();
    assert!(error.contains("'deploy'"), "{error}");
}

#[test]
fn every_command_takes_json_and_says_which_kiln() {
    let line = ["kiln", "status", "--json", "--url", "http://k:1", "--token", "t", "--data", "/d"];
    let parsed = parse(line).unwrap();
    assert!(parsed.globals.json);
    assert_eq!(parsed.globals.url.as_deref(), Some("http://k:1"));
    assert_eq!(parsed.globals.data, std::path::Path::new("/d"));
}

#[test]
fn the_table_of_exit_codes_is_fixed() {
    let mut table = String::new();
    for code in Code::ALL {
        table.push_str(&format!("{} {} {}\n", code.exit().code(), code.status(), code.as_str()));
    }
    expect_test::expect_file!["tests/exit_codes.txt"].assert_eq(&table);
}
