//! The listeners over real sockets: TLS for the vendors, plain HTTP, and control.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use receiver::Receiver;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::support::options;

async fn start() -> Receiver {
    let mut options = options();
    options.http_listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    options.extra_names = vec!["hec.internal".to_owned()];
    Receiver::start(options).await.unwrap()
}

async fn tls(receiver: &Receiver, name: &str, protocol: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(receiver.ca_pem().as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(receiver.tls_address()).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
}

fn event(uri: &str) -> Request<Full<Bytes>> {
    let request =
        Request::post(uri).header("authorization", "Splunk splunk-token").header("host", "splunk.example.test");
    request.body(Full::from("{\"event\":\"id-1\"}")).unwrap()
}

async fn send<S>(stream: S, request: Request<Full<Bytes>>) -> hyper::Result<(StatusCode, Value)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, serde_json::from_slice(&body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&body)))))
}

async fn control(receiver: &Receiver, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
    let stream = TcpStream::connect(receiver.control_address()).await.unwrap();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = Request::builder().method(method).uri(path).header("host", "control").body(Full::from(body)).unwrap();
    send(stream, request).await.unwrap()
}

#[tokio::test]
async fn the_vendors_names_are_served_over_tls() {
    let receiver = start().await;
    for name in [
        "splunk.example.test",
        "api.datadoghq.com",
        "api.us3.datadoghq.com",
        "abc.live.dynatrace.com",
        "api.eu1.honeycomb.io",
        "prod-1.westeurope.logic.azure.com",
        "ingest.us1.signalfx.com",
        "hec.internal",
        "localhost",
        "127.0.0.1",
    ] {
        tls(&receiver, name, b"http/1.1").await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    tls(&receiver, "other.internal", b"http/1.1").await.unwrap_err();
    let stream = tls(&receiver, "splunk.example.test", b"http/1.1").await.unwrap();
    let (status, body) = send(stream, event("/services/collector/event")).await.unwrap();
    assert_eq!((status, &body["code"]), (StatusCode::OK, &json!(0)));

    let stream = tls(&receiver, "splunk.example.test", b"h2").await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let response = sender.send_request(event("https://splunk.example.test/services/collector/event")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);

    let stream = TcpStream::connect(receiver.http_address().unwrap()).await.unwrap();
    assert_eq!(send(stream, event("/services/collector/event")).await.unwrap().0, StatusCode::OK);
    assert_eq!(receiver.summary()["splunk"].stored, 3);
    assert!(receiver.received().iter().all(|received| received.host == "splunk.example.test"));
    let address = receiver.tls_address();
    receiver.shutdown().await;
    TcpStream::connect(address).await.unwrap_err();
}

#[tokio::test]
async fn control_orders_faults_and_tells_what_came() {
    let receiver = start().await;
    assert_eq!(control(&receiver, "GET", "/healthz", Value::Null).await.1, json!("ok"));
    assert_eq!(control(&receiver, "GET", "/ca.pem", Value::Null).await.1, json!(receiver.ca_pem()));
    assert_eq!(control(&receiver, "POST", "/expect", json!({"ids": ["id-1"]})).await.1, json!({"expected": 1}));
    assert_eq!(control(&receiver, "POST", "/expect", json!({"ids": [5]})).await.0, StatusCode::BAD_REQUEST);
    let fault =
        json!({"destination": "splunk", "count": 1, "kind": "retry_after_seconds", "seconds": 3, "status": 429});
    assert_eq!(control(&receiver, "POST", "/faults", json!([fault])).await.0, StatusCode::NO_CONTENT);
    assert_eq!(control(&receiver, "GET", "/faults", Value::Null).await.1, json!([fault]));
    assert_eq!(control(&receiver, "POST", "/faults", json!({"kind": "x"})).await.0, StatusCode::BAD_REQUEST);

    let address = receiver.http_address().unwrap();
    for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::OK, StatusCode::OK] {
        let stream = TcpStream::connect(address).await.unwrap();
        assert_eq!(send(stream, event("/services/collector/event")).await.unwrap().0, status);
    }
    let received = control(&receiver, "GET", "/received?destination=splunk", Value::Null).await.1;
    assert_eq!((&received[0]["fault"], &received[1]["stored_ids"]), (&json!("retry_after_seconds"), &json!(["id-1"])));
    assert_eq!(control(&receiver, "GET", "/received?destination=elastic", Value::Null).await.1, json!([]));
    let summary = control(&receiver, "GET", "/summary", Value::Null).await.1;
    assert_eq!((&summary["splunk"]["distinct"], &summary["splunk"]["duplicates"]), (&json!(1), &json!(1)));
    assert_eq!(control(&receiver, "DELETE", "/received", Value::Null).await.0, StatusCode::NO_CONTENT);
    assert_eq!(control(&receiver, "DELETE", "/faults", Value::Null).await.0, StatusCode::NO_CONTENT);
    assert_eq!(control(&receiver, "GET", "/summary", Value::Null).await.1, json!({}));
    assert_eq!(control(&receiver, "GET", "/nowhere", Value::Null).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn faults_reach_the_wire() {
    let receiver = start().await;
    let address = receiver.http_address().unwrap();
    let faults = json!([
        {"kind": "reset_after_body"},
        {"kind": "trickle", "interval_millis": 1},
        {"kind": "endless_body"},
        {"kind": "hang"},
    ]);
    control(&receiver, "POST", "/faults", faults).await;
    let stream = TcpStream::connect(address).await.unwrap();
    assert!(send(stream, event("/services/collector/event")).await.unwrap_err().is_incomplete_message());
    assert_eq!(receiver.summary()["splunk"].stored, 1);

    let stream = TcpStream::connect(address).await.unwrap();
    let (status, body) = send(stream, event("/services/collector/event")).await.unwrap();
    assert_eq!((status, body), (StatusCode::OK, json!({"text": "Success", "code": 0})));

    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut body = sender.send_request(event("/services/collector/event")).await.unwrap().into_body();
    let mut length = 0;
    while length < 1 << 20 {
        length += body.frame().await.unwrap().unwrap().into_data().unwrap().len();
    }

    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "POST /services/collector/event HTTP/1.1\r\nhost: splunk.example.test\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    // The answer never comes; the end of the receiver ends the connection.
    let wait = tokio::spawn(async move { stream.read(&mut [0; 64]).await });
    while receiver.received().len() < 4 {
        tokio::task::yield_now().await;
    }
    assert!(!wait.is_finished());
    receiver.shutdown().await;
    assert_eq!(wait.await.unwrap().unwrap_or(0), 0);
}
