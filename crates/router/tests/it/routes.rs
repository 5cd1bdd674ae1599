//! Which requests reach which instances.

use crate::backend::Backend;
use crate::client::{Client, get, raw, rest, whole};
use crate::harness::{Router, cluster, of, one, table};
use http::StatusCode;

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_prefix_by_segment_takes_a_request() {
    let router = Router::start().await;
    let (root, api, v2) =
        (Backend::named("root").await, Backend::named("api").await, Backend::named("v2").await);
    let clusters = vec![
        cluster("root/test/web", "a.localhost", &[(1, &[&root])]),
        cluster("api/test/web", "a.localhost/api", &[(1, &[&api])]),
        cluster("v2/test/web", "a.localhost/api/v2", &[(1, &[&v2])]),
    ];
    router.serve(&table(1, clusters)).await;
    let mut client = Client::connect(router.address).await;
    for (path, expected) in [
        ("/", "root"),
        ("/apix", "root"),
        ("/api", "api"),
        ("/api?x=/api/v2", "api"),
        ("/api/v2x", "api"),
        ("/api/v2", "v2"),
        ("/api/v2/x", "v2"),
    ] {
        assert_eq!(client.get(path).await.1, expected, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_are_compared_without_case_port_and_final_dot() {
    let router = Router::start().await;
    let backend = Backend::named("a").await;
    router.serve(&one(1, &[&backend])).await;
    let mut client = Client::connect(router.address).await;
    for host in ["a.localhost", "A.LocalHost", "a.localhost:8000", "a.localhost."] {
        assert_eq!(whole(client.send(get(host, "/")).await).await.1, "a", "{host}");
    }
    let text = "GET http://a.localhost/x?y HTTP/1.1\r\nhost: z\r\nconnection: close\r\n\r\n";
    let (head, body) = raw(router.address, text).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(rest(body).await, "a");
    let last = backend.seen().pop().unwrap();
    assert_eq!(
        (last.uri.to_string().as_str(), &last.headers["host"]),
        ("/x?y", &"a.localhost".parse().unwrap())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_host_or_path_is_told_that_there_is_no_route() {
    let router = Router::start().await;
    let backend = Backend::named("a").await;
    let clusters = vec![cluster("a/test/web", "a.localhost/only", &[(1, &[&backend])])];
    router.serve(&table(1, clusters)).await;
    let mut client = Client::connect(router.address).await;
    for (host, path) in [("b.localhost", "/only"), ("a.localhost", "/"), ("a.localhost", "/onlyx")]
    {
        let (status, text) = whole(client.send(get(host, path)).await).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!(text, format!("No route for {host} and this path.\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_without_a_healthy_instance_answers_503_with_retry_after() {
    let router = Router::start().await;
    let backend = Backend::named("a").await;
    backend.set_health(500);
    router.control.apply(&one(1, &[&backend])).await.unwrap();
    let response = Client::connect(router.address).await.send(get("a.localhost", "/")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(backend.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_follows_weights_and_leaves_weight_0_alone() {
    let router = Router::start().await;
    let (old, new, warm) =
        (Backend::named("old").await, Backend::named("new").await, Backend::named("warm").await);
    let groups: [(u32, &[&Backend]); 3] = [(3, &[&old]), (1, &[&new]), (0, &[&warm])];
    router.serve(&table(1, vec![cluster("a/test/web", "a.localhost", &groups)])).await;
    let mut client = Client::connect(router.address).await;
    for _ in 0..1000 {
        assert_eq!(client.get("/").await.0, StatusCode::OK);
    }
    // A binomial of 1000 at one quarter has a standard deviation of 14: these are seven of them.
    let taken = new.seen().len();
    assert!((150..350).contains(&taken), "{taken}");
    assert_eq!(old.seen().len() + taken, 1000);
    assert!(warm.seen().is_empty());
    let status = router.status().await;
    assert_eq!(status.groups.iter().map(|group| group.requests).sum::<u64>(), 1000);
    assert_eq!(status.groups[1].statuses, [0, taken as u64, 0, 0, 0]);
    let quick = status.groups[1].latency.buckets().filter(|(end, _)| *end < 2_000_000);
    assert_eq!(quick.map(|(_, count)| count).sum::<u64>(), taken as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_share_of_a_group_that_is_not_healthy_goes_to_the_others() {
    let router = Router::start().await;
    let (sick, well) = (Backend::named("sick").await, Backend::named("well").await);
    sick.set_health(500);
    let groups: [(u32, &[&Backend]); 2] = [(9, &[&sick]), (1, &[&well])];
    let clusters = vec![cluster("a/test/web", "a.localhost", &groups)];
    router.control.apply(&table(1, clusters)).await.unwrap();
    router
        .until("one is healthy", |status| of(status, &well).unwrap().health.takes_traffic())
        .await;
    let mut client = Client::connect(router.address).await;
    for _ in 0..50 {
        assert_eq!(client.get("/").await.1, "well");
    }
}
