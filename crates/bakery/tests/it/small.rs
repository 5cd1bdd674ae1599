//! Bakes without a network or packages: copies, commands, names.

use crate::kitchen::{Kitchen, NOON, Recipe, by, chain};
use kiln_bakery::{BakeError, BakeEvent};
use kiln_names::Digest;
use kiln_protocol::recipe::{ImageProcess, Processes, labels};
use kiln_store::{audit, images};

const COPY: &str = "copy = [{ from = \"app/\", to = \"/srv/\" }]";

fn app() -> Recipe {
    Recipe::small(COPY).file("app/hello.txt", "hello")
}

#[tokio::test]
async fn a_copy_becomes_an_image_that_names_its_process() {
    let kitchen = Kitchen::small().await;
    let recipe = app().process("command = [\"/bin/sh\", \"-c\", \"x\"]\nport = 8080");
    let (baked, _) = kitchen.bake(&recipe).await.unwrap();
    assert!(!baked.cached);
    assert_eq!((baked.layers.len(), baked.layers[0].step.as_str()), (1, "copy"));
    assert_eq!(kitchen.text(&baked.image, "/srv/hello.txt").as_deref(), Some("hello"));
    assert_eq!(kitchen.paths(&baked.layers[0].diff_id), ["srv/", "srv/hello.txt"]);

    let config = kitchen.config(&baked.image);
    assert_eq!(config.entrypoint, ["/usr/sbin/kiln-init"]);
    assert_eq!(config.cmd, ["/bin/sh", "-c", "x"]);
    assert_eq!((config.user.as_str(), config.stop_signal.as_str()), ("65532:65532", "SIGTERM"));
    assert_eq!(config.exposed_ports, [8080].into());
    assert_eq!(config.labels[labels::APP], "hello");
    assert!(config.labels[labels::BASE].starts_with("small@sha256:"));
    let processes = Processes::<ImageProcess>::from_label(&config.labels[labels::PROCESSES]);
    assert_eq!(processes.unwrap().main().unwrap().1.uid, 65532);
    assert!(kitchen.tree(&baked.image).find("/usr/sbin/kiln-init").unwrap().is_some());
}

#[tokio::test]
async fn a_bake_of_no_change_is_cached_and_writes_nothing() {
    let kitchen = Kitchen::small().await;
    let (first, _) = kitchen.bake(&app()).await.unwrap();
    let before = audit::newest(&mut kitchen.db.read().await.unwrap(), 99).await.unwrap().len();
    let (second, said) = kitchen.bake(&app()).await.unwrap();
    assert!(second.cached && second.layers[0].cached);
    assert_eq!((second.image, &second.version), (first.image, &first.version));
    assert!(matches!(said[0], BakeEvent::StepStarted { index: 1, total: 1, .. }), "{said:?}");
    let after = audit::newest(&mut kitchen.db.read().await.unwrap(), 99).await.unwrap().len();
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_change_of_one_file_redoes_its_layer_alone() {
    let kitchen = Kitchen::small().await;
    let image = "run = [\"echo built > /built\"]\n".to_owned() + COPY;
    let recipe = Recipe { image, ..app() };
    let (first, _) = kitchen.bake(&recipe).await.unwrap();
    let changed = recipe.file("app/hello.txt", "goodbye").version(Some("1.1"));
    let (second, _) = kitchen.bake(&changed).await.unwrap();
    let cached: Vec<bool> = second.layers.iter().map(|layer| layer.cached).collect();
    assert_eq!(cached, [true, false]);
    assert_eq!(first.layers[0].diff_id, second.layers[0].diff_id);
    assert_eq!(kitchen.text(&second.image, "/srv/hello.txt").as_deref(), Some("goodbye"));
    assert_eq!(kitchen.text(&first.image, "/srv/hello.txt").as_deref(), Some("hello"));
}

#[tokio::test]
async fn a_version_is_set_once() {
    let kitchen = Kitchen::small().await;
    let (first, _) = kitchen.bake(&app()).await.unwrap();
    let other = kitchen.bake(&app().file("app/hello.txt", "other")).await.unwrap_err();
    assert!(matches!(other, BakeError::Conflict { existing, .. } if existing == first.image));
}

#[tokio::test]
async fn versions_that_nobody_names_count_the_images_of_a_day() {
    let kitchen = Kitchen::small().await;
    let day = 24 * 60 * 60 * 1000;
    let mut versions = Vec::new();
    for (text, at) in [("a", NOON), ("a", NOON), ("b", NOON), ("b", NOON + day), ("a", NOON + day)]
    {
        let recipe = app().file("app/hello.txt", text).version(None);
        let (baked, _) = kitchen.bake_at(&recipe, at).await.unwrap();
        versions.push((baked.version.unwrap().to_string(), baked.cached));
    }
    let expected = [
        ("20261121.1", false),
        ("20261121.1", true),
        ("20261121.2", false),
        ("20261121.2", true),
        ("20261122.1", false),
    ];
    assert_eq!(versions, expected.map(|(version, cached)| (version.to_owned(), cached)));
}

#[tokio::test]
async fn a_command_may_delete_what_the_base_has() {
    let kitchen = Kitchen::small().await;
    let recipe = Recipe::small("run = [\"rm /etc/old && echo new > /etc/new\"]");
    let (baked, _) = kitchen.bake(&recipe).await.unwrap();
    let paths = kitchen.paths(&baked.layers[0].diff_id);
    assert_eq!(paths, ["etc/", "etc/new", "etc/.wh.old"]);
    assert_eq!(kitchen.text(&baked.image, "/etc/old"), None);
    assert_eq!(kitchen.text(&baked.image, "/etc/new").as_deref(), Some("new\n"));
    assert!(kitchen.settles().await);
}

#[tokio::test]
async fn a_failed_command_shows_what_it_said_and_names_nothing() {
    let kitchen = Kitchen::small().await;
    let recipe = Recipe::small(
        "run = [\"echo fine\", \"echo first; echo why >&2; exit 7\", \"echo never\"]",
    );
    let error = kitchen.bake(&recipe).await.unwrap_err();
    let BakeError::Step(failure) = &error else { panic!("{error:?}") };
    assert_eq!(failure.how, "it ended with status 7");
    assert!(failure.step.starts_with("run echo first"), "{}", failure.step);
    let mut lines = failure.lines.clone();
    lines.sort();
    assert_eq!(lines, ["first", "why"]);
    let mut read = kitchen.db.read().await.unwrap();
    assert!(images::versions(&mut read, None, 9).await.unwrap().is_empty());
    assert!(kitchen.settles().await);
    // What was done before stays done.
    let (baked, _) = kitchen.bake(&Recipe::small("run = [\"echo fine\"]")).await.unwrap();
    assert!(baked.layers[0].cached);
}

#[tokio::test]
async fn a_recipe_that_cannot_be_run_is_refused() {
    let kitchen = Kitchen::small().await;
    let check = async |recipe: Recipe, expected: &str| {
        let error = chain(&kitchen.bake(&recipe).await.unwrap_err());
        assert!(error.contains(expected), "{error}");
    };
    let run = |process| Recipe::small("").process(process);
    let missing = "find /bin/nothing, which process web runs: the image has no such file";
    check(run("command = [\"/bin/nothing\"]"), missing).await;
    check(run("command = [\"/etc\"]"), "it is not a file").await;
    check(run("command = [\"/etc/passwd\"]"), "it is not executable").await;
    let nobody = "find the user ann of process web: the image has no such user";
    check(run("command = [\"/bin/sh\"]\nuser = \"ann\""), nobody).await;
    let base = Recipe { base: "nowhere", ..Recipe::small("") };
    check(base, "find the base nowhere: known are small").await;
    let copy = Recipe::small(COPY);
    check(copy, "copy app: there is no such file or directory").await;
    check(Recipe::small("colour = 1"), "read the recipe: line").await;
}

#[tokio::test]
async fn files_that_were_not_sent_are_listed() {
    let kitchen = Kitchen::small().await;
    let recipe = app().file("app/other.txt", "other");
    let (events, _told) = tokio::sync::mpsc::channel(99);
    let sent = Digest::of(b"hello");
    kitchen.images.cache_blob(&sent, &b"hello"[..]).unwrap();
    let error = kitchen.bakery.bake(&recipe.request(), &by(), &events).await.unwrap_err();
    let BakeError::MissingBlobs(missing) = error else { panic!("{error:?}") };
    assert_eq!(missing, [Digest::of(b"other")]);
}

#[tokio::test]
async fn a_bake_that_nobody_waits_for_ends() {
    let kitchen = Kitchen::small().await;
    let recipe = Recipe::small("run = [\"echo started; sleep 600\"]").request();
    for drop_future in [true, false] {
        let (events, mut told) = tokio::sync::mpsc::channel(99);
        let (bakery, recipe, by) = (kitchen.bakery.clone(), recipe.clone(), by());
        let bake = tokio::spawn(async move { bakery.bake(&recipe, &by, &events).await });
        while told.recv().await.unwrap() != (BakeEvent::Output { line: "started".to_owned() }) {}
        if drop_future {
            bake.abort();
        } else {
            drop(told);
            let error = bake.await.unwrap().unwrap_err();
            assert!(matches!(error, BakeError::Abandoned), "{error:?}");
        }
        assert!(kitchen.settles().await);
    }
}

#[tokio::test]
async fn nothing_is_garbage_while_a_bake_is_in_progress() {
    let kitchen = Kitchen::small().await;
    let (events, mut told) = tokio::sync::mpsc::channel(99);
    let recipe = Recipe::small("run = [\"echo started; sleep 600\"]").request();
    let bakery = kitchen.bakery.clone();
    let bake = tokio::spawn(async move { bakery.bake(&recipe, &by(), &events).await });
    while told.recv().await.unwrap() != (BakeEvent::Output { line: "started".to_owned() }) {}
    assert!(kitchen.bakery.quiet().is_err());
    bake.abort();
    assert!(kitchen.settles().await);
    let (baked, _) = kitchen.bake(&app()).await.unwrap();

    let _quiet = kitchen.bakery.quiet().unwrap();
    let mut read = kitchen.db.read().await.unwrap();
    let kept = images::references(&mut read).await.unwrap();
    kitchen.images.gc(&kept.images, &kept.layers).unwrap();
    assert_eq!(kitchen.text(&baked.image, "/srv/hello.txt").as_deref(), Some("hello"));
}
