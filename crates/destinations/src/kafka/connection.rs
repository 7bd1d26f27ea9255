//! A connection to one broker, logged in.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use delivery::{
    Outcome, Reason,
    client::{Channel, Peer, SendError},
    destination::{To, Way},
};
use kafka_protocol::{
    messages::RequestHeader,
    protocol::{Encodable, HeaderVersion, StrBytes},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    error, read,
    request::{self, Asked},
    scram::{Hash, Scram},
};

/// The longest answer. One about a topic with ten thousand partitions has about half of it.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
const CLIENT_ID: &str = "auditcast";

/// How connections are secured, and who logs in.
pub(super) struct Security {
    pub(super) is_tls: bool,
    verify_tls: bool,
    login: Option<Login>,
}

struct Login {
    mechanism: Mechanism,
    username: String,
    password: String,
}

#[derive(Clone, Copy)]
enum Mechanism {
    Plain,
    Scram(Hash),
}

impl Mechanism {
    /// None for no login.
    fn of(name: &str) -> Option<Self> {
        match name {
            "PLAIN" => Some(Self::Plain),
            "SCRAM-SHA-256" => Some(Self::Scram(Hash::Sha256)),
            "SCRAM-SHA-512" => Some(Self::Scram(Hash::Sha512)),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Scram(Hash::Sha256) => "SCRAM-SHA-256",
            Self::Scram(Hash::Sha512) => "SCRAM-SHA-512",
        }
    }
}

impl Security {
    /// # Errors
    /// What the config lacks.
    pub(super) fn new(to: &To<'_>) -> Result<Self, &'static str> {
        let login = Mechanism::of(&to.text("login")).map(|mechanism| Login {
            mechanism,
            username: to.text("username"),
            password: to.text("password"),
        });
        if login.as_ref().is_some_and(|login| login.username.is_empty() || login.password.is_empty()) {
            return Err("the login needs username and password");
        }
        let verify_tls = to.integration.verifies_tls(to.config);
        Ok(Self { is_tls: to.text("transport") == "tls", verify_tls, login })
    }
}

/// Why a broker has not answered a request, and who it is, if it was reached.
pub(super) struct Failed {
    pub(super) outcome: Box<Outcome>,
    pub(super) peer: Option<Peer>,
}

impl From<Outcome> for Failed {
    fn from(outcome: Outcome) -> Self {
        Self { outcome: Box::new(outcome), peer: None }
    }
}

pub(super) struct Connection {
    channel: Channel,
    asked: i32,
}

impl Connection {
    pub(super) async fn open(way: Way<'_>, host: &str, port: u16, security: &Security) -> Result<Self, Failed> {
        let profile = way.profile(security.verify_tls);
        let channel = way.client.open(host, port, security.is_tls, profile).await;
        let channel = channel.map_err(|error| Failed::from(Outcome::from(SendError::Connect(error))))?;
        let mut connection = Self { channel, asked: 0 };
        if let Some(login) = &security.login {
            connection.log_in(login).await?;
        }
        Ok(connection)
    }

    pub(super) fn peer(&self) -> Option<Peer> {
        self.channel.peer()
    }

    /// A failure at this broker.
    pub(super) fn failed(&self, outcome: Outcome) -> Failed {
        Failed { outcome: Box::new(outcome), peer: self.peer() }
    }

    /// The answer to a request, without its header.
    pub(super) async fn ask<R: Encodable + HeaderVersion>(&mut self, request: &Asked<R>) -> Result<Bytes, Failed> {
        self.asked += 1;
        let asked = self.asked;
        let framed = frame(request, asked)
            .map_err(|text| self.failed(Outcome::Misconfigured(Reason::new("invalid_request", text))))?;
        let mut answer = self.exchange(&framed).await.map_err(|outcome| self.failed(outcome))?;
        match answer.try_get_i32() {
            Ok(answered) if answered == asked => Ok(answer),
            _ => Err(self.failed(error::unread("what is at this address does not speak Kafka's protocol"))),
        }
    }

    async fn exchange(&mut self, framed: &[u8]) -> Result<Bytes, Outcome> {
        let broken = |error: std::io::Error| Outcome::from(SendError::Broken(error.to_string()));
        self.channel.write_all(framed).await.map_err(broken)?;
        self.channel.flush().await.map_err(broken)?;
        let length = self.channel.read_i32().await.map_err(broken)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > ANSWER_BYTES_MAX {
            return Err(error::unread("what is at this address does not speak Kafka's protocol, or answers too much"));
        }
        let mut answer = vec![0; length];
        self.channel.read_exact(&mut answer).await.map_err(broken)?;
        Ok(Bytes::from(answer))
    }

    async fn log_in(&mut self, login: &Login) -> Result<(), Failed> {
        let answer = self.ask(&request::handshake(login.mechanism.name())).await?;
        self.check(read::handshaken(answer))?;
        match login.mechanism {
            Mechanism::Plain => self.step(format!("\0{}\0{}", login.username, login.password)).await.map(drop),
            Mechanism::Scram(hash) => {
                let failed = |text: &str| Outcome::Misconfigured(Reason::new("kafka_login", text));
                let scram = Scram::new(hash, &login.username, &login.password).map_err(failed)?;
                let answer = self.step(scram.first()).await?;
                let last = scram.last(&answer).map_err(|text| self.failed(failed(text)))?;
                let answer = self.step(last.message.clone()).await?;
                match last.is_answered_by(&answer) {
                    true => Ok(()),
                    false => Err(self.failed(failed("the broker does not show that it knows the password"))),
                }
            }
        }
    }

    /// One step of a login; what the broker says to it.
    async fn step(&mut self, message: String) -> Result<Bytes, Failed> {
        let answer = self.ask(&request::authenticate(message.into_bytes())).await?;
        let (code, bytes) = read::authenticated(answer).map_err(|unread| self.failed(unread))?;
        self.check(Ok(code))?;
        Ok(bytes)
    }

    fn check(&self, code: Result<i16, Outcome>) -> Result<(), Failed> {
        match code.map(error::of) {
            Ok(None) => Ok(()),
            Ok(Some(outcome)) | Err(outcome) => Err(self.failed(outcome)),
        }
    }
}

/// A request with header and length.
fn frame<R: Encodable + HeaderVersion>(asked: &Asked<R>, number: i32) -> Result<Bytes, String> {
    let header = RequestHeader::default()
        .with_request_api_key(asked.key as i16)
        .with_request_api_version(asked.version)
        .with_correlation_id(number)
        .with_client_id(Some(StrBytes::from_static_str(CLIENT_ID)));
    let mut body = BytesMut::new();
    header.encode(&mut body, R::header_version(asked.version)).map_err(|error| error.to_string())?;
    asked.message.encode(&mut body, asked.version).map_err(|error| error.to_string())?;
    let length = i32::try_from(body.len()).map_err(|_| "the request is too long".to_owned())?;
    let mut framed = BytesMut::with_capacity(body.len() + 4);
    framed.put_i32(length);
    framed.put(body);
    Ok(framed.freeze())
}
