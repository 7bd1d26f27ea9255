//! Sources that send entries without a token, as the command line makes, lists and deletes them.

use std::path::Path;

use anyhow::Context;
use app::{App, IngestSourceView};
use domain::{IngestSourceId, Secret, Timestamp};
use serde_json::{Value, json};

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRequest {
    /// Name of the account.
    pub account: String,
    /// What is to be done there.
    pub asked: SourceAsked,
}

/// What is to be done with sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceAsked {
    /// Make one of this name.
    Create(String),
    /// Tell of all.
    List,
    /// Delete the one with this id, of whatever shape.
    Delete(String),
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The one that was made, or all; none after a deletion.
    pub sources: Vec<IngestSourceView>,
    /// Of the one that was made, shown this once.
    pub secret: Option<Secret>,
}

impl SourceRequest {
    /// Does what is asked.
    ///
    /// # Errors
    /// What the use case says.
    pub async fn make(&self, app: &App) -> Result<Sources, app::Error> {
        match &self.asked {
            SourceAsked::Create(name) => {
                let (source, secret) = app.account_source_create(&self.account, name).await?;
                Ok(Sources { sources: vec![source], secret: Some(secret) })
            }
            SourceAsked::List => Ok(Sources { sources: app.account_source_list(&self.account).await?, secret: None }),
            SourceAsked::Delete(id) => {
                app.account_source_delete(&self.account, id).await?;
                Ok(Sources::default())
            }
        }
    }

    /// Asks the server that runs on this data directory.
    ///
    /// # Errors
    /// When it cannot be reached, or refuses.
    pub fn ask(&self, data_dir: &Path) -> anyhow::Result<Sources> {
        let asked = match &self.asked {
            SourceAsked::Create(name) => json!({ "create": name }),
            SourceAsked::List => json!({ "list": true }),
            SourceAsked::Delete(id) => json!({ "delete": id }),
        };
        let answer = super::ask(data_dir, &json!({ "sourcesOf": self.account, "asked": asked }))?;
        Sources::read(&answer).context("the server's answer cannot be read")
    }

    pub(super) fn parse(request: &Value) -> Option<Self> {
        let text = |name: &str| request["asked"][name].as_str().map(str::to_owned);
        let asked = match (text("create"), text("delete")) {
            (Some(name), None) => SourceAsked::Create(name),
            (None, Some(id)) => SourceAsked::Delete(id),
            (None, None) if request["asked"]["list"] == true => SourceAsked::List,
            _ => return None,
        };
        Some(Self { account: request["sourcesOf"].as_str()?.to_owned(), asked })
    }
}

impl Sources {
    pub(super) fn answer(&self) -> Value {
        let source = |source: &IngestSourceView| json!({ "id": source.id.to_string(), "name": source.name, "createdAt": source.created_at.as_millis() });
        let secret = self.secret.as_ref().map(Secret::expose);
        json!({ "sources": self.sources.iter().map(source).collect::<Vec<_>>(), "secret": secret })
    }

    fn read(answer: &Value) -> Option<Self> {
        let source = |source: &Value| {
            Some(IngestSourceView {
                id: IngestSourceId::parse(source["id"].as_str()?).ok()?,
                name: source["name"].as_str()?.to_owned(),
                created_at: Timestamp::from_millis(source["createdAt"].as_i64()?),
            })
        };
        let sources = answer["sources"].as_array()?.iter().map(source).collect::<Option<_>>()?;
        Some(Self { sources, secret: answer["secret"].as_str().map(|secret| Secret::new(secret.to_owned())) })
    }
}

#[cfg(test)]
mod tests {
    use app::IngestSourceView;
    use domain::{IngestSourceId, Secret, Timestamp};
    use serde_json::json;

    use super::{SourceAsked, SourceRequest, Sources};

    #[test]
    fn a_request_is_read_as_it_was_asked() {
        for (given, asked) in [
            (json!({"create": "n"}), SourceAsked::Create("n".to_owned())),
            (json!({"list": true}), SourceAsked::List),
            (json!({"delete": "x"}), SourceAsked::Delete("x".to_owned())),
        ] {
            let request = json!({ "sourcesOf": "a", "asked": given });
            assert_eq!(SourceRequest::parse(&request), Some(SourceRequest { account: "a".to_owned(), asked }));
        }
        for wrong in [json!({}), json!({"create": 1}), json!({"list": false}), json!({"create": "n", "delete": "x"})] {
            assert_eq!(SourceRequest::parse(&json!({ "sourcesOf": "a", "asked": wrong })), None, "{wrong}");
        }
        assert_eq!(SourceRequest::parse(&json!({ "asked": {"list": true} })), None);
    }

    #[test]
    fn an_answer_is_read_as_it_was_given() {
        let source = IngestSourceView {
            id: IngestSourceId::from_bytes([7; 12]),
            name: "n".to_owned(),
            created_at: Timestamp::from_millis(5),
        };
        let given = Sources { sources: vec![source], secret: Some(Secret::new("s".to_owned())) };
        let read = Sources::read(&given.answer()).expect("is read");
        assert_eq!(read.sources, given.sources);
        assert_eq!(read.secret.map(|secret| secret.expose().to_owned()), Some("s".to_owned()));
        assert!(Sources::read(&Sources::default().answer()).is_some_and(|none| none.sources.is_empty()));
        assert!(Sources::read(&json!({ "error": "x" })).is_none());
    }
}
