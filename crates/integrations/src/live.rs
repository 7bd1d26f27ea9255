//! The catalogue as it is now: it is replaced as a whole while others read it.

use std::sync::{Arc, PoisonError, RwLock};

use crate::catalogue::Catalogue;

/// A catalogue that can be replaced. Whoever needs several answers that fit together asks for
/// [`Self::now`] once.
#[derive(Debug, Default)]
pub struct LiveCatalogue(RwLock<Arc<Catalogue>>);

impl LiveCatalogue {
    /// The catalogue as it is now.
    pub fn now(&self) -> Arc<Catalogue> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another in its place; whoever has the one before keeps it until done.
    pub fn replace(&self, catalogue: Catalogue) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalogue);
    }
}

impl From<Catalogue> for LiveCatalogue {
    fn from(catalogue: Catalogue) -> Self {
        Self(RwLock::new(Arc::new(catalogue)))
    }
}
