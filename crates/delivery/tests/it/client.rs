//! The guarded client against servers of one manner each.

use std::{sync::Arc, time::Duration};

use delivery::{
    Outcome,
    client::{AddressGuard, Answer, Client, ClientSettings, ConnectTo, Profile, SendError},
};
use domain::{AccountId, Clock, Timestamp};
use integrations::HttpRequest;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::TlsAcceptor;

const NAME: &str = "events.corp.test";
const ACCOUNT: AccountId = AccountId::from_bytes([1; 12]);
const OPERATOR: Profile = Profile { account: ACCOUNT, verify_tls: true };
const OTHERS: Profile = Profile { account: AccountId::from_bytes([2; 12]), verify_tls: true };
const UNVERIFIED: Profile = Profile { account: ACCOUNT, verify_tls: false };

struct TestClock(tokio::time::Instant);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

fn settings() -> ClientSettings {
    ClientSettings {
        connect_to: ConnectTo::default(),
        extra_roots: Vec::new(),
        connect_timeout: Duration::from_secs(5),
        tls_timeout: Duration::from_secs(5),
        first_byte_timeout: Duration::from_secs(5),
        request_timeout: Duration::from_secs(5),
        user_agent: "agent".to_owned(),
        via: "this-server".to_owned(),
    }
}

fn client(settings: ClientSettings) -> Client {
    let loopback = AddressGuard::allowing(vec!["127.0.0.0/8".parse().unwrap()]);
    let client = Client::new(settings, Arc::new(TestClock(tokio::time::Instant::now()))).unwrap();
    client.allow(ACCOUNT, &loopback);
    client
}

async fn send(client: &Client, url: &str, profile: Profile) -> Result<Answer, SendError> {
    let headers = vec![("Authorization".to_owned(), "key".to_owned())];
    let request =
        HttpRequest { method: "POST", url: url.to_owned(), headers, body: b"body".to_vec(), verify_tls: true };
    client.send(request, profile, 1_024).await
}

/// What a server does with one connection after the head of a request has come.
#[derive(Clone, Copy)]
enum Manner {
    /// Answers this to each request.
    Answers(&'static str),
    /// Answers this once, and closes at the next request.
    Once(&'static str),
    /// Writes this, and then a byte now and then.
    Trickles(&'static str),
    Silent,
}

const OK: Manner = Manner::Answers("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");

/// Serves on a port of its own; gives the port, and the head of each request.
async fn serve(manner: Manner, tls: Option<Arc<ServerConfig>>) -> (u16, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (heads, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (heads, tls) = (heads.clone(), tls.clone());
            tokio::spawn(async move {
                // What breaks here is what the test is about.
                match tls {
                    None => drop(talk(stream, manner, &heads).await),
                    Some(tls) => {
                        let stream: Result<_, std::io::Error> = TlsAcceptor::from(tls).accept(stream).await;
                        if let Ok(stream) = stream {
                            let _ = talk(stream, manner, &heads).await;
                        }
                    }
                }
            });
        }
    });
    (port, received)
}

async fn talk<S>(mut stream: S, manner: Manner, heads: &mpsc::UnboundedSender<String>) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    for turn in 0.. {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\nbody") {
            head.push(stream.read_u8().await?);
        }
        let _ = heads.send(String::from_utf8_lossy(&head).into_owned());
        match manner {
            Manner::Once(_) if turn > 0 => return Ok(()),
            Manner::Answers(text) | Manner::Once(text) => stream.write_all(text.as_bytes()).await?,
            Manner::Trickles(text) => {
                stream.write_all(text.as_bytes()).await?;
                let mut drops = tokio::time::interval(Duration::from_millis(20));
                loop {
                    drops.tick().await;
                    stream.write_all(b"x").await?;
                }
            }
            Manner::Silent => std::future::pending().await,
        }
    }
    Ok(())
}

/// A server's settings for `name`, and the root that vouches for it.
fn certificate(name: &str) -> (Arc<ServerConfig>, CertificateDer<'static>) {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let server = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    (Arc::new(server), issuer.der().clone())
}

/// Settings under which `NAME` leads to this port.
fn leading_to(port: u16, extra_roots: Vec<CertificateDer<'static>>) -> ClientSettings {
    let connect_to = [(NAME.to_owned(), 443, ([127, 0, 0, 1], port).into())].into_iter().collect();
    ClientSettings { connect_to, extra_roots, ..settings() }
}

fn misconfigured(result: Result<Answer, SendError>) -> String {
    match result.map_err(Outcome::from) {
        Err(Outcome::Misconfigured(reason)) => reason.name.into_owned(),
        other => panic!("{other:?}"),
    }
}

fn unavailable(result: Result<Answer, SendError>) -> String {
    match result.map_err(Outcome::from) {
        Err(Outcome::Unavailable(reason)) => reason.name.into_owned(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_spelling_of_a_private_address_is_refused_unless_it_is_allowed() {
    let (port, mut heads) = serve(OK, None).await;
    let client = client(settings());
    for host in ["127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]", "localhost"] {
        let url = format!("http://{host}:{port}/path");
        assert_eq!(misconfigured(send(&client, &url, OTHERS).await), "address_blocked", "{host}");
        assert!(heads.try_recv().is_err(), "{host}");
        assert_eq!(send(&client, &url, OPERATOR).await.unwrap().status, 200, "{host}");
        let head = heads.recv().await.unwrap();
        for part in ["POST /path HTTP/1.1\r\n", "user-agent: agent\r\n", "auditcast-via: this-server\r\n"] {
            assert!(head.contains(part), "{head}");
        }
    }
}

#[tokio::test]
async fn special_addresses_are_refused_although_others_are_allowed() {
    let client = client(settings());
    for host in ["[::1]", "169.254.169.254", "10.0.0.1", "0", "[fd00:ec2::254]", "[64:ff9b::7f00:1]"] {
        let url = format!("http://{host}:9/");
        assert_eq!(misconfigured(send(&client, &url, OPERATOR).await), "address_blocked", "{host}");
    }
}

#[tokio::test]
async fn a_redirected_connection_keeps_the_name_in_host_and_certificate() {
    let (server, root) = certificate(NAME);
    let (port, mut heads) = serve(OK, Some(server)).await;
    let client = client(leading_to(port, vec![root]));
    assert_eq!(send(&client, &format!("https://{NAME}/"), OTHERS).await.unwrap().status, 200);
    assert!(heads.recv().await.unwrap().contains(&format!("host: {NAME}\r\n")));
}

#[tokio::test]
async fn an_unknown_authority_and_a_wrong_name_are_wrong_configurations() {
    let (server, root) = certificate(NAME);
    let (port, mut heads) = serve(OK, Some(server)).await;
    let url = format!("https://{NAME}/");
    assert_eq!(misconfigured(send(&client(leading_to(port, Vec::new())), &url, OTHERS).await), "tls");
    let url = format!("https://localhost:{port}/");
    let trusting = client(ClientSettings { extra_roots: vec![root], ..settings() });
    assert_eq!(misconfigured(send(&trusting, &url, OPERATOR).await), "tls");
    assert!(heads.try_recv().is_err(), "no request was sent");
}

#[tokio::test]
async fn a_connection_that_was_not_verified_serves_no_request_that_verifies() {
    let (server, _) = certificate("other.corp.test");
    let (port, mut heads) = serve(OK, Some(server)).await;
    let client = client(leading_to(port, Vec::new()));
    let url = format!("https://{NAME}/");
    assert_eq!(send(&client, &url, UNVERIFIED).await.unwrap().status, 200);
    assert_eq!(misconfigured(send(&client, &url, OPERATOR).await), "tls");
    assert_eq!(send(&client, &url, UNVERIFIED).await.unwrap().status, 200);
    heads.close();
    assert!(heads.recv().await.is_some() && heads.recv().await.is_some() && heads.recv().await.is_none());
}

#[tokio::test]
async fn each_phase_has_its_own_limit() {
    let short = Duration::from_millis(200);
    let (port, _heads) = serve(Manner::Silent, None).await;
    let silent = client(ClientSettings { first_byte_timeout: short, ..settings() });
    assert_eq!(unavailable(send(&silent, &format!("http://127.0.0.1:{port}/"), OPERATOR).await), "timeout");

    // It takes connections and never says a word of TLS.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mute = client(ClientSettings { tls_timeout: short, ..settings() });
    assert_eq!(unavailable(send(&mute, &format!("https://127.0.0.1:{port}/"), OPERATOR).await), "tls_broken");

    drop(listener);
    assert_eq!(unavailable(send(&mute, &format!("http://127.0.0.1:{port}/"), OPERATOR).await), "connect");
    // A resolver that is out of reach needs all the time that there is.
    let unknown = unavailable(send(&mute, "http://no-such-name.invalid/", OPERATOR).await);
    assert!(["dns", "connect"].contains(&unknown.as_str()), "{unknown}");
}

#[tokio::test]
async fn the_head_of_an_answer_counts_although_its_body_trickles() {
    let head = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\ncontent-length: 100000\r\n\r\n";
    let (port, _heads) = serve(Manner::Trickles(head), None).await;
    let client = client(ClientSettings { request_timeout: Duration::from_millis(300), ..settings() });
    let answer = send(&client, &format!("http://127.0.0.1:{port}/"), OPERATOR).await.unwrap();
    assert_eq!((answer.status, answer.truncated), (429, true));
    assert!(answer.headers.contains(&("retry-after".to_owned(), "7".to_owned())));
    assert!((1..100).contains(&answer.body.len()) && answer.took >= Duration::from_millis(300));
}

#[tokio::test]
async fn no_more_of_a_body_is_kept_than_asked_for() {
    let long = format!("HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n{}", "x".repeat(5_000));
    let (port, _heads) = serve(Manner::Answers(long.leak()), None).await;
    let answer = send(&client(settings()), &format!("http://127.0.0.1:{port}/"), OPERATOR).await.unwrap();
    assert_eq!((answer.body.len(), answer.truncated), (1_024, true));
}

#[tokio::test]
async fn a_request_that_meets_a_connection_being_closed_goes_out_once_more() {
    let (port, mut heads) = serve(Manner::Once("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), None).await;
    let client = client(settings());
    let url = format!("http://127.0.0.1:{port}/");
    for _ in 0..3 {
        assert_eq!(send(&client, &url, OPERATOR).await.unwrap().status, 200);
    }
    heads.close();
    let mut requests = 0;
    while heads.recv().await.is_some() {
        requests += 1;
    }
    assert_eq!(requests, 5, "the second and the third each met a used connection first");
}

#[tokio::test]
async fn a_new_connection_that_is_closed_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (accepted, mut connections) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let read: Result<u8, std::io::Error> = TcpStream::read_u8(&mut stream).await;
            let _ = accepted.send(read.is_ok());
        }
    });
    let result = send(&client(settings()), &format!("http://127.0.0.1:{port}/"), OPERATOR).await;
    assert_eq!(unavailable(result), "connection_broken");
    assert!(connections.recv().await.is_some() && connections.try_recv().is_err(), "it is not tried twice");
}

#[test]
fn proxies_of_the_environment_are_ignored() {
    let this = std::env::current_exe().unwrap();
    let output = std::process::Command::new(this)
        .args(["--exact", "client::no_more_of_a_body_is_kept_than_asked_for"])
        .envs(["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].map(|name| (name, "http://127.0.0.1:1")))
        .output()
        .unwrap();
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
}
