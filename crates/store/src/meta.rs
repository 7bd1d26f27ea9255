//! What the database knows of itself.

use domain::AccountId;
use rusqlite::OptionalExtension;

use crate::{Error, Store, accounts};

impl Store {
    /// The name of this installation, made with its database: 24 hex digits.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn instance_id(&self) -> Result<String, Error> {
        let fresh = AccountId::from_bytes(accounts::object_id(self.now())).to_string();
        self.shared
            .writer
            .run(move |group| {
                let stored: Option<String> = group
                    .connection
                    .prepare_cached("SELECT CAST(value AS TEXT) FROM meta WHERE key = 'instance'")?
                    .query_row([], |row| row.get(0))
                    .optional()?;
                if let Some(stored) = stored {
                    return Ok(stored);
                }
                group
                    .connection
                    .prepare_cached("INSERT INTO meta (key, value) VALUES ('instance', CAST(?1 AS BLOB))")?
                    .execute([&fresh])?;
                Ok(fresh)
            })
            .await
    }
}
