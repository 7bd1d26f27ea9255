//! That a change reaches the deliveries before its answer, and whole.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use axum::{Router, http::HeaderMap, routing::post};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::support::TestApp;

/// A collector that tells which token each request came with.
struct Collector {
    url: String,
    tokens: UnboundedReceiver<String>,
}

impl Collector {
    async fn start() -> Self {
        let (sender, tokens) = unbounded_channel();
        let collect = move |headers: HeaderMap| {
            let token = headers["authorization"].to_str().unwrap_or_default().to_owned();
            let _ = sender.send(token);
            async { axum::Json(json!({"text": "Success", "code": 0})) }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().route("/services/collector/event", post(collect));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, tokens }
    }

    /// The token of the next request.
    async fn next(&mut self) -> String {
        let received = tokio::time::timeout(Duration::from_secs(30), self.tokens.recv()).await;
        received.expect("a delivery comes").expect("the collector runs")
    }
}

async fn subscribe(app: &TestApp, collector: &Collector) -> String {
    let body = json!({
        "name": "SIEM", "on": true,
        "config": {"base-url": collector.url, "token": "one", "skip-ca-verification": false},
        "statements": [{"effect": "allow", "resources": ["order/*"], "actions": ["*"]}],
    });
    app.create("splunk", body).await
}

async fn ingest(app: &TestApp, name: &str) {
    let entry = json!({"action": "pay", "resource": format!("order/{name}")});
    app.ingest("/ingest/entries", &[], entry.to_string()).await.expect(202);
}

fn replace(path: &str, value: &Value) -> Value {
    json!([{"op": "replace", "path": path, "value": value}])
}

#[tokio::test]
async fn a_change_takes_effect_with_its_answer() {
    let app = TestApp::start().await;
    let mut collector = Collector::start().await;
    let path = subscribe(&app, &collector).await;
    ingest(&app, "1").await;
    assert_eq!(collector.next().await, "Splunk one");
    app.admin("PATCH", &path, replace("/config/token", &json!("two"))).await.expect(200);
    ingest(&app, "2").await;
    assert_eq!(collector.next().await, "Splunk two");
    app.admin("PATCH", &path, replace("/on", &json!(false))).await.expect(200);
    ingest(&app, "3").await;
    app.admin("PATCH", &path, replace("/config/token", &json!("three"))).await.expect(200);
    app.admin("PATCH", &path, replace("/on", &json!(true))).await.expect(200);
    // What came while it was off was not sent under an older token, and is not lost.
    assert_eq!(collector.next().await, "Splunk three");
    app.admin("DELETE", &path, Value::Null).await.expect(204);
    ingest(&app, "4").await;
    let other = subscribe(&app, &collector).await;
    ingest(&app, "5").await;
    assert_eq!(collector.next().await, "Splunk one");
    app.admin("GET", &other, Value::Null).await.expect(200);
    assert!(collector.tokens.try_recv().is_err(), "the deleted subscription sent something");
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_stop_the_deliveries() {
    let app = TestApp::start().await;
    let mut collector = Collector::start().await;
    let path = subscribe(&app, &collector).await;
    for polls in 1..16 {
        let request = app.admin("PATCH", &path, replace("/name", &json!(format!("n{polls}"))));
        drop_after(polls, request).await;
        ingest(&app, &polls.to_string()).await;
        assert_eq!(collector.next().await, "Splunk one", "after {polls} polls");
    }
}

/// Polls a request this often and drops it then, as a server does when the client has gone.
async fn drop_after(mut polls: u32, request: impl Future) {
    let mut request = pin!(request);
    poll_fn(|context| {
        if polls == 0 {
            return Poll::Ready(());
        }
        polls -= 1;
        request.as_mut().poll(context).map(drop)
    })
    .await;
}
