//! What integrations were made of, so that subscriptions can be read when a folder is gone.
//!
//! What the files mean is not known here.

use rusqlite::Row;

use crate::{Error, Store, writer::Group};

/// The files of an integration as they were once loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegrationVersion {
    /// The integration key.
    pub key: String,
    /// Names the content.
    pub version: String,
    /// The files, as text of the caller.
    pub files: String,
}

impl Store {
    /// All versions, of each key the one that was kept last first.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn integration_version_list(&self) -> Result<Vec<IntegrationVersion>, Error> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT key, version, files FROM integration_version ORDER BY key, place DESC")?;
            let of_row =
                |row: &Row<'_>| Ok(IntegrationVersion { key: row.get(0)?, version: row.get(1)?, files: row.get(2)? });
            let found = statement.query_map([], of_row)?.collect::<Result<_, _>>()?;
            Ok(found)
        })
        .await
    }

    /// Keeps versions as the newest of their keys, in one transaction.
    ///
    /// # Errors
    /// [`Error`] when the database fails; then nothing is kept.
    pub async fn integration_version_keep(&self, versions: Vec<IntegrationVersion>) -> Result<(), Error> {
        self.shared.writer.run(move |group| versions.iter().try_for_each(|version| keep(group, version))).await
    }

    /// Forgets versions of a key, those with these names.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn integration_version_forget(&self, key: &str, versions: Vec<String>) -> Result<(), Error> {
        let key = key.to_owned();
        self.shared
            .writer
            .run(move |group| {
                let mut statement = group
                    .connection
                    .prepare_cached("DELETE FROM integration_version WHERE key = ?1 AND version = ?2")?;
                for version in &versions {
                    statement.execute((&key, version))?;
                }
                Ok(())
            })
            .await
    }
}

fn keep(group: &mut Group<'_>, version: &IntegrationVersion) -> Result<(), Error> {
    group
        .connection
        .prepare_cached(
            "INSERT OR REPLACE INTO integration_version (key, version, files, place)
             VALUES (?1, ?2, ?3, (SELECT coalesce(max(place), 0) + 1 FROM integration_version))",
        )?
        .execute((&version.key, &version.version, &version.files))?;
    Ok(())
}
