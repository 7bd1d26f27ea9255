//! The integrations that this server knows.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use include_dir::{Dir, include_dir};

use crate::{integration::Integration, manifest};

static BUILTIN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../integrations");

const MANIFEST: &str = "manifest.json";

// A manifest and a template are texts that people write; more than this is a mistake.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// All integrations by key.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    integrations: BTreeMap<String, Arc<Integration>>,
}

/// Why one folder is not in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadProblem {
    /// The folder; for a built-in one only its key.
    pub folder: PathBuf,
    /// The file within the folder; empty when the folder itself is the problem.
    pub file: String,
    /// Where in the file, such as `line 3 column 8` or `formVariables[2].key`; may be empty.
    pub place: String,
    /// What is wrong and what would be right.
    pub reason: String,
}

impl fmt::Display for LoadProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.folder.join(&self.file).display())?;
        if !self.place.is_empty() {
            write!(f, ", {}", self.place)?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl std::error::Error for LoadProblem {}

/// A mistake in a folder, before it is known where the folder lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) file: String,
    pub(crate) place: String,
    pub(crate) reason: String,
}

impl Mistake {
    pub(crate) fn new(file: &str, place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), place: place.into(), reason: reason.into() }
    }

    pub(crate) fn in_manifest(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(MANIFEST, place, reason)
    }

    fn at(self, folder: &Path) -> LoadProblem {
        LoadProblem { folder: folder.to_owned(), file: self.file, place: self.place, reason: self.reason }
    }
}

impl Catalogue {
    /// The integrations that are part of the program.
    ///
    /// # Errors
    /// The first folder that does not load; a test holds that there is none.
    pub fn builtin() -> Result<Self, LoadProblem> {
        let mut catalogue = Self::default();
        for folder in BUILTIN.dirs() {
            let key = folder.path().to_string_lossy().into_owned();
            let read = |file: &str| {
                let found = folder.get_file(folder.path().join(file));
                found
                    .and_then(|found| found.contents_utf8().map(ToOwned::to_owned))
                    .ok_or_else(|| Mistake::new(file, "", "is not there or not UTF-8"))
            };
            let integration = load(&key, &read).map_err(|mistake| mistake.at(folder.path()))?;
            catalogue.integrations.insert(key, Arc::new(integration));
        }
        Ok(catalogue)
    }

    /// Adds every sub-folder of `dir` as an integration of the folder's name.
    ///
    /// A folder that has a mistake, or the name of an integration that is already here, is left
    /// out and reported; the others are added.
    pub fn load_dir(&mut self, dir: &Path) -> Vec<LoadProblem> {
        let folders = match sub_folders(dir) {
            Ok(folders) => folders,
            Err(error) => return vec![Mistake::new("", "", format!("cannot be read: {error}")).at(dir)],
        };
        let mut problems = Vec::new();
        for folder in folders {
            match self.load_folder(&folder) {
                Ok(integration) => {
                    self.integrations.insert(integration.key().to_owned(), Arc::new(integration));
                }
                Err(mistake) => problems.push(mistake.at(&folder)),
            }
        }
        problems
    }

    /// The integration of this key.
    pub fn get(&self, key: &str) -> Option<&Arc<Integration>> {
        self.integrations.get(key)
    }

    /// The integrations that users may choose from, sorted by key: all but the hidden ones.
    pub fn listed(&self) -> impl Iterator<Item = &Arc<Integration>> {
        self.iter().filter(|integration| !integration.is_hidden())
    }

    /// All integrations, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Integration>> {
        self.integrations.values()
    }

    fn load_folder(&self, folder: &Path) -> Result<Integration, Mistake> {
        let key = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if self.integrations.contains_key(key) {
            return Err(Mistake::new("", "", "has the name of an integration that exists already"));
        }
        load(key, &|file| read_file(folder, file))
    }
}

fn load(key: &str, read: &dyn Fn(&str) -> Result<String, Mistake>) -> Result<Integration, Mistake> {
    let key_is_plain = key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if key.is_empty() || !key_is_plain {
        return Err(Mistake::new("", "", "a folder's name is the key: lower-case letters, digits and dashes"));
    }
    manifest::load(key, &read(MANIFEST)?, &|path| {
        let inside = !path.is_empty() && path.split(['/', '\\']).all(|part| !matches!(part, "" | "." | ".."));
        if inside { read(path) } else { Err(Mistake::new(path, "", "is not a path inside of the folder")) }
    })
}

fn sub_folders(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() && !hidden {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

fn read_file(folder: &Path, file: &str) -> Result<String, Mistake> {
    let cannot = |error: std::io::Error| Mistake::new(file, "", format!("cannot be read: {error}"));
    let path = folder.join(file);
    if fs::metadata(&path).map_err(cannot)?.len() > FILE_BYTES_MAX {
        return Err(Mistake::new(file, "", format!("is larger than {FILE_BYTES_MAX} bytes")));
    }
    fs::read_to_string(path).map_err(cannot)
}
