//! The integrations that this server knows.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use include_dir::{Dir, include_dir};

use crate::{
    check,
    integration::Integration,
    locate, manifest,
    shelf::{Shelf, Standing},
    source::Source,
};

static BUILTIN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../integrations");

const MANIFEST: &str = "manifest.json";

// A manifest and a template are texts that people write; more than this is a mistake.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// All integrations by key.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    shelves: BTreeMap<String, Shelf>,
    /// Built-in integrations whose place a folder was to take, which has a mistake or is not there.
    displaced: BTreeMap<String, Arc<Integration>>,
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

impl LoadProblem {
    /// The key that the folder stands for.
    pub fn key(&self) -> &str {
        self.folder.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// The problem without the path of the folder, which is nothing for users to know.
    pub fn within_folder(&self) -> String {
        let parts = [self.file.as_str(), self.place.as_str()];
        let at: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        if at.is_empty() { self.reason.clone() } else { format!("{}: {}", at.join(", "), self.reason) }
    }
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

    /// Says in which line of the manifest the place is.
    pub(crate) fn with_line(mut self, manifest: &str) -> Self {
        if self.file == MANIFEST
            && let Some(line) = locate::line_of(manifest, &self.place)
        {
            self.place = format!("{} (line {line})", self.place);
        }
        self
    }

    fn at(self, folder: &Path) -> LoadProblem {
        LoadProblem { folder: folder.to_owned(), file: self.file, place: self.place, reason: self.reason }
    }
}

/// What was known before a catalogue was loaded.
#[derive(Debug, Default)]
pub struct Earlier<'a> {
    /// The catalogue that is in use; none at the start.
    pub running: Option<&'a Catalogue>,
    /// Versions from earlier runs, of each key the newest first.
    pub stored: Vec<Arc<Integration>>,
    /// Keys that have subscriptions, and so are never unknown.
    pub used: BTreeSet<String>,
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
            catalogue.put(integration);
        }
        Ok(catalogue)
    }

    /// Adds every sub-folder of `dir` as an integration of the folder's name, each checked whole:
    /// every template is rendered for samples of all kinds.
    ///
    /// A folder that has a mistake, or the name of an integration that is already here and not
    /// one of `may_replace`, is left out and reported; the others are added. Hidden integrations
    /// are never replaced, since the server itself relies on them.
    ///
    /// # Errors
    /// When `dir` cannot be read. Nothing was loaded then, and nothing follows about what is in it.
    pub fn load_dir(&mut self, dir: &Path, may_replace: &[String]) -> Result<Vec<LoadProblem>, LoadProblem> {
        self.load_dir_with(dir, may_replace, &|_| None)
    }

    /// The same, where `policy` tells what is wrong with an integration's default policy.
    ///
    /// # Errors
    /// As [`Self::load_dir`].
    pub fn load_dir_with(
        &mut self,
        dir: &Path,
        may_replace: &[String],
        policy: &dyn Fn(&Integration) -> Option<String>,
    ) -> Result<Vec<LoadProblem>, LoadProblem> {
        let folders =
            sub_folders(dir).map_err(|error| Mistake::new("", "", format!("cannot be read: {error}")).at(dir))?;
        let is_hidden = |catalogue: &Self, key: &str| catalogue.shelf(key).is_some_and(|one| one.newest().is_hidden());
        let replaced: BTreeSet<_> = may_replace.iter().filter(|key| !is_hidden(self, key)).cloned().collect();
        let mut problems = Vec::new();
        for folder in &folders {
            let key = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if self.shelves.contains_key(key) && !replaced.contains(key) {
                let reason = match is_hidden(self, key) {
                    true => "has the name of an integration of the server's own, whose place no folder may take",
                    false => {
                        "has the name of an integration that exists already; the setting \
                         integrations_replace lists the built-in ones whose place a folder may take"
                    }
                };
                problems.push(Mistake::new("", "", reason).at(folder));
                continue;
            }
            match load_folder(folder, policy) {
                Ok(integration) => self.put(integration),
                Err(mistakes) => {
                    self.displace(key);
                    problems.extend(mistakes);
                }
            }
        }
        let is_there = |key: &str| folders.iter().any(|folder| folder.file_name().is_some_and(|name| name == key));
        replaced.iter().filter(|key| !is_there(key)).for_each(|key| self.displace(key));
        Ok(problems)
    }

    /// Puts what was loaded beside what was known before: a version that works is never replaced
    /// by one that does not, and no key that has subscriptions is forgotten.
    ///
    /// `problems` are those of the loading.
    #[must_use]
    pub fn settle(mut self, problems: &[LoadProblem], earlier: &Earlier<'_>) -> Self {
        let running = earlier.running.map(|running| &running.shelves);
        let mut keys: BTreeSet<String> = self.shelves.keys().chain(self.displaced.keys()).cloned().collect();
        keys.extend(running.into_iter().flat_map(BTreeMap::keys).cloned());
        keys.extend(earlier.stored.iter().map(|version| version.key().to_owned()));
        keys.extend(earlier.used.iter().cloned());
        let mut shelves = BTreeMap::new();
        for key in keys {
            let before = running.and_then(|running| running.get(&key));
            let stored = earlier.stored.iter().filter(|version| version.key() == key).cloned();
            let past = before.into_iter().flat_map(Shelf::versions).cloned().chain(stored);
            // One of which nothing is known takes every config, and so would go with each of them.
            let past: Vec<_> = past.filter(|one| !one.is_unknown).collect();
            let problem = problems.iter().find(|problem| problem.key() == key).map(LoadProblem::within_folder);
            let is_free = problem.is_none() && !earlier.used.contains(&key);
            // Nothing but the built-in one has ever been there, or nobody uses it, so that one stays.
            let untouched = self
                .displaced
                .remove(&key)
                .filter(|built_in| is_free || past.iter().all(|one| one.version() == built_in.version()));
            let loaded = self.shelves.remove(&key).map(|shelf| shelf.newest().clone()).or(untouched);
            let standing = match (&loaded, problem) {
                (Some(_), _) => Standing::Current,
                (None, Some(problem)) if before.is_some_and(|before| before.unusable().is_none()) => {
                    Standing::Kept(problem)
                }
                (None, Some(problem)) => Standing::Broken(problem),
                (None, None) if earlier.used.contains(&key) => Standing::Missing,
                (None, None) => continue,
            };
            let mut versions: Vec<_> = loaded.into_iter().chain(past).collect();
            if versions.is_empty() && earlier.used.contains(&key) {
                versions.push(Arc::new(Integration::unknown(&key)));
            }
            shelves.extend(Shelf::new(versions, standing).map(|shelf| (key, shelf)));
        }
        Self { shelves, displaced: BTreeMap::new() }
    }

    /// The integration of this key, if it can be used.
    pub fn get(&self, key: &str) -> Option<&Arc<Integration>> {
        self.shelf(key).filter(|shelf| shelf.unusable().is_none()).map(Shelf::newest)
    }

    /// All that is known of this key.
    pub fn shelf(&self, key: &str) -> Option<&Shelf> {
        self.shelves.get(key)
    }

    /// All that is known of every key, sorted by it.
    pub fn shelves(&self) -> impl Iterator<Item = &Shelf> {
        self.shelves.values()
    }

    /// The integrations that users may choose from, sorted by key: all but the hidden ones.
    pub fn listed(&self) -> impl Iterator<Item = &Arc<Integration>> {
        self.iter().filter(|integration| !integration.is_hidden())
    }

    /// All integrations that can be used, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Integration>> {
        self.shelves.values().filter(|shelf| shelf.unusable().is_none()).map(Shelf::newest)
    }

    /// Takes a built-in integration out, to be put back only where no folder has had its place.
    fn displace(&mut self, key: &str) {
        let displaced = self.shelves.remove(key).map(|shelf| (key.to_owned(), shelf.newest().clone()));
        self.displaced.extend(displaced);
    }

    fn put(&mut self, integration: Integration) {
        self.shelves.insert(integration.key().to_owned(), Shelf::current(Arc::new(integration)));
    }
}

impl Integration {
    /// An integration from files that were kept of it, as [`Self::source`] gave them.
    ///
    /// # Errors
    /// The first mistake; its folder is only the key.
    pub fn from_source(key: &str, source: &Source) -> Result<Self, LoadProblem> {
        let read = |file: &str| source.get(file).cloned().ok_or_else(|| Mistake::new(file, "", "is not there"));
        load(key, &read).map_err(|mistake| mistake.at(Path::new(key)))
    }
}

/// Loads one folder and checks it whole; `policy` tells what is wrong with its default policy.
///
/// # Errors
/// Every mistake that can be told at once.
pub fn load_folder(
    folder: &Path,
    policy: &dyn Fn(&Integration) -> Option<String>,
) -> Result<Integration, Vec<LoadProblem>> {
    let key = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let problems = |mistakes: Vec<Mistake>| mistakes.into_iter().map(|mistake| mistake.at(folder)).collect();
    let integration = load(key, &|file| read_file(folder, file)).map_err(|mistake| problems(vec![mistake]))?;
    let mut mistakes = check::mistakes(&integration);
    mistakes.extend(policy(&integration).map(|reason| {
        Mistake::in_manifest("capabilities.auditLogEventsHook.defaultPolicy", reason)
            .with_line(integration.source().get(MANIFEST).map_or("", String::as_str))
    }));
    if mistakes.is_empty() { Ok(integration) } else { Err(problems(mistakes)) }
}

fn load(key: &str, read: &dyn Fn(&str) -> Result<String, Mistake>) -> Result<Integration, Mistake> {
    let key_is_plain = key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if key.is_empty() || !key_is_plain {
        return Err(Mistake::new("", "", "a folder's name is the key: lower-case letters, digits and dashes"));
    }
    let manifest = read(MANIFEST)?;
    let files = RefCell::new(vec![(MANIFEST.to_owned(), manifest.clone())]);
    let read = |path: &str| {
        let inside = !path.is_empty() && path.split(['/', '\\']).all(|part| !matches!(part, "" | "." | ".."));
        if !inside {
            return Err(Mistake::new(path, "", "is not a path inside of the folder"));
        }
        let text = read(path)?;
        files.borrow_mut().push((path.to_owned(), text.clone()));
        Ok(text)
    };
    let loaded = manifest::load(key, &manifest, &read).map_err(|mistake| mistake.with_line(&manifest))?;
    let source: Source = files.into_inner().into_iter().collect();
    Ok(Integration { version: source.version(), source, ..loaded })
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
    // Asked before it is opened: the opening of a pipe waits for its other end.
    if !fs::metadata(&path).map_err(cannot)?.is_file() {
        return Err(Mistake::new(file, "", "is not a regular file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)).map_err(cannot)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Mistake::new(file, "", format!("is larger than {FILE_BYTES_MAX} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| Mistake::new(file, "", "is not UTF-8"))
}
