//! Debian's packages, from Debian's mirrors.

use crate::kitchen::{Kitchen, Recipe};
use kiln_bakery::BakeError;
use kiln_protocol::recipe::labels;

#[tokio::test]
async fn packages_and_users_bake_alike_in_two_data_directories() {
    let recipe = Recipe::debian(
        "packages = [\"tree\", \"cron\"]\nrun = [\"useradd --system --no-create-home hello\"]",
    )
    .process("command = [\"/usr/bin/tree\", \"/\"]\nuser = \"hello\"");
    let (one, two) = tokio::join!(Kitchen::debian(), Kitchen::debian());
    let (first, second) = tokio::join!(one.bake(&recipe), two.bake(&recipe));
    let (first, second) = (first.unwrap().0, second.unwrap().0);
    one.compare(&two, &first.image, &second.image);

    let shadow = one.text(&first.image, "/etc/shadow").unwrap();
    assert!(shadow.contains("hello:!:10957:"), "{shadow}");
    let paths = one.paths(&first.layers[0].diff_id);
    let left = |path: &&String| {
        path.contains("policy-rc.d") || path.contains("start-stop") || path.ends_with(".log")
    };
    assert_eq!(paths.iter().find(left), None);
    let config = one.config(&first.image);
    assert!(config.labels[labels::PACKAGES].contains("tree="));
    assert_eq!(config.user.split(':').next().unwrap().len(), 3, "{}", config.user);

    // Without a change nothing is resolved, and resolving again finds the same.
    let (again, _) = one.bake(&recipe).await.unwrap();
    assert!(again.cached && again.layers.iter().all(|layer| layer.cached));
    let (refreshed, _) = one.bake(&Recipe { refresh: true, ..recipe }).await.unwrap();
    assert_eq!(refreshed.image, first.image);
    assert!(refreshed.layers[0].cached);
    assert!(one.settles().await && two.settles().await);
}

#[tokio::test]
async fn services_do_not_start_and_what_keeps_them_is_not_in_the_layer() {
    let kitchen = Kitchen::debian().await;
    let recipe = Recipe::debian(
        "run = [\"/usr/sbin/policy-rc.d cron start; test $? = 101\", \
            \"start-stop-daemon --start --exec /bin/sh | grep nothing\", \
            \"chmod 755 /usr/sbin/policy-rc.d && touch /usr/sbin/mine\"]",
    );
    let (baked, _) = kitchen.bake(&recipe).await.unwrap();
    let paths: Vec<_> = baked.layers.iter().map(|layer| kitchen.paths(&layer.diff_id)).collect();
    assert_eq!(paths, [&[][..], &[], &["usr/", "usr/sbin/", "usr/sbin/mine"]]);
}

#[tokio::test]
async fn a_package_that_there_is_not_fails_with_what_apt_says() {
    let kitchen = Kitchen::debian().await;
    let recipe = Recipe::debian("packages = [\"no-such-package\"]");
    let error = kitchen.bake(&recipe).await.unwrap_err();
    let BakeError::Step(failure) = &error else { panic!("{error:?}") };
    assert_eq!(failure.how, "it ended with status 100");
    let said = error.to_string();
    assert!(said.contains("E: Unable to locate package no-such-package"), "{said}");
    assert!(kitchen.settles().await);
}
