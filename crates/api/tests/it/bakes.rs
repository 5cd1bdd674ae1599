//! Bakes, bases and images over the wire.

use crate::rig::{Rig, all, code, hello, problem, recipe};
use kiln_names::{BaseName, Digest, ImageRef, Version};
use kiln_protocol::Code;
use kiln_protocol::bake::{BakeEvent, NewBake, PackagedService};

#[tokio::test]
async fn a_bake_asks_for_what_is_missing_then_tells_how_it_goes() {
    let rig = Rig::ready().await;
    let refused = problem(rig.client.bake(&recipe("one")).await);
    let missing = Digest::of(b"one");
    assert_eq!((refused.code, refused.missing), (Code::ContextMissing, vec![missing]));
    rig.send(&missing, b"one".to_vec()).await.unwrap();
    let events = all(rig.client.bake(&recipe("one")).await.unwrap()).await.unwrap();
    assert!(matches!(&events[0], BakeEvent::Step { step } if step.starts_with("copy text")));
    assert!(matches!(&events[1], BakeEvent::Layer(layer) if !layer.cached));
    assert!(matches!(&events[2], BakeEvent::Baked(baked) if !baked.cached), "{events:?}");
    assert!(rig.bake("one").await.cached);
}

#[tokio::test]
async fn content_that_is_not_what_its_digest_says_is_refused() {
    let rig = Rig::start().await;
    let sent = rig.send(&Digest::of(b"this"), b"that".to_vec()).await;
    assert_eq!(code(sent), Code::DigestMismatch);
    assert!(!rig.app.images.has_blob(&Digest::of(b"this")));
}

#[tokio::test]
async fn large_content_arrives_whole() {
    let rig = Rig::start().await;
    let content = vec![7; 3 << 20];
    let digest = Digest::of(&content);
    rig.send(&digest, content).await.unwrap();
    assert!(rig.app.images.has_blob(&digest));
}

#[tokio::test]
async fn a_mistake_in_a_recipe_and_a_missing_base_are_told() {
    let rig = Rig::ready().await;
    let with = |recipe: String| NewBake { recipe: Some(recipe), ..self::recipe("one") };
    let good = recipe("one").recipe.unwrap();
    let refused = problem(rig.client.bake(&with(good.replace("copy", "cpoy"))).await);
    assert_eq!(refused.code, Code::InvalidRecipe);
    assert!(refused.detail.starts_with("kiln.toml: line 4"), "{}", refused.detail);
    let refused = problem(rig.client.bake(&with(good.replace("small", "large"))).await);
    assert_eq!(refused.code, Code::BaseNotFound);
    assert!(refused.detail.contains("known are small"), "{}", refused.detail);
}

#[tokio::test]
async fn a_bake_is_of_a_recipe_or_of_packages_on_a_base() {
    let rig = Rig::ready().await;
    let nothing = NewBake { recipe: None, ..recipe("one") };
    let package = Some(PackagedService::default());
    let base = Some(BaseName::parse("small").unwrap());
    let check = async |new: &NewBake, code: Code, words: &str| {
        let refused = problem(rig.client.bake(new).await);
        assert_eq!(refused.code, code);
        assert!(refused.detail.contains(words), "{}", refused.detail);
    };
    check(&nothing, Code::Invalid, "either a recipe or a package is wanted").await;
    let both = NewBake { package: package.clone(), ..recipe("one") };
    check(&both, Code::Invalid, "either a recipe or a package is wanted").await;
    let baseless = NewBake { package, ..nothing };
    check(&baseless, Code::Invalid, "a base, which is to be named").await;
    let text = NewBake { base, ..baseless };
    check(&text, Code::InvalidRecipe, "install text: package files end with .deb").await;
}

#[tokio::test]
async fn a_version_names_one_image_for_ever() {
    let rig = Rig::ready().await;
    let version = Some(Version::parse("1.0").unwrap());
    for content in ["one", "two"] {
        rig.send(&Digest::of(content.as_bytes()), content.into()).await.unwrap();
    }
    let named = |content| NewBake { version: version.clone(), ..recipe(content) };
    all(rig.client.bake(&named("one")).await.unwrap()).await.unwrap();
    let events = rig.client.bake(&named("two")).await.unwrap();
    assert_eq!(code(all(events).await), Code::VersionTaken);
}

#[tokio::test]
async fn images_are_listed_shown_removed_and_their_space_freed() {
    let rig = Rig::ready().await;
    let (one, two) = (rig.bake("one").await, rig.bake("two").await);
    let listed = rig.client.images(Some(&hello())).await.unwrap();
    assert_eq!(listed.iter().map(|it| it.image).collect::<Vec<_>>(), [two.image, one.image]);
    assert_eq!(listed[0].versions, [two.name()]);
    assert!(listed[0].bytes > 0);

    let image = ImageRef::Version(hello(), two.version.clone().unwrap());
    let shown = rig.client.image(&image).await.unwrap();
    assert_eq!(shown.image, two.image);
    assert_eq!(shown.processes[0].command, ["/bin/true"]);
    assert_eq!(shown.layers.last().unwrap().step.as_deref(), Some("copy"));
    let prefix = ImageRef::Prefix(two.image.hex()[..10].to_owned());
    assert_eq!(rig.client.image(&prefix).await.unwrap(), shown);

    rig.client.remove_image(&image).await.unwrap();
    assert_eq!(code(rig.client.image(&image).await), Code::ImageNotFound);
    assert_eq!(code(rig.client.remove_image(&prefix).await), Code::ImageNotFound);
    assert_eq!(rig.client.images(None).await.unwrap().len(), 1);
    let collected = rig.client.collect_images(None).await.unwrap();
    assert!(collected.removed > 0, "{collected:?}");
    assert!(rig.client.image(&ImageRef::Digest(one.image)).await.is_ok());
    assert_eq!(rig.client.bases().await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_image_of_a_base_is_in_use() {
    let rig = Rig::ready().await;
    let base = rig.client.bases().await.unwrap().remove(0);
    let refused = problem(rig.client.remove_image(&ImageRef::Digest(base.image)).await);
    assert_eq!(refused.code, Code::InUse);
    assert!(refused.detail.ends_with("base small"), "{}", refused.detail);
}
