//! Each change writes its own entry, and no secret leaves.

use app::testing::ManualClock;
use domain::EntryDraft;
use serde_json::{Value, json};

use crate::support::{TestApp, datadog, splunk};

fn id_of(path: &str) -> &str {
    path.rsplit('/').next().expect("an id")
}

#[tokio::test]
async fn a_create_an_update_and_a_delete_each_record_themselves() {
    let app = TestApp::start().await;
    let path = app.create("datadog", datadog()).await;
    let resource = format!("integration/{}", id_of(&path));
    let created = app.last_entry().await;
    assert_eq!(created["accesses"], json!([{"action": "createIntegration", "resource": resource}]));
    assert_eq!((&created["kind"], &created["name"]), (&json!("integration"), &json!("Production flag changes")));
    assert_eq!(created["titleVerb"], "created the integration");
    assert_eq!((&created["_origin"], &created["date"]), (&json!("system"), &json!(ManualClock::START)));
    assert_eq!(created["token"]["ending"], "0001");
    assert_eq!(created["target"]["resources"], json!([resource]));
    assert_eq!(created["target"]["_links"]["canonical"]["href"], path);
    assert_eq!(created.get("previousVersion"), None);
    assert_eq!(created["currentVersion"]["config"]["apiKey"], "********1f2e");

    let patch = json!([
        {"op": "replace", "path": "/name", "value": "renamed"},
        {"op": "replace", "path": "/on", "value": true},
        {"op": "replace", "path": "/statements", "value": []},
        {"op": "replace", "path": "/config/apiKey", "value": "canary-other-1f2e"},
        {"op": "remove", "path": "/config/hostURL"},
    ]);
    app.admin("PATCH", &path, patch).await.expect(200);
    let updated = app.last_entry().await;
    let actions: Vec<_> =
        updated["accesses"].as_array().expect("a list").iter().map(|access| access["action"].as_str()).collect();
    assert_eq!(actions, [Some("updateName"), Some("updateOn"), Some("updateConfiguration")]);
    assert_eq!((&updated["name"], &updated["titleVerb"]), (&json!("renamed"), &json!("updated the integration")));
    assert_eq!(
        updated["delta"],
        json!([
            {"op": "replace", "path": "/name", "value": "renamed"},
            {"op": "replace", "path": "/on", "value": true},
            {"op": "replace", "path": "/statements", "value": []},
            {"op": "remove", "path": "/config/hostURL"},
            {"op": "replace", "path": "/config/apiKey", "value": "********1f2e"},
        ])
    );
    assert_eq!(updated["previousVersion"]["name"], "Production flag changes");
    assert_eq!(updated["currentVersion"]["name"], "renamed");

    app.admin("DELETE", &path, Value::Null).await.expect(204);
    let deleted = app.last_entry().await;
    assert_eq!(deleted["accesses"], json!([{"action": "deleteIntegration", "resource": resource}]));
    assert_eq!((deleted["previousVersion"].is_object(), deleted.get("currentVersion")), (true, None));
    assert_eq!(app.entries().await.len(), 4);
}

#[tokio::test]
async fn switching_is_told_in_words() {
    let app = TestApp::start().await;
    let path = app.create("datadog", json!({"name": "n", "config": {}, "statements": []})).await;
    for (on, words) in [(true, "turned on the integration"), (false, "turned off the integration")] {
        let patch = json!([{"op": "replace", "path": "/on", "value": on}]);
        app.admin("PATCH", &path, patch).await.expect(200);
        let entry = app.last_entry().await;
        assert_eq!((&entry["titleVerb"], &entry["accesses"][0]["action"]), (&json!(words), &json!("updateOn")));
    }
}

#[tokio::test]
async fn recorded_entries_satisfy_the_rules_for_entries() {
    let app = TestApp::start().await;
    let path = app.create("splunk", splunk()).await;
    let patch = json!({"comment": "why", "patch": [{"op": "replace", "path": "/name", "value": "n"}]});
    app.admin("PATCH", &path, patch).await.expect(200);
    app.admin("DELETE", &path, Value::Null).await.expect(204);
    for entry in app.entries().await {
        let mut members: Value = serde_json::from_slice(&entry.bytes).expect("is JSON");
        members.as_object_mut().expect("an object").remove("_origin");
        EntryDraft::parse(members.to_string().as_bytes()).unwrap_or_else(|errors| panic!("{errors:?}: {members}"));
    }
}

#[tokio::test]
async fn versions_too_large_for_an_entry_are_left_out_of_it() {
    let app = TestApp::start().await;
    let specifiers: Vec<_> = (0..250).map(|at| format!("proj/{}-{at}", "p".repeat(900))).collect();
    let statements = json!([{"effect": "allow", "resources": specifiers, "actions": ["*"]}]);
    let path = app.create("datadog", json!({"name": "n", "config": {}, "statements": statements})).await;
    let patch = json!([{"op": "replace", "path": "/statements/0/actions", "value": ["update*"]}]);
    app.admin("PATCH", &path, patch).await.expect(200);
    let entry = app.last_entry().await;
    assert_eq!((entry.get("delta"), entry.get("previousVersion")), (None, None));
    assert!(entry["description"].as_str().is_some_and(|text| text.contains("too large")), "{entry}");
    assert!(app.entries().await.iter().all(|entry| entry.bytes.len() <= 256 * 1024));
}

#[tokio::test]
async fn no_secret_is_in_any_answer_or_entry() {
    let app = TestApp::start().await;
    let mut answers = Vec::new();
    let teams = json!({"name": "chat", "config": {"url": "https://hooks.test/workflows/canary-path?sig=canary-query"}});
    for (key, body, secret) in [
        ("datadog", datadog(), "/config/apiKey"),
        ("splunk", splunk(), "/config/token"),
        ("msteams", teams, "/config/url"),
    ] {
        let list = format!("/api/v2/integrations/{key}");
        let path = app.create(key, body.clone()).await;
        let mut broken = body.clone();
        broken["config"]["nonsense"] = json!("canary-nonsense");
        answers.push(app.admin("POST", &list, broken).await.expect(400).text);
        let change =
            json!([{"op": "replace", "path": secret, "value": "https://x.test/canary-second?sig=canary-third"}]);
        let broken = json!([{"op": "add", "path": "/config/apiKey", "value": {"canary": 1}}]);
        for (method, path, body) in [
            ("GET", &path, Value::Null),
            ("GET", &list, Value::Null),
            ("PATCH", &path, change),
            ("PATCH", &path, broken),
            ("DELETE", &path, Value::Null),
        ] {
            let reply = app.admin(method, path, body).await;
            // A URL that carries a key is no secret to those who may read the subscription.
            let hides_all = key != "msteams" || reply.status.is_client_error();
            if hides_all {
                answers.push(reply.text);
            }
        }
    }
    for answer in answers {
        assert!(!answer.contains("canary"), "{answer}");
    }
    for entry in app.entries().await {
        let text = String::from_utf8_lossy(&entry.bytes);
        assert!(!text.contains("canary"), "{text}");
    }
}
