//! How the command line speaks to a running server: a socket in the data directory that only
//! the directory's owner can open. One line of JSON each way.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use app::{App, Grant};
use domain::Secret;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
};

/// The socket's name in the data directory.
pub const FILE_NAME: &str = "auditcast.sock";
/// The longest request, in bytes.
const REQUEST_BYTES_MAX: u64 = 16 * 1024;
const TIMEOUT: Duration = Duration::from_secs(10);

/// A token that the command line asks for.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// Name of the account.
    pub account: String,
    /// Name of the token.
    pub name: String,
    /// What it may do.
    pub role: TokenRole,
}

/// What tokens of the command line may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRole {
    /// Everything in their account.
    Admin,
    /// Send entries, and nothing else.
    Ingest,
    /// Make and suspend accounts, and nothing in them.
    Operator,
}

impl TokenRole {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Admin, "admin"), (Self::Ingest, "ingest"), (Self::Operator, "operator")];

    fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(role, _)| *role == self).map_or("", |(_, name)| name)
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(role, _)| *role)
    }

    fn grant(self) -> Grant {
        match self {
            Self::Admin => Grant::Admin,
            Self::Ingest => Grant::Ingest,
            Self::Operator => Grant::Operator,
        }
    }
}

impl TokenRequest {
    /// Makes the token.
    ///
    /// # Errors
    /// What the use case says.
    pub async fn make(&self, app: &App) -> Result<Secret, app::Error> {
        app.token_create(&self.account, &self.name, &self.role.grant()).await
    }

    /// Asks the server that runs on this data directory.
    ///
    /// # Errors
    /// When it cannot be reached, or refuses.
    pub fn ask(&self, data_dir: &Path) -> anyhow::Result<Secret> {
        let path = data_dir.join(FILE_NAME);
        let mut stream = UnixStream::connect(&path).with_context(|| {
            format!("a server uses {}, but cannot be reached at {}", data_dir.display(), path.display())
        })?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        let request = json!({ "account": self.account, "name": self.name, "role": self.role.as_str() });
        writeln!(stream, "{request}")?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).context("the server did not answer")?;
        let answer: Value = serde_json::from_str(&line).context("the server's answer cannot be read")?;
        match (answer["token"].as_str(), answer["error"].as_str()) {
            (Some(token), _) => Ok(Secret::new(token.to_owned())),
            (None, error) => bail!("{}", error.unwrap_or("the server refused")),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let request: Value = serde_json::from_str(line).ok()?;
        Some(Self {
            account: request["account"].as_str()?.to_owned(),
            name: request["name"].as_str()?.to_owned(),
            role: TokenRole::parse(request["role"].as_str()?)?,
        })
    }
}

/// Opens the socket; the lock on the data directory says that no other server uses it.
///
/// # Errors
/// When it cannot be made.
pub fn listen(data_dir: &Path) -> io::Result<UnixListener> {
    let path = data_dir.join(FILE_NAME);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answers one request after the other.
pub async fn serve(listener: UnixListener, app: Arc<App>) {
    loop {
        let answered = match listener.accept().await {
            Ok((stream, _)) => tokio::time::timeout(TIMEOUT, answer(stream, &app)).await,
            Err(error) => Ok(Err(error)),
        };
        if let Ok(Err(error)) = answered {
            tracing::warn!(%error, "a request of the command line was not answered");
        }
    }
}

async fn answer(stream: tokio::net::UnixStream, app: &App) -> io::Result<()> {
    let (reading, mut writing) = stream.into_split();
    let mut line = String::new();
    tokio::io::BufReader::new(reading.take(REQUEST_BYTES_MAX)).read_line(&mut line).await?;
    let answer = match TokenRequest::parse(&line) {
        None => json!({ "error": "the request is of another version of auditcast" }),
        Some(request) => match request.make(app).await {
            Ok(token) => json!({ "token": token.expose() }),
            Err(error) => json!({ "error": error.to_string() }),
        },
    };
    writing.write_all(format!("{answer}\n").as_bytes()).await
}
