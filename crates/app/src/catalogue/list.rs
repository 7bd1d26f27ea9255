//! What users may choose from, and how each of it stands.

use std::sync::Arc;

use integrations::{Integration, Standing};

use crate::{Action, App, Caller, Error};

/// One integration of the catalogue.
#[derive(Clone, Debug)]
pub struct CatalogueItem {
    /// Its newest version.
    pub integration: Arc<Integration>,
    /// How that stands.
    pub standing: Standing,
    /// Why this server cannot deliver to it; none where it can.
    pub undeliverable: Option<String>,
}

impl App {
    /// All integrations but the hidden ones, sorted by key; those too that cannot be used now.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when the caller may see no subscriptions.
    pub fn catalogue_list(&self, caller: &Caller) -> Result<Vec<CatalogueItem>, Error> {
        self.authorise_empty_list(caller, Action::ViewIntegration)?;
        let catalogue = self.catalogue.now();
        let shown = catalogue.shelves().filter(|shelf| !shelf.newest().is_hidden());
        let item = |shelf: &integrations::Shelf| CatalogueItem {
            integration: Arc::clone(shelf.newest()),
            standing: shelf.standing().clone(),
            undeliverable: self.engine.undeliverable(shelf.newest()),
        };
        Ok(shown.map(item).collect())
    }
}
