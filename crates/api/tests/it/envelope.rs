//! What holds for every route: tokens, errors, ids, CORS.

use std::time::Duration;

use app::Grant;
use axum::{body::Body, http::Request};
use serde_json::{Value, json};

use crate::support::{ADMIN, TestApp, datadog};

const ROUTES: [(&str, &str); 6] = [
    ("POST", "/api/v2/integrations/datadog"),
    ("GET", "/api/v2/integrations/datadog"),
    ("GET", "/api/v2/integrations/datadog/66f0c0ffee00000000000001"),
    ("PATCH", "/api/v2/integrations/datadog/66f0c0ffee00000000000001"),
    ("DELETE", "/api/v2/integrations/datadog/66f0c0ffee00000000000001"),
    ("POST", "/ingest/entries"),
];

fn request(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path)
}

#[tokio::test]
async fn every_route_wants_a_token_that_works() {
    let app = TestApp::start().await;
    for (method, path) in ROUTES {
        for path in [path, &path.replace("datadog", "nothing")] {
            let bare = request(method, path).body(Body::from("not json")).expect("a request");
            app.send(bare).await.expect_problem(401, "unauthorized");
            for token in ["", "api-unknown", "Bearer", "Basic abc", &"x".repeat(600)] {
                app.call(token, method, path, json!({})).await.expect_problem(401, "unauthorized");
            }
        }
    }
}

#[tokio::test]
async fn a_token_may_come_after_bearer() {
    let app = TestApp::start().await;
    for token in [ADMIN.to_owned(), format!("Bearer {ADMIN}"), format!("bearer {ADMIN}")] {
        app.call(&token, "GET", "/api/v2/integrations/datadog", Value::Null).await.expect(200);
    }
}

#[tokio::test]
async fn a_token_works_from_the_moment_that_it_is_made_and_is_kept_only_as_a_hash() {
    let app = TestApp::start().await;
    let token = app.token(Grant::Reader).await;
    assert!(token.starts_with("api-") && token.len() >= 44, "{token}");
    for _ in 0..2 {
        app.call(&token, "GET", "/api/v2/integrations/datadog", Value::Null).await.expect(200);
        app.server.clock.advance(Duration::from_secs(6));
    }
    let made = app.last_entry().await.to_string();
    assert!(made.contains("createAccessToken") && made.contains(&token[token.len() - 4..]), "{made}");
    assert!(!made.contains(&token), "{made}");
}

#[tokio::test]
async fn the_first_start_makes_a_token_once_and_a_given_one_exists_whatever_else_does() {
    let app = TestApp::start().await;
    let made = app.server.app.token_bootstrap(None).await.expect("works");
    assert!(made.is_none(), "there is a token already");
    let given = domain::Secret::new("chosen-by-the-operator".to_owned());
    for _ in 0..2 {
        assert!(app.server.app.token_bootstrap(Some(given.clone())).await.expect("works").is_none());
    }
    app.call(given.expose(), "POST", "/api/v2/integrations/datadog", datadog()).await.expect(201);
    for bad in ["", "with blank", "Bearer x", "schlüssel"] {
        assert!(app.server.app.token_bootstrap(Some(domain::Secret::new(bad.to_owned()))).await.is_err(), "{bad}");
    }
    let reader = app.token(Grant::Reader).await;
    assert!(app.server.app.token_bootstrap(Some(domain::Secret::new(reader))).await.is_err());
}

#[tokio::test]
async fn unknown_addresses_and_methods_are_told_apart() {
    let app = TestApp::start().await;
    for path in ["/", "/api/v2", "/api/v2/integrations/a/b/c", "/ingest", "/API/v2/integrations/datadog"] {
        app.admin("GET", path, Value::Null).await.expect_problem(404, "not_found");
    }
    for (method, path, allowed) in [
        ("PUT", "/api/v2/integrations/datadog", ["GET", "POST"]),
        ("POST", "/api/v2/integrations/datadog/66f0c0ffee00000000000001", ["PATCH", "DELETE"]),
        ("GET", "/ingest/entries", ["POST", "POST"]),
        ("DELETE", "/healthz", ["GET", "GET"]),
    ] {
        let reply = app.admin(method, path, Value::Null).await.expect_problem(405, "method_not_allowed");
        let allow = reply.headers["allow"].to_str().expect("is text");
        assert!(allowed.iter().all(|method| allow.contains(method)), "{allow}");
    }
}

#[tokio::test]
async fn malformed_json_is_400_with_its_place_and_without_its_content() {
    let app = TestApp::start().await;
    let path = app.create("datadog", datadog()).await;
    let bodies = ["", " ", "{\"apiKey\": \"canary\",}", "[\"canary\" 1]", "{\"canary\": \u{1}}", "\u{feff}{}"];
    for (method, path) in [("POST", "/api/v2/integrations/datadog"), ("PATCH", path.as_str())] {
        for body in bodies {
            let sent = request(method, path).header("authorization", ADMIN).body(Body::from(body)).expect("a request");
            let reply = app.send(sent).await.expect_problem(400, "invalid_request");
            assert!(!reply.text.contains("canary"), "{}", reply.text);
            assert!(body.trim().is_empty() || reply.text.contains("line 1 column"), "{}", reply.text);
        }
        let deep = "[".repeat(100_000);
        let sent = request(method, path).header("authorization", ADMIN).body(Body::from(deep)).expect("a request");
        app.send(sent).await.expect_problem(400, "invalid_request");
        let large = format!("\"{}\"", "x".repeat(1024 * 1024));
        let sent = request(method, path).header("authorization", ADMIN).body(Body::from(large)).expect("a request");
        app.send(sent).await.expect_problem(413, "request_too_large");
    }
}

#[tokio::test]
async fn every_answer_names_its_request() {
    let app = TestApp::start().await;
    let sent = request("GET", "/nothing").header("x-request-id", "mine-1").body(Body::empty()).expect("a request");
    let reply = app.send(sent).await.expect(404);
    assert_eq!(
        (&reply.headers["x-request-id"], &reply.body["id"]),
        (&"mine-1".parse().expect("a header"), &json!("mine-1"))
    );
    let made = app.admin("GET", "/nothing", Value::Null).await;
    assert_eq!(made.body["id"].as_str(), made.headers["x-request-id"].to_str().ok());
    assert_eq!(made.body["id"].as_str().map(str::len), Some(36));
}

#[tokio::test]
async fn a_post_can_stand_for_another_method() {
    let app = TestApp::start().await;
    let path = app.create("datadog", datadog()).await;
    let post = |method: &str, body: &str| {
        let builder = request("POST", &path).header("authorization", ADMIN).header("x-http-method-override", method);
        builder.body(Body::from(body.to_owned())).expect("a request")
    };
    let patch = json!([{"op": "replace", "path": "/name", "value": "n"}]).to_string();
    assert_eq!(app.send(post("patch", &patch)).await.expect(200).body["name"], "n");
    app.send(post("GET", "")).await.expect_problem(405, "method_not_allowed");
    app.send(post("DELETE", "")).await.expect(204);
}

#[tokio::test]
async fn pages_of_other_origins_may_ask() {
    let app = TestApp::start().await;
    let sent = request("OPTIONS", "/api/v2/integrations/datadog").header("origin", "https://x.test");
    let reply = app.send(sent.body(Body::empty()).expect("a request")).await.expect(204);
    assert_eq!(reply.headers["access-control-allow-origin"], "*");
    assert_eq!(reply.headers["access-control-max-age"], "300");
    let headers = reply.headers["access-control-allow-headers"].to_str().expect("is text");
    for name in ["Accept", "Content-Type", "Content-Length", "Accept-Encoding", "Authorization"] {
        assert!(headers.contains(name), "{headers}");
    }
    let methods = reply.headers["access-control-allow-methods"].to_str().expect("is text");
    assert!(["OPTIONS", "GET", "DELETE", "PATCH"].iter().all(|method| methods.contains(method)), "{methods}");
    let reply = app.call("none", "GET", "/api/v2/integrations/datadog", Value::Null).await.expect(401);
    assert_eq!(reply.headers["access-control-allow-origin"], "*");
}

#[tokio::test]
async fn any_api_version_is_accepted() {
    let app = TestApp::start().await;
    for version in ["20240415", "20160426", "beta", "nonsense"] {
        let sent = request("GET", "/api/v2/integrations/datadog").header("authorization", ADMIN);
        let sent = sent.header("LD-API-Version", version).header("LD-API-Version", "20191212");
        app.send(sent.body(Body::empty()).expect("a request")).await.expect(200);
    }
}

#[tokio::test]
async fn health_needs_no_token() {
    let app = TestApp::start().await;
    for (path, body) in [("/healthz", json!({"status": "ok"})), ("/readyz", json!({"status": "ready"}))] {
        let reply = app.send(request("GET", path).body(Body::empty()).expect("a request")).await.expect(200);
        assert_eq!(reply.body, body);
    }
    app.server.stop_deliveries().await;
    let reply = app.send(request("GET", "/readyz").body(Body::empty()).expect("a request")).await.expect(503);
    assert_eq!(reply.body, json!({"status": "not ready", "problems": ["deliveries are not running"]}));
}

#[tokio::test]
async fn a_clock_that_jumped_is_shown_until_it_has_stood_and_keeps_nobody_from_working() {
    let app = TestApp::start().await;
    let ready = async || {
        let asked = request("GET", "/readyz").body(Body::empty()).expect("a request");
        app.send(asked).await.expect(200).body
    };
    assert_eq!(ready().await, json!({"status": "ready"}));
    for (jump, told) in [(7_200_000, "7200 s ahead"), (-14_400_000, "7200 s back")] {
        app.server.clock.jump(jump);
        let warnings = ready().await["warnings"].clone();
        assert!(warnings[0].as_str().is_some_and(|warning| warning.contains(told)), "{warnings}");
    }
    app.server.clock.advance(std::time::Duration::from_secs(600));
    assert_eq!(ready().await, json!({"status": "ready"}));
}
