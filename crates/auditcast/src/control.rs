//! How the command line speaks to a running server: a socket in the data directory that only
//! the directory's owner can open. One line of JSON each way.

mod sources;

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use app::{AccountRetention, App, Grant, RetentionChange};
use domain::Secret;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
};

pub use sources::{SourceAsked, SourceRequest, Sources};

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
        let request = json!({ "account": self.account, "name": self.name, "role": self.role.as_str() });
        let answer = ask(data_dir, &request)?;
        let token = answer["token"].as_str().context("the server's answer cannot be read")?;
        Ok(Secret::new(token.to_owned()))
    }

    fn parse(request: &Value) -> Option<Self> {
        Some(Self {
            account: request["account"].as_str()?.to_owned(),
            name: request["name"].as_str()?.to_owned(),
            role: TokenRole::parse(request["role"].as_str()?)?,
        })
    }
}

/// A look at how long an account's entries are kept, or a change of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionRequest {
    /// Name of the account.
    pub account: String,
    /// What is to be changed; nothing for a look.
    pub change: RetentionChange,
}

/// What a number of days is replaced by to take the server's own.
const SERVERS_OWN: &str = "default";

impl RetentionRequest {
    /// Does what is asked; gives back what holds afterwards.
    ///
    /// # Errors
    /// What the use case says.
    pub async fn make(&self, app: &App) -> Result<AccountRetention, app::Error> {
        match self.change == RetentionChange::default() {
            true => app.account_retention(&self.account).await,
            false => app.account_retention_update(&self.account, self.change).await,
        }
    }

    /// Asks the server that runs on this data directory.
    ///
    /// # Errors
    /// When it cannot be reached, or refuses.
    pub fn ask(&self, data_dir: &Path) -> anyhow::Result<AccountRetention> {
        let days = self.change.days.map(|days| days.map_or_else(|| json!(SERVERS_OWN), Value::from));
        let change = json!({ "days": days, "legalHold": self.change.legal_hold });
        let answer = ask(data_dir, &json!({ "retention": self.account, "change": change }))?;
        Self::read(&answer).context("the server's answer cannot be read")
    }

    fn parse(request: &Value) -> Option<Self> {
        let days = match &request["change"]["days"] {
            Value::Null => None,
            Value::String(text) if text == SERVERS_OWN => Some(None),
            days => Some(Some(u32::try_from(days.as_u64()?).ok()?)),
        };
        let change = RetentionChange { days, legal_hold: request["change"]["legalHold"].as_bool() };
        Some(Self { account: request["retention"].as_str()?.to_owned(), change })
    }

    fn answer(retention: AccountRetention) -> Value {
        json!({ "days": retention.days, "legalHold": retention.legal_hold })
    }

    fn read(answer: &Value) -> Option<AccountRetention> {
        let days = answer["days"].as_u64().and_then(|days| u32::try_from(days).ok());
        Some(AccountRetention { days, legal_hold: answer["legalHold"].as_bool()? })
    }
}

/// Sends one request to the server that runs on this data directory.
fn ask(data_dir: &Path, request: &Value) -> anyhow::Result<Value> {
    let path = data_dir.join(FILE_NAME);
    let mut stream = UnixStream::connect(&path).with_context(|| {
        format!("a server uses {}, but cannot be reached at {}", data_dir.display(), path.display())
    })?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    writeln!(stream, "{request}")?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).context("the server did not answer")?;
    let answer: Value = serde_json::from_str(&line).context("the server's answer cannot be read")?;
    match answer["error"].as_str() {
        Some(error) => bail!("{error}"),
        None => Ok(answer),
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
    let request: Value = serde_json::from_str(&line).unwrap_or_default();
    let answered = if let Some(request) = TokenRequest::parse(&request) {
        request.make(app).await.map(|token| json!({ "token": token.expose() }))
    } else if let Some(request) = RetentionRequest::parse(&request) {
        request.make(app).await.map(RetentionRequest::answer)
    } else if let Some(request) = SourceRequest::parse(&request) {
        request.make(app).await.map(|sources| sources.answer())
    } else {
        Ok(json!({ "error": "the request is of another version of auditcast" }))
    };
    let answer = answered.unwrap_or_else(|error| json!({ "error": error.to_string() }));
    writing.write_all(format!("{answer}\n").as_bytes()).await
}

#[cfg(test)]
mod tests {
    use app::{AccountRetention, RetentionChange};
    use serde_json::{Value, json};

    use super::RetentionRequest;

    #[test]
    fn a_request_of_retention_is_read_as_it_was_asked() {
        for (days, change) in [(Value::Null, None), (json!("default"), Some(None)), (json!(30), Some(Some(30)))] {
            let request = json!({ "retention": "a", "change": { "days": days, "legalHold": true } });
            let change = RetentionChange { days: change, legal_hold: Some(true) };
            assert_eq!(RetentionRequest::parse(&request), Some(RetentionRequest { account: "a".to_owned(), change }));
        }
        for wrong in [json!({}), json!({"retention": 1}), json!({"retention": "a", "change": {"days": -1}})] {
            assert_eq!(RetentionRequest::parse(&wrong), None, "{wrong}");
        }
        let retention = AccountRetention { days: Some(7), legal_hold: false };
        assert_eq!(RetentionRequest::read(&RetentionRequest::answer(retention)), Some(retention));
    }
}
