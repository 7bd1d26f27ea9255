//! How much one account may have of what it makes itself.

use rusqlite::Connection;

use crate::Error;

/// How much one account may have; each is a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountLimits {
    /// Access tokens, expired ones too. The one whose value is a setting is let in beyond it.
    pub tokens: usize,
    /// Subscriptions and webhooks that are not deleted, on or off.
    pub subscriptions: usize,
    /// Sources that send entries without a token.
    pub ingest_sources: usize,
}

impl Default for AccountLimits {
    fn default() -> Self {
        Self { tokens: 1_000, subscriptions: 10_000, ingest_sources: 1_000 }
    }
}

/// What is counted, each with the name that people know it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    Tokens,
    Subscriptions,
    IngestSources,
}

impl Counted {
    fn name(self) -> &'static str {
        match self {
            Self::Tokens => "access tokens",
            Self::Subscriptions => "subscriptions and webhooks",
            Self::IngestSources => "sources",
        }
    }

    fn count(self) -> &'static str {
        match self {
            Self::Tokens => "SELECT count(*) FROM token WHERE account = ?1",
            Self::Subscriptions => "SELECT subscriptions FROM account WHERE no = ?1",
            Self::IngestSources => "SELECT count(*) FROM ingest_source WHERE account = ?1",
        }
    }

    fn max(self, limits: AccountLimits) -> usize {
        match self {
            Self::Tokens => limits.tokens,
            Self::Subscriptions => limits.subscriptions,
            Self::IngestSources => limits.ingest_sources,
        }
    }
}

/// Whether the account has room for one more; asked in the transaction that makes it.
pub(crate) fn check_room(
    connection: &Connection,
    account_no: i64,
    counted: Counted,
    limits: AccountLimits,
) -> Result<(), Error> {
    let stored: i64 = connection.prepare_cached(counted.count())?.query_row([account_no], |row| row.get(0))?;
    let max = counted.max(limits);
    if usize::try_from(stored).unwrap_or(usize::MAX) < max {
        return Ok(());
    }
    Err(Error::Limit { what: counted.name(), max })
}
