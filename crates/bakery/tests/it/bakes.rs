//! The same inputs, the same image: in any data directory, at any time.

use crate::kitchen::{Kitchen, NOON, Recipe};

#[tokio::test]
async fn two_data_directories_bake_the_same_image() {
    let recipe = Recipe::small(
        "run = [\"mkdir -p /a/b; echo x > /a/b/c; mkdir -p /var/log; touch /var/log/x\", \"rm /etc/old\"]\n\
         copy = [{ from = \".\", to = \"/srv\" }]",
    )
    .file("x", "x")
    .file("y/z", "z");
    let (one, two) = (Kitchen::small().await, Kitchen::small().await);
    let (first, _) = one.bake_at(&recipe, NOON).await.unwrap();
    let (second, _) = two.bake_at(&recipe, NOON + 1_000_000_000).await.unwrap();
    one.compare(&two, &first.image, &second.image);
    assert!(second.layers.iter().all(|layer| !layer.cached));
    assert_eq!(first.layers, second.layers);
}
