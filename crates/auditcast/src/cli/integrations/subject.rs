//! Which integration is meant: a folder, or one that the server knows.

use std::{
    fs,
    path::{MAIN_SEPARATOR, Path},
    sync::Arc,
};

use app::{load_catalogue, load_folder};
use integrations::Integration;

use crate::settings::Settings;

/// How alike a key has to be to be proposed, of 1.
const ALIKE: f64 = 0.7;

/// The integration in a folder.
///
/// # Errors
/// Every mistake of it.
pub(super) fn folder(folder: &Path) -> Result<Integration, Vec<String>> {
    // The name is the key, and `.` is none.
    let whole = folder.file_name().is_none().then(|| fs::canonicalize(folder).ok()).flatten();
    load_folder(whole.as_deref().unwrap_or(folder)).map_err(|found| found.iter().map(ToString::to_string).collect())
}

/// The integration of a folder or a key. A bare name means the key if there is such a one, whatever
/// lies in the working directory.
///
/// # Errors
/// Every mistake of the folder, or that there is none of this key.
pub(super) fn named(settings: &Settings, name: &Path) -> Result<Arc<Integration>, Vec<String>> {
    let key = name.to_string_lossy();
    if name.file_name().is_none() || key.contains(MAIN_SEPARATOR) {
        return folder(name).map(Arc::new);
    }
    let loaded = load_catalogue(settings.integrations_dir.as_deref(), &settings.integrations_replace);
    let (catalogue, problems) = loaded.map_err(|problem| vec![problem.to_string()])?;
    if let Some(integration) = catalogue.get(&key) {
        return Ok(Arc::clone(integration));
    }
    let own: Vec<_> = problems.iter().filter(|problem| problem.key() == key).map(ToString::to_string).collect();
    if !own.is_empty() {
        return Err(own);
    }
    if name.is_dir() {
        return folder(name).map(Arc::new);
    }
    let alike = |other: &str| strsim::jaro_winkler(&key, other);
    let nearest = catalogue.listed().map(|one| one.key()).max_by(|one, other| alike(one).total_cmp(&alike(other)));
    let hint = match nearest.filter(|nearest| alike(nearest) > ALIKE) {
        Some(nearest) => format!("; did you mean {nearest}?"),
        None => "; auditcast integrations list names those that are there".to_owned(),
    };
    Err(vec![format!("there is neither a folder nor an integration {key}{hint}")])
}
