//! Trees as people see them.

mod told;

use super::draw::Size;
use expect_test::expect;
use kiln_protocol::deployment::{DeploymentState, Happening};
use kiln_protocol::status::{Group, GroupState};
use told::{Told, group, instance};

const RED_BLACK: &str = "
    create claim-routes
    create ensure-image
    create ensure-groups
    create resize-groups
    settle await-exist
    settle await-started
    settle await-startup
    settle await-stable
    shift apply-traffic
    shift await-in-force
    finish retire-groups
    finish record-release";

const CANARY: &str = "
    create ensure-groups
    settle await-stable
    shift apply-traffic
    shift await-in-force
    shift watch
    shift analyze
    shift apply-traffic
    shift await-in-force
    finish retire-groups";

const PAUSING: &str = "
    create ensure-groups
    settle await-stable
    shift pause
    shift apply-traffic
    finish retire-groups";

/// The group that has the traffic, and one of two instances that start beside it.
fn starting() -> (Vec<Group>, Vec<kiln_protocol::status::Instance>) {
    let new = Group { healthy: 1, ..group("web", 2, GroupState::Starting, Some(0)) };
    let old = group("web", 1, GroupState::Active, Some(100));
    let instances = vec![
        instance(&new, 0, "healthy", Some("GET / → 200")),
        instance(&new, 1, "starting", Some("connection refused")),
        instance(&old, 0, "healthy", None),
        instance(&old, 1, "healthy", None),
    ];
    (vec![new, old], instances)
}

fn settling() -> Told {
    let (groups, instances) = starting();
    let told = Told::deploy().after(20).sealed(RED_BLACK).does(1..=5).begins(6);
    told.after(1_440)
        .waits("hello-prod-web-v002: 1 of 2 instances started")
        .groups(groups, instances)
}

#[test]
fn the_phase_under_way_shows_its_actions_and_the_groups_stand_beneath() {
    expect![[r#"
        ● running                   1.9 s  deploy 010203040506 of hello in prod
          ✓ prepare                0.02 s  r-3fc4ccfe7458
          ✓ create                 0.40 s  4 actions
          ● settle                  1.5 s  1 of 4 actions
            ✓ await-exist          0.10 s  what await-exist does
            ● await-started         1.4 s  hello-prod-web-v002: 1 of 2 instances start…
            ○ await-startup                what await-startup does
            ○ await-stable                 what await-stable does
          ○ shift                          2 actions
          ○ finish                         2 actions
          web  v002  1.2  starting    0 %  healthy 1/2, 1 starting: connection refused
          web  v001  1.1  active    100 %  healthy 2/2
    "#]]
    .assert_eq(&settling().on_rows(40));
}

#[test]
fn every_line_fits_eighty_columns_and_narrower_terminals() {
    let note = "ä\u{1b}[2J漢字 ".repeat(40);
    let told = settling().waits(&note);
    for columns in [80, 40, 12, 1] {
        let drawn = told.on(Size { rows: 40, columns });
        assert!(!drawn.chars().any(|c| c.is_control() && c != '\n'), "{drawn:?}");
        for line in drawn.lines() {
            assert!(console::measure_text_width(line) < columns.max(2), "{columns}: {line}");
        }
    }
}

#[test]
fn a_short_terminal_folds_what_is_done_then_what_is_to_come_then_phases_and_groups() {
    let told = settling();
    expect![[r#"
        ● running                   1.9 s  deploy 010203040506 of hello in prod
          ✓ prepare                0.02 s  r-3fc4ccfe7458
          ✓ create                 0.40 s  4 actions
          ● settle                  1.5 s  1 of 4 actions
            ✓ await-exist          0.10 s  what await-exist does
            ● await-started         1.4 s  hello-prod-web-v002: 1 of 2 instances start…
            ○ await-startup                what await-startup does
            ○ await-stable                 what await-stable does
          ○ shift                          2 actions
          ○ finish                         2 actions
          web  v002  1.2  starting    0 %  healthy 1/2, 1 starting: connection refused
          web  v001  1.1  active    100 %  healthy 2/2
    "#]]
    .assert_eq(&told.on_rows(13));
    expect![[r#"
        ● running                   1.9 s  deploy 010203040506 of hello in prod
          ✓ 2 phases               0.42 s  prepare, create: 4 actions
          ● settle                  1.5 s  1 of 4 actions
            ✓ await-exist          0.10 s  what await-exist does
            ● await-started         1.4 s  hello-prod-web-v002: 1 of 2 instances start…
            ○ to come                      2 actions
          ○ 2 phases                       shift, finish: 4 actions
          web  v002  1.2  starting    0 %  healthy 1/2, 1 starting: connection refused
          web  v001  1.1  active    100 %  healthy 2/2
    "#]]
    .assert_eq(&told.on_rows(11));
    expect![[r#"
        ● running                   1.9 s  deploy 010203040506 of hello in prod
          ● settle                  1.5 s  1 of 4 actions
            ✓ await-exist          0.10 s  what await-exist does
            ● await-started         1.4 s  hello-prod-web-v002: 1 of 2 instances start…
            ○ to come                      2 actions
          web  v002  1.2  starting    0 %  healthy 1/2, 1 starting: connection refused
          web  v001  1.1  active    100 %  healthy 2/2
    "#]]
    .assert_eq(&told.on_rows(9));
    expect![[r#"
        ● running                   1.9 s  deploy 010203040506 of hello in prod
          ● settle                  1.5 s  1 of 4 actions
            ✓ await-exist          0.10 s  what await-exist does
            ● await-started         1.4 s  hello-prod-web-v002: 1 of 2 instances start…
            ○ to come                      2 actions
    "#]]
    .assert_eq(&told.on_rows(6));
}

#[test]
fn what_is_done_of_the_phase_under_way_is_folded_first() {
    let told = Told::deploy().after(10).sealed(CANARY).does(1..=4).begins(5).after(900);
    expect![[r#"
        ● running                   1.3 s  deploy 010203040506 of hello in prod
          ✓ prepare                0.01 s  r-3fc4ccfe7458
          ✓ create                 0.10 s  1 action
          ✓ settle                 0.10 s  1 action
          ● shift                   1.1 s  2 of 6 actions
            ✓ done                         2 actions
            ● watch                 0.9 s  what watch does
            ○ to come                      3 actions
          ○ finish                         1 action
    "#]]
    .assert_eq(&told.on_rows(11));
}

#[test]
fn a_tree_is_never_taller_than_its_terminal() {
    let told = settling();
    for rows in 1..40 {
        let drawn = told.on_rows(rows).lines().count();
        assert!(drawn <= rows.saturating_sub(1).max(1), "{drawn} lines on {rows} rows");
        assert!(told.on_rows(rows).starts_with("● running"), "{rows}");
    }
}

#[test]
fn what_is_over_has_one_line_per_phase() {
    let groups = vec![
        group("web", 2, GroupState::Active, Some(100)),
        Group { in_flight: Some(7), ..group("web", 1, GroupState::Warm, Some(0)) },
        group("worker", 2, GroupState::Active, None),
    ];
    let told = Told::deploy().after(20).sealed(RED_BLACK).does(1..=12);
    let told = told.state(DeploymentState::Completed).groups(groups, Vec::new()).after(5_000);
    expect![[r#"
        ✓ completed                1.22 s  deploy 010203040506 of hello in prod
          ✓ prepare                0.02 s  r-3fc4ccfe7458
          ✓ create                 0.40 s  4 actions
          ✓ settle                 0.40 s  4 actions
          ✓ shift                  0.20 s  2 actions
          ✓ finish                 0.20 s  2 actions
          web     v002  1.2  active  100 %  healthy 2/2
          web     v001  1.1  warm      0 %  healthy 2/2, 7 in flight
          worker  v002  1.2  active      -  healthy 2/2
    "#]]
    .assert_eq(&told.on_rows(usize::MAX));
}

#[test]
fn a_canary_shows_its_share() {
    let groups = vec![
        group("web", 2, GroupState::Ready, Some(20)),
        group("web", 1, GroupState::Active, Some(80)),
    ];
    let told = Told::deploy().after(10).sealed(CANARY).does(1..=4).begins(5).after(61_234);
    let told = told.waits("the end of the watch, 238 s are left").groups(groups, Vec::new());
    expect![[r#"
        ● running                  61.6 s  deploy 010203040506 of hello in prod
          ✓ prepare                0.01 s  r-3fc4ccfe7458
          ✓ create                 0.10 s  1 action
          ✓ settle                 0.10 s  1 action
          ● shift                  61.4 s  2 of 6 actions
            ✓ apply-traffic        0.10 s  what apply-traffic does
            ✓ await-in-force       0.10 s  what await-in-force does
            ● watch                61.2 s  the end of the watch, 238 s are left
            ○ analyze                      what analyze does
            ○ apply-traffic                what apply-traffic does
            ○ await-in-force               what await-in-force does
          ○ finish                         1 action
          web  v002  1.2  ready   20 %  healthy 2/2
          web  v001  1.1  active  80 %  healthy 2/2
    "#]]
    .assert_eq(&told.on_rows(24));
}

fn failed() -> Told {
    let mut new = group("web", 2, GroupState::Starting, Some(0));
    new.healthy = 0;
    let mut dead = instance(&new, 0, "exited", Some("connection refused"));
    dead.exit = Some("exited with code 3".to_owned());
    let groups = vec![new, group("web", 1, GroupState::Active, Some(100))];
    let told = Told::deploy().after(10).sealed(RED_BLACK).does(1..=6).begins(7).after(2_500);
    told.groups(groups, vec![dead])
        .fails("hello-prod-web-v002 is in a crash loop: 3 exits, the last one exited with code 3")
        .undo("undo apply-traffic\nundo remove-groups\nundo await-gone", "await-startup failed")
}

#[test]
fn a_failure_stays_in_sight_while_it_is_undone() {
    expect![[r#"
        ● being undone              3.6 s  deploy 010203040506 of hello in prod
          ✓ prepare                0.01 s  r-3fc4ccfe7458
          ✓ create                 0.40 s  4 actions
          ✗ settle                 2.70 s  2 of 4 actions
            ✗ await-startup        2.50 s  hello-prod-web-v002 is in a crash loop: 3
                                           exits, the last one exited with code 3
          ● undo                    0.5 s  2 of 3 actions
            ✓ apply-traffic        0.10 s  what apply-traffic does
            ✓ remove-groups        0.10 s  what remove-groups does
            ● await-gone            0.3 s  what await-gone does
          web  v002  1.2  starting    0 %  healthy 0/2, 1 exited: exited with code 3
          web  v001  1.1  active    100 %  healthy 2/2
    "#]]
    .assert_eq(&failed().does(1..=2).begins(3).after(300).on_rows(24));
}

#[test]
fn what_was_undone_shows_what_failed_and_leaves_out_what_was_never_reached() {
    let groups = vec![group("web", 1, GroupState::Active, Some(100))];
    let told = failed().does(1..=3).state_for(DeploymentState::Undone, "await-startup failed");
    expect![[r#"
        ✗ undone                   3.41 s  deploy 010203040506 of hello in prod
          ✓ prepare                0.01 s  r-3fc4ccfe7458
          ✓ create                 0.40 s  4 actions
          ✗ settle                 2.70 s  2 of 4 actions
            ✗ await-startup        2.50 s  hello-prod-web-v002 is in a crash loop: 3
                                           exits, the last one exited with code 3
          ✓ undo                   0.30 s  3 actions
          web  v001  1.1  active  100 %  healthy 2/2
    "#]]
    .assert_eq(&told.groups(groups, Vec::new()).on_rows(usize::MAX));
}

#[test]
fn a_pause_says_what_it_waits_for_and_what_to_type() {
    let reason = "before the traffic moves. Look at the dashboard of the greeter, and at the \
        error budget of the team; ask the people of the shop whether they see anything odd";
    let told = Told::deploy().after(10).sealed(PAUSING).does(1..=2);
    let paused = told.state_for(DeploymentState::Paused, reason).after(90_000);
    expect![[r#"
        ‖ paused                   90.2 s  deploy 010203040506 of hello in prod
          before the traffic moves. Look at the dashboard of the greeter, and at the
          error budget of the team; ask the people of the shop whether they see
          anything odd
          kiln resume hello prod goes on, kiln undo hello prod takes it back.
          ✓ prepare                0.01 s  r-3fc4ccfe7458
          ✓ create                 0.10 s  1 action
          ✓ settle                 0.10 s  1 action
          ‖ shift                  90.0 s  0 of 2 actions
            ‖ pause                90.0 s  before the traffic moves. Look at the dashb…
            ○ apply-traffic                what apply-traffic does
          ○ finish                         1 action
    "#]]
    .assert_eq(&paused.on_rows(24));
    let resumed = paused.state(DeploymentState::Running).begins(4).after(50);
    expect![[r#"
        ● running                  90.2 s  deploy 010203040506 of hello in prod
          ✓ prepare                0.01 s  r-3fc4ccfe7458
          ✓ create                 0.10 s  1 action
          ✓ settle                 0.10 s  1 action
          ● shift                  90.0 s  1 of 2 actions
            ✓ pause               90.00 s  what pause does
            ● apply-traffic         0.0 s  what apply-traffic does
          ○ finish                         1 action
    "#]]
    .assert_eq(&resumed.on_rows(24));
}

#[test]
fn what_somebody_aborted_is_left_where_it_is() {
    let told = settling().state_for(DeploymentState::Stuck, "aborted by ada");
    expect![[r#"
        ✗ stuck                    1.96 s  deploy 010203040506 of hello in prod
          ✓ prepare                0.02 s  r-3fc4ccfe7458
          ✓ create                 0.40 s  4 actions
          - settle                 1.54 s  1 of 4 actions
            - await-started        1.44 s  what await-started does
          web  v002  1.2  starting    0 %  healthy 1/2, 1 starting: connection refused
          web  v001  1.1  active    100 %  healthy 2/2
    "#]]
    .assert_eq(&told.on_rows(usize::MAX));
}

#[test]
fn a_server_that_tells_no_plan_is_drawn_by_what_begins() {
    let told = Told::deploy().after(10).sealed(RED_BLACK);
    let release = None;
    let blind =
        told.tell(Happening::Sealed { release, actions: 12, notes: Vec::new(), plan: Vec::new() });
    expect![[r#"
        ● running                   1.0 s  deploy 010203040506 of hello in prod
          ✓ prepare                0.01 s
          ✓ create                 0.40 s  4 actions
          ● settle                  0.6 s  1 of 2 actions
            ✓ await-exist          0.10 s  what await-exist does
            ● await-started         0.5 s  what await-started does
    "#]]
    .assert_eq(&blind.does(1..=5).begins(6).after(500).on_rows(24));
}

#[test]
fn a_server_that_does_not_answer_is_said_to_be_so() {
    let mut told = settling();
    told.course.lost = true;
    assert!(told.on_rows(24).starts_with("● not answering "), "{}", told.on_rows(24));
    assert!(told.after(10).waits("again").on_rows(24).starts_with("● running "));
}

#[test]
fn long_times_are_told_in_minutes_and_hours() {
    let told = Told::deploy().after(10).sealed(CANARY).does(1..=4).begins(5);
    let watched = |milliseconds: u64| {
        let drawn = Told { now_ms: told.now_ms + milliseconds, ..told.clone() }.on_rows(24);
        drawn.lines().find(|line| line.contains("● watch")).unwrap()[23..].trim_start()[..7]
            .trim()
            .to_owned()
    };
    assert_eq!(watched(99_900), "99.9 s");
    assert_eq!(watched(125_000), "2m 05s");
    assert_eq!(watched(3_725_000), "1h 02m");
}

#[test]
fn notes_of_the_plan_stand_in_full_and_so_does_why_somebody_takes_it_back() {
    let note = "the image is foreign: it starts without kiln-init, and has its environment alone; \
        launch data are not run";
    let told = Told::deploy().after(10).noted(PAUSING, &[note, "v000 is warm and is left so"]);
    let told = told.does(1..=2).undo("undo remove-groups", "undone by ada: the greeting is wrong");
    expect![[r#"
        ● being undone              0.2 s  deploy 010203040506 of hello in prod
          undone by ada: the greeting is wrong
          ✓ prepare                0.01 s  r-3fc4ccfe7458
            the image is foreign: it starts without kiln-init, and has its environment
            alone; launch data are not run
            v000 is warm and is left so
          ✓ create                 0.10 s  1 action
          ✓ settle                 0.10 s  1 action
          ● undo                    0.0 s  0 of 1 action
            ● remove-groups         0.0 s  what remove-groups does
    "#]]
    .assert_eq(&told.begins(1).after(40).on_rows(24));
}
