//! Bases, from archives and from a distribution's packages.

use crate::kitchen::{BUSYBOX, Kitchen, Recipe, by, chain};
use kiln_bakery::{BakeError, BakeEvent, BaseError};
use kiln_names::{BaseName, Digest};
use kiln_protocol::bake::NewBase;
use kiln_store::{bakes, images};
use std::path::Path;
use tokio::sync::mpsc;

#[tokio::test]
async fn the_same_archive_is_the_same_base_at_once_under_any_name() {
    let kitchen = Kitchen::small().await;
    let first = kitchen.base_image("small").await;
    let second = kitchen.import("other", Path::new(BUSYBOX)).await;
    assert_eq!(first, second);
    let mut read = kitchen.db.read().await.unwrap();
    assert_eq!(bakes::bases(&mut read).await.unwrap().len(), 2);
    assert_eq!(images::images(&mut read).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_base_that_cannot_be_made_leaves_its_name_as_it_was() {
    let kitchen = Kitchen::small().await;
    let before = kitchen.base_image("small").await;
    let archive = Digest::of(b"never sent");
    let missing = kitchen.base("small", &NewBase::Rootfs { archive }).await.unwrap_err();
    assert!(matches!(missing, BaseError::NoArchive(_)));
    let suite = |suite: &str| NewBase::Debootstrap { suite: suite.to_owned(), include: vec![] };
    let refused = kitchen.base("small", &suite("--help")).await.unwrap_err();
    assert!(matches!(refused, BaseError::Invalid(_)), "{refused}");
    let unknown = chain(&kitchen.base("small", &suite("nosuchsuite")).await.unwrap_err());
    assert!(unknown.contains("nosuchsuite"), "{unknown}");
    assert_eq!(kitchen.base_image("small").await, before);
    assert!(kitchen.settles().await);
}

#[tokio::test]
async fn a_suite_becomes_the_same_base_twice_and_packages_install_on_it() {
    let new =
        NewBase::Debootstrap { suite: "bookworm".to_owned(), include: vec!["tree".to_owned()] };
    let (one, two) = tokio::join!(Kitchen::networked(), Kitchen::networked());
    let (first, second) = tokio::join!(one.base("fresh", &new), two.base("fresh", &new));
    let (first, second) = (first.unwrap().digest, second.unwrap().digest);
    one.compare(&two, &first, &second);
    let recipe = Recipe { base: "fresh", ..Recipe::debian("packages = [\"cron\"]") };
    let (baked, _) = one.bake(&recipe.process("command = [\"/usr/bin/tree\"]")).await.unwrap();
    assert_eq!(baked.layers.len(), 1);
    assert_eq!(one.text(&baked.image, "/etc/resolv.conf").as_deref(), Some(""));
}

#[tokio::test]
async fn a_base_that_nobody_waits_for_leaves_nothing() {
    let kitchen = Kitchen::small().await;
    let (bakery, name) = (kitchen.bakery.clone(), BaseName::parse("fresh").unwrap());
    let new = NewBase::Debootstrap { suite: "bookworm".to_owned(), include: vec![] };
    let (events, mut told) = mpsc::channel(999);
    let bake = tokio::spawn(async move { bakery.bake_base(&name, &new, &by(), &events).await });
    let installs = |event: &BakeEvent| matches!(event, BakeEvent::Output { line } if line.contains("extracting archives"));
    while !installs(&told.recv().await.unwrap()) {}
    drop(told);
    let error = bake.await.unwrap().unwrap_err();
    assert!(matches!(error, BaseError::Bake(BakeError::Abandoned)), "{error:?}");
    assert!(kitchen.settles().await);
}
