//! Integrations from folders that change, break, go and come back under subscriptions.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, routing::post};
use serde_json::{Value, json};

use crate::support::{Options, TestApp, until};

const PATH: &str = "/api/v2/integrations/mine";

/// Counts what comes, by the last part of the path.
async fn receiver() -> (String, Arc<[AtomicUsize; 2]>) {
    let counts: Arc<[AtomicUsize; 2]> = Arc::default();
    let count = |at: usize| {
        let counts = Arc::clone(&counts);
        post(move || async move {
            counts[at].fetch_add(1, Ordering::SeqCst);
        })
    };
    let router = Router::new().route("/one", count(0)).route("/two", count(1));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, counts)
}

/// Writes the folder: with this path, and with one more field that is required.
fn write(dir: &Path, path: &str, more: Option<&str>, template: &str) {
    let more = more.map(|key| json!({ "key": key, "type": "string" }));
    write_with(dir, path, template, true, more.into_iter().collect());
}

/// Writes the folder with these fields beside url and token, which may be a secret.
fn write_with(dir: &Path, path: &str, template: &str, token_is_secret: bool, more: Vec<Value>) {
    let mut variables = vec![
        json!({ "key": "url", "name": "URL", "description": "", "type": "uri" }),
        json!({ "key": "token", "name": "Token", "description": "", "type": "string", "isSecret": token_is_secret }),
    ];
    variables.extend(more);
    let manifest = json!({
        "name": "Mine",
        "formVariables": variables,
        "capabilities": { "auditLogEventsHook": {
            "endpoint": { "url": format!("{{{{{{url}}}}}}/{path}"), "method": "POST" },
            "templates": { "default": "entry.json" },
            "defaultPolicy": [{ "effect": "allow", "resources": ["order/*"], "actions": ["*"] }],
        } },
    });
    let folder = dir.join("mine");
    fs::create_dir_all(&folder).expect("makes a folder");
    fs::write(folder.join("manifest.json"), manifest.to_string()).expect("writes");
    fs::write(folder.join("entry.json"), template).expect("writes");
}

fn options(dir: &Path) -> Options {
    let mut options = Options::default();
    options.server.integrations_dir = Some(dir.to_owned());
    options
}

struct Case {
    app: TestApp,
    dir: tempfile::TempDir,
    counts: Arc<[AtomicUsize; 2]>,
    /// The path of the subscription.
    own: String,
    sent: usize,
}

const GOOD: &str = r#"{"name": "{{{name}}}"}"#;

impl Case {
    async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        write(dir.path(), "one", None, GOOD);
        let app = TestApp::with(options(dir.path())).await;
        let (url, counts) = receiver().await;
        let config = json!({ "url": url, "token": "canary-token-9a9a" });
        let own = app.create("mine", json!({ "name": "Mine", "on": true, "config": config })).await;
        Self { app, dir, counts, own, sent: 0 }
    }

    async fn load(&self) -> app::Adopted {
        self.app.server.load_integrations(Some(self.dir.path()), &[]).await
    }

    async fn restart(self) -> Self {
        let app = self.app.restart(options(self.dir.path())).await;
        Self { app, ..self }
    }

    async fn ingest(&mut self) {
        self.sent += 1;
        let entry = json!({ "_id": format!("e{}", self.sent), "action": "pay", "resource": "order/1" });
        self.app.ingest("/ingest/entries", &[], entry.to_string()).await.expect(202);
    }

    fn arrived(&self) -> [usize; 2] {
        [0, 1].map(|at| self.counts[at].load(Ordering::SeqCst))
    }

    async fn until_arrived(&self, wanted: [usize; 2]) {
        until(&format!("{wanted:?} have arrived"), async || self.arrived() == wanted).await;
    }

    async fn get(&self) -> Value {
        self.app.admin("GET", &self.own, Value::Null).await.expect(200).body
    }

    async fn until_state(&self, state: &str) -> Value {
        until(&format!("the subscription is {state}"), async || self.get().await["_delivery"]["state"] == state).await;
        self.get().await
    }

    async fn patch(&self, path: &str, value: Value) -> crate::support::Reply {
        self.app.admin("PATCH", &self.own, json!([{ "op": "replace", "path": path, "value": value }])).await
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("mine")
    }
}

#[tokio::test]
async fn a_changed_folder_is_picked_up_and_a_bad_one_is_not() {
    let mut case = Case::start().await;
    case.ingest().await;
    case.until_arrived([1, 0]).await;
    write(case.dir.path(), "two", None, GOOD);
    assert_eq!(case.load().await.changed, ["mine"]);
    case.ingest().await;
    case.until_arrived([1, 1]).await;
    write(case.dir.path(), "one", None, "{ {{name}} }");
    case.load().await;
    case.ingest().await;
    case.until_arrived([1, 2]).await;
    assert_eq!(case.load().await.changed, Vec::<String>::new());
}

#[tokio::test]
async fn a_missing_folder_suspends_with_the_position_held_and_resumes_when_it_is_back() {
    let mut case = Case::start().await;
    case.ingest().await;
    case.until_arrived([1, 0]).await;
    fs::remove_dir_all(case.folder()).expect("removes");
    case.load().await;
    case.ingest().await;
    let seen = case.until_state("suspended").await;
    assert!(seen["_delivery"]["reason"].as_str().is_some_and(|why| why.contains("folder is missing")), "{seen}");
    assert_eq!(seen["config"]["token"], "********9a9a");

    // Reads work, also after a restart; creates and changes of the config do not.
    let mut case = case.restart().await;
    case.until_state("suspended").await;
    assert_eq!(
        case.app.admin("GET", PATH, Value::Null).await.expect(200).body["items"].as_array().map(Vec::len),
        Some(1)
    );
    let again = json!({ "name": "Again", "config": { "url": "http://x.test", "token": "t" } });
    let refused = case.app.admin("POST", PATH, again).await.expect_problem(409, "conflict");
    assert!(refused.text.contains("folder is missing"), "{}", refused.text);
    case.patch("/config/token", "other".into()).await.expect_problem(409, "conflict");
    case.patch("/name", "Renamed".into()).await.expect(200);
    case.patch("/on", false.into()).await.expect(200);
    case.patch("/on", true.into()).await.expect(200);
    case.app.admin("GET", "/api/v2/integrations/other", Value::Null).await.expect_problem(404, "not_found");
    assert_eq!(case.arrived(), [1, 0]);

    write(case.dir.path(), "one", None, GOOD);
    case.load().await;
    case.until_arrived([2, 0]).await;
    case.ingest().await;
    case.until_arrived([3, 0]).await;
    case.until_state("flowing").await;
}

#[tokio::test]
async fn a_folder_that_is_bad_at_start_holds_everything_until_it_is_mended() {
    let mut case = Case::start().await;
    write(case.dir.path(), "one", None, "{");
    let mut case = {
        case.ingest().await;
        case.until_arrived([1, 0]).await;
        case.restart().await
    };
    case.ingest().await;
    let seen = case.until_state("suspended").await;
    let reason = seen["_delivery"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("entry.json") && reason.contains("not JSON"), "{reason}");
    assert!(!reason.contains(case.dir.path().to_str().expect("is text")), "{reason}");
    write(case.dir.path(), "two", None, GOOD);
    case.load().await;
    case.until_arrived([1, 1]).await;
}

#[tokio::test]
async fn a_config_that_the_newest_version_refuses_stays_with_the_one_before() {
    let mut case = Case::start().await;
    write(case.dir.path(), "two", Some("room"), GOOD);
    let outdated = case.load().await.outdated;
    assert_eq!(outdated.len(), 1);
    case.ingest().await;
    case.until_arrived([1, 0]).await;
    let health = case.app.admin("GET", "/api/v2/integration-health", Value::Null).await.expect(200).body;
    assert_eq!(health["items"][0]["outdated"], true);

    // So it stays over a restart; it can be switched off, but a change of its config has to fit.
    let mut case = case.restart().await;
    case.ingest().await;
    case.until_arrived([2, 0]).await;
    case.patch("/on", false.into()).await.expect(200);
    case.patch("/on", true.into()).await.expect(200);
    let refused = case.patch("/config/token", "canary-token-2b2b".into()).await.expect_problem(400, "invalid_request");
    assert_eq!(refused.attributes(), ["config.room"]);
    let config = json!([
        { "op": "replace", "path": "/config/token", "value": "********9a9a" },
        { "op": "add", "path": "/config/room", "value": "r" },
    ]);
    case.app.admin("PATCH", &case.own, config).await.expect(200);
    case.ingest().await;
    case.until_arrived([2, 1]).await;
    let health = case.app.admin("GET", "/api/v2/integration-health", Value::Null).await.expect(200).body;
    assert_eq!(health["items"][0].get("outdated"), None);
}

/// The second version of the folder: with one more field that is required.
fn room() -> Value {
    json!({ "key": "room", "type": "string" })
}

#[tokio::test]
async fn records_hide_in_each_config_what_its_own_version_calls_a_secret() {
    let case = Case::start().await;
    let log = async || case.app.admin("GET", "/api/v2/auditlog/export", Value::Null).await.expect(200).text;
    // The version of the first config calls the token a secret, the next one the room instead.
    let room = json!({ "key": "room", "type": "string", "isSecret": true });
    write_with(case.dir.path(), "two", GOOD, false, vec![room]);
    case.load().await;
    let config = json!([
        { "op": "replace", "path": "/config/token", "value": "plain-by-now" },
        { "op": "add", "path": "/config/room", "value": "canary-room-7c7c" },
    ]);
    case.app.admin("PATCH", &case.own, config).await.expect(200);
    let text = log().await;
    assert!(text.contains("********7c7c") && text.contains("plain-by-now"), "{text}");
    assert!(!text.contains("canary-"), "{text}");
}

#[tokio::test]
async fn what_becomes_a_secret_is_hidden_in_the_config_before_it_too() {
    let case = Case::start().await;
    write_with(case.dir.path(), "two", GOOD, false, vec![]);
    case.load().await;
    case.patch("/config/token", json!("open-until-now-5e5e")).await.expect(200);
    write_with(case.dir.path(), "two", GOOD, true, vec![room()]);
    case.load().await;
    let config = json!([
        { "op": "replace", "path": "/config/token", "value": "canary-token-6f6f" },
        { "op": "add", "path": "/config/room", "value": "lobby" },
    ]);
    case.app.admin("PATCH", &case.own, config).await.expect(200);
    let newest = case.app.admin("GET", "/api/v2/auditlog?limit=1", Value::Null).await.expect(200);
    let id = newest.body["items"][0]["_id"].as_str().expect("an id").to_owned();
    let entry = case.app.admin("GET", &format!("/api/v2/auditlog/{id}"), Value::Null).await.expect(200);
    assert_eq!(entry.body["previousVersion"]["config"]["token"], "********5e5e", "{}", entry.text);
    assert_eq!(entry.body["currentVersion"]["config"]["token"], "********6f6f", "{}", entry.text);
    assert!(!entry.text.contains("open-until-now"), "{}", entry.text);
}

#[tokio::test]
async fn the_record_of_a_delete_hides_what_the_version_of_the_config_calls_a_secret() {
    let case = Case::start().await;
    write_with(case.dir.path(), "two", GOOD, false, vec![room()]);
    case.load().await;
    case.app.admin("DELETE", &case.own, Value::Null).await.expect(204);
    let text = case.app.admin("GET", "/api/v2/auditlog/export", Value::Null).await.expect(200).text;
    assert!(text.contains("deleteIntegration") && !text.contains("canary-"), "{text}");
}

#[tokio::test]
async fn a_guess_of_an_older_versions_secret_is_refused_whether_it_is_right_or_not() {
    let case = Case::start().await;
    write_with(case.dir.path(), "two", GOOD, false, vec![room()]);
    case.load().await;
    let statements =
        json!([{ "effect": "allow", "resources": ["integration/*"], "actions": ["viewIntegration", "updateName"] }]);
    let made = json!({ "inlineRole": statements });
    let namer = case.app.admin("POST", "/api/v2/tokens", made).await.expect(201).body["token"].clone();
    for guess in ["canary-token-9a9a", "canary-token-8b8b"] {
        let change = json!([
            { "op": "replace", "path": "/name", "value": "n" },
            { "op": "replace", "path": "/config/token", "value": guess },
        ]);
        let namer = namer.as_str().expect("a token");
        case.app.call(namer, "PATCH", &case.own, change).await.expect_problem(403, "forbidden");
    }
    assert_eq!(case.get().await["name"], "Mine");
}

#[tokio::test]
async fn a_config_that_stays_is_not_judged_again() {
    let case = Case::start().await;
    write(case.dir.path(), "two", Some("room"), GOOD);
    case.load().await;
    // The same members in another order.
    let config = case.get().await["config"].clone();
    let turned = json!({ "token": config["token"], "url": config["url"] });
    assert_ne!(turned.to_string(), config.to_string());
    case.patch("/config", turned).await.expect(200);
    // No config is small enough now.
    let mut options = options(case.dir.path());
    options.server.settings.config_max_bytes = 1;
    let case = Case { app: case.app.restart(options).await, ..case };
    case.patch("/on", false.into()).await.expect(200);
    case.patch("/config/token", "other".into()).await.expect_problem(400, "invalid_request");
}

#[tokio::test]
async fn a_hidden_integration_is_no_integration() {
    let app = TestApp::start().await;
    let body = json!({ "name": "x", "config": { "url": "https://x.test" } });
    app.admin("POST", "/api/v2/integrations/webhook", body).await.expect_problem(404, "not_found");
    app.admin("GET", "/api/v2/integrations/webhook", Value::Null).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn the_catalogue_lists_what_users_may_choose_from_and_how_it_stands() {
    let case = Case::start().await;
    let list =
        async || case.app.admin("GET", "/api/v2/integrations", Value::Null).await.expect(200).body["items"].clone();
    let find = |items: &Value, key: &str| {
        items.as_array().expect("a list").iter().find(|item| item["key"] == key).cloned().unwrap_or_default()
    };
    let items = list().await;
    let splunk = find(&items, "splunk");
    assert_eq!(
        (&splunk["name"], &splunk["state"], &splunk["deliverable"]),
        (&"Splunk".into(), &"current".into(), &true.into())
    );
    assert_eq!(
        splunk["formVariables"][1],
        json!({
            "key": "token", "name": "HEC token", "type": "string", "description": "The token of the collector.", "isSecret": true,
        })
    );
    assert_eq!(splunk["defaultPolicy"][0]["effect"], "allow");
    assert_eq!((find(&items, "mine")["state"].clone(), find(&items, "webhook")), ("current".into(), Value::Null));

    write(case.dir.path(), "one", None, "{");
    case.load().await;
    let mine = find(&list().await, "mine");
    assert_eq!(mine["state"], "kept");
    assert!(mine["problem"].as_str().is_some_and(|problem| problem.starts_with("entry.json")), "{mine}");
    fs::remove_dir_all(case.folder()).expect("removes");
    case.load().await;
    assert_eq!(find(&list().await, "mine")["state"], "missing");

    let manifests = case.app.admin("GET", "/api/v2/integration-manifests", Value::Null).await.expect(200).body;
    let datadog = find(&manifests["items"], "datadog");
    assert_eq!(
        (&datadog["requiresOAuth"], &datadog["capabilities"]),
        (&false.into(), &json!({ "auditLogEventsHook": {} }))
    );
    assert!(datadog["formVariables"].as_array().is_some_and(|list| list.iter().all(|one| one["type"].is_string())));

    for path in ["/api/v2/integrations", "/api/v2/integration-manifests"] {
        let reader = case.app.token(app::Grant::Reader).await;
        case.app.call(&reader, "GET", path, Value::Null).await.expect(200);
        let ingest = case.app.token(app::Grant::Ingest).await;
        case.app.call(&ingest, "GET", path, Value::Null).await.expect_problem(403, "forbidden");
    }
}

#[tokio::test]
async fn a_kind_of_destination_that_is_not_built_in_is_told_before_a_subscription_is_made() {
    // These tests are built without the kinds beside HTTP.
    let app = TestApp::start().await;
    let text = "this build of the server cannot deliver to destinations of the kind kafka";
    let config = json!({ "brokers": "one.test:9092", "topic": "audit" });
    let body = json!({ "name": "x", "config": config });
    let refused = app.admin("POST", "/api/v2/integrations/kafka", body.clone()).await;
    assert!(refused.expect_problem(400, "invalid_request").text.contains(text));
    let refused = app.admin("POST", "/api/v2/integration-preview/kafka", body).await;
    assert!(refused.expect_problem(409, "conflict").text.contains(text));
    let items = app.admin("GET", "/api/v2/integrations", Value::Null).await.expect(200).body["items"].clone();
    let kafka = items.as_array().and_then(|items| items.iter().find(|item| item["key"] == "kafka")).expect("is listed");
    assert_eq!((&kafka["deliverable"], &kafka["reason"]), (&false.into(), &text.into()));
}
