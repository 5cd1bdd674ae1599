//! Whatever is wrong with a request, the answer is a problem document.

use crate::raw::{ask, with_body, without_body};
use crate::rig::Rig;
use kiln_protocol::paths;

#[tokio::test]
async fn every_malformed_request_is_answered_with_a_problem() {
    let rig = Rig::start().await;
    let json = "application/json";
    let cases = [
        (without_body("GET /nowhere"), 404, "no-such-path"),
        (without_body("PATCH /v1/apps"), 405, "method-not-allowed"),
        (without_body("GET /v1/apps/Hello"), 422, "invalid"),
        (without_body("GET /v1/apps/%FF"), 422, "invalid"),
        (without_body("GET /v1/status?colour=red"), 400, "bad-request"),
        (without_body("GET /v1/deployments?env=prod"), 400, "bad-request"),
        (with_body("POST /v1/apps", "text/plain", "{}"), 415, "unsupported-media-type"),
        (with_body("POST /v1/apps", json, "{\"name\": oops}"), 400, "bad-json"),
        (with_body("POST /v1/apps", json, "{\"nmae\": \"x\"}"), 400, "bad-json"),
        (without_body("GET /v1/images/hello"), 422, "invalid"),
    ];
    for (request, status, code) in cases {
        let (found, problem) = ask(rig.data.path(), &request).await;
        assert_eq!((found, &problem["code"]), (status, &code.into()), "{request}: {problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["type"], format!("urn:kiln:problem:{code}"));
    }
}

#[tokio::test]
async fn the_description_is_served_and_so_is_health() {
    let rig = Rig::start().await;
    let (status, document) = ask(rig.data.path(), &without_body("GET /v1/openapi.json")).await;
    assert_eq!(status, 200);
    assert!(document["paths"][paths::DEPLOY]["post"]["requestBody"].is_object(), "{document}");
    assert!(document["components"]["schemas"]["DeployRequest"].is_object());
    assert_eq!(rig.client.health().await.unwrap().install, rig.app.install);
}
