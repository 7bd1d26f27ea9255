//! Fetches the layers: the only place of the project that reads the environment.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use super::{Layer, Mistake, Settings, keys::ENVIRONMENT_PREFIX, parse};

/// The settings file where none is named.
const FILE_NAME: &str = "auditcast.toml";

/// Read by the commands that speak to a server as its clients do; they are no settings of one.
pub const CLIENT_VARIABLES: [&str; 2] = ["AUDITCAST_URL", "AUDITCAST_TOKEN"];

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ReadSettingsError {
    /// The file cannot be read.
    #[error("the settings file {} cannot be read", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// It was read, and something is wrong.
    #[error("{}", Listed(.0))]
    Mistakes(Vec<Mistake>),
}

struct Listed<'a>(&'a [Mistake]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.0.len() == 1 { "mistake" } else { "mistakes" };
        write!(f, "{} {noun} in the settings:", self.0.len())?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

/// Reads the file, the environment and the flags (spelled `--listen`) of this process.
///
/// `file` is the one that the operator named; without it `auditcast.toml` in the working
/// directory is read if it is there.
///
/// # Errors
/// [`ReadSettingsError`], with every mistake at once.
pub fn read(file: Option<&Path>, flags: &BTreeMap<String, String>) -> Result<Settings, ReadSettingsError> {
    let path = file.unwrap_or(Path::new(FILE_NAME));
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && file.is_none() => String::new(),
        Err(source) => return Err(ReadSettingsError::File { path: path.to_owned(), source }),
    };
    let mut overrides = flags.clone();
    let mut mistakes = Vec::new();
    for (name, value) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if !name.starts_with(ENVIRONMENT_PREFIX) || CLIENT_VARIABLES.contains(&name.as_str()) {
            continue;
        }
        match value.into_string() {
            Ok(value) => drop(overrides.insert(name, value)),
            Err(_) => {
                let reason = "is not UTF-8".to_owned();
                mistakes.push(Mistake { key: name, layer: Layer::Environment, reason });
            }
        }
    }
    match parse(&text, &overrides) {
        Ok(settings) if mistakes.is_empty() => Ok(settings),
        Ok(_) => Err(ReadSettingsError::Mistakes(mistakes)),
        Err(more) => Err(ReadSettingsError::Mistakes(mistakes.into_iter().chain(more).collect())),
    }
}
