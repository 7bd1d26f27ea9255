//! What is known of a key when its folder changes, breaks, goes and comes back.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use integrations::{Catalogue, Earlier, Integration, LoadProblem, Source, Standing};
use serde_json::{Value, json};

use crate::support::{config, manifest, write_folder};

const KEY: &str = "sample";

fn old() -> Value {
    manifest(&json!([{ "key": "a", "type": "string" }]), "https://host.test/old")
}

fn new() -> Value {
    manifest(&json!([{ "key": "a", "type": "string" }, { "key": "b", "type": "string" }]), "https://host.test/new")
}

fn load(dir: &Path, replace: &[String]) -> (Catalogue, Vec<LoadProblem>) {
    let mut catalogue = Catalogue::builtin().unwrap();
    let problems = catalogue.load_dir(dir, replace).unwrap();
    (catalogue, problems)
}

/// One start after the other, and loadings between.
struct Runs {
    dir: tempfile::TempDir,
    replace: Vec<String>,
    running: Option<Catalogue>,
    stored: Vec<Arc<Integration>>,
    used: BTreeSet<String>,
}

impl Runs {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir, replace: Vec::new(), running: None, stored: Vec::new(), used: BTreeSet::from([KEY.to_owned()]) }
    }

    fn write(&self, key: &str, manifest: &Value, template: &str) {
        write_folder(self.dir.path(), key, manifest, template);
    }

    fn remove(&self, key: &str) {
        fs::remove_dir_all(self.dir.path().join(key)).unwrap();
    }

    fn load(&mut self) -> &Catalogue {
        let (loaded, problems) = load(self.dir.path(), &self.replace);
        let earlier = Earlier { running: self.running.as_ref(), stored: self.stored.clone(), used: self.used.clone() };
        let settled = loaded.settle(&problems, &earlier);
        let usable = settled.shelves().filter(|shelf| shelf.unusable().is_none()).map(|shelf| shelf.newest().clone());
        let news: Vec<_> = usable.filter(|one| self.stored.iter().all(|old| old.version() != one.version())).collect();
        self.stored.splice(0..0, news);
        self.running.insert(settled)
    }

    /// Forgets what only a running process knows.
    fn stop(&mut self) {
        self.running = None;
        for version in &mut self.stored {
            let source = Source::from_text(&version.source().to_text()).unwrap();
            *version = Arc::new(Integration::from_source(version.key(), &source).unwrap());
        }
    }
}

fn standing<'a>(catalogue: &'a Catalogue, key: &str) -> Option<&'a Standing> {
    catalogue.shelf(key).map(integrations::Shelf::standing)
}

#[test]
fn a_bad_folder_never_replaces_a_good_one_that_runs() {
    let mut runs = Runs::new();
    runs.write(KEY, &old(), "{}");
    let version = runs.load().get(KEY).unwrap().version().to_owned();
    runs.write(KEY, &new(), "{");
    let catalogue = runs.load();
    assert_eq!(catalogue.get(KEY).unwrap().version(), version);
    assert!(matches!(standing(catalogue, KEY), Some(Standing::Kept(why)) if why.contains("default.json.hbs")));
    // Still kept at the next look, and replaced when it is good.
    assert_eq!(runs.load().get(KEY).unwrap().version(), version);
    runs.write(KEY, &new(), "{}");
    let catalogue = runs.load();
    assert_eq!(standing(catalogue, KEY), Some(&Standing::Current));
    assert_ne!(catalogue.get(KEY).unwrap().version(), version);
}

#[test]
fn a_folder_that_is_bad_or_gone_at_start_is_read_by_what_was_kept_and_not_used() {
    let mut runs = Runs::new();
    runs.write(KEY, &old(), "{}");
    runs.load();
    runs.stop();
    runs.write(KEY, &old(), "{");
    let catalogue = runs.load();
    assert!(catalogue.get(KEY).is_none());
    let shelf = catalogue.shelf(KEY).unwrap();
    assert!(shelf.unusable().unwrap().contains("not JSON"), "{shelf:?}");
    assert_eq!(shelf.newest().form_variables()[0].key, "a");
    runs.remove(KEY);
    let catalogue = runs.load();
    assert_eq!(standing(catalogue, KEY), Some(&Standing::Missing));
    runs.write(KEY, &old(), "{}");
    assert_eq!(standing(runs.load(), KEY), Some(&Standing::Current));
}

#[test]
fn a_folder_that_goes_is_missing_where_it_is_used_and_forgotten_where_not() {
    let mut runs = Runs::new();
    runs.write(KEY, &old(), "{}");
    runs.write("unused", &old(), "{}");
    runs.load();
    runs.remove(KEY);
    runs.remove("unused");
    let catalogue = runs.load();
    assert_eq!((standing(catalogue, KEY), standing(catalogue, "unused")), (Some(&Standing::Missing), None));
}

#[test]
fn a_key_of_which_nothing_was_kept_shows_nothing_of_its_configs() {
    let mut runs = Runs::new();
    let catalogue = runs.load();
    let unknown = catalogue.shelf(KEY).unwrap().newest();
    assert_eq!(standing(catalogue, KEY), Some(&Standing::Missing));
    let config = config(json!({ "token": "canary-canary-9a9a", "n": 1 }));
    assert_eq!(unknown.validate_config(&config), Ok(()));
    assert!(!format!("{:?}", unknown.masked_config(&config)).contains("canary"));
}

#[test]
fn a_config_stays_with_the_newest_version_that_takes_it() {
    let mut runs = Runs::new();
    runs.write(KEY, &old(), "{}");
    let first = runs.load().get(KEY).unwrap().version().to_owned();
    runs.stop();
    runs.write(KEY, &new(), "{}");
    let shelf = runs.load().shelf(KEY).unwrap();
    let of = |value: Value| {
        let fitting = shelf.fitting(&config(value));
        (fitting.is_older, fitting.integration.version() == first)
    };
    assert_eq!(of(json!({ "a": "x" })), (true, true));
    assert_eq!(of(json!({ "a": "x", "b": "y" })), (false, false));
    // What no version takes is judged by the newest.
    assert_eq!(of(json!({ "c": "x" })), (false, false));
}

#[test]
fn a_built_in_one_gives_way_only_to_a_good_folder_that_may() {
    let mut runs = Runs::new();
    runs.write("splunk", &old(), "{}");
    let url = |catalogue: &Catalogue| catalogue.get("splunk").unwrap().name().to_owned();
    assert_eq!(url(runs.load()), "Splunk");
    runs.replace = vec!["splunk".to_owned()];
    runs.used.insert("splunk".to_owned());
    assert_eq!(url(runs.load()), "Sample");
    // A bad one keeps what ran, and after a restart nothing is sent in a form that nobody chose.
    runs.write("splunk", &old(), "{");
    assert_eq!(url(runs.load()), "Sample");
    runs.stop();
    assert!(matches!(standing(runs.load(), "splunk"), Some(Standing::Broken(_))));
    // Where the folder was never good, the built-in one serves.
    let mut fresh = Runs::new();
    fresh.replace = vec!["splunk".to_owned()];
    fresh.write("splunk", &old(), "{");
    assert_eq!(url(fresh.load()), "Splunk");
}

#[test]
fn a_built_in_one_does_not_come_back_by_itself_when_the_folder_in_its_place_goes() {
    let mut runs = Runs::new();
    runs.replace = vec!["splunk".to_owned()];
    runs.used.insert("splunk".to_owned());
    // No folder has been there yet.
    assert_eq!(runs.load().get("splunk").unwrap().name(), "Splunk");
    runs.write("splunk", &old(), "{}");
    assert_eq!(runs.load().get("splunk").unwrap().name(), "Sample");
    runs.remove("splunk");
    assert_eq!(standing(runs.load(), "splunk"), Some(&Standing::Missing));
    runs.stop();
    let shelf = runs.load().shelf("splunk").unwrap();
    assert_eq!((shelf.standing(), shelf.newest().name()), (&Standing::Missing, "Sample"));
    // It does where that changes nothing for anybody, and where the operator says so.
    runs.used.remove("splunk");
    assert_eq!(runs.load().get("splunk").unwrap().name(), "Splunk");
    runs.used.insert("splunk".to_owned());
    runs.replace.clear();
    assert_eq!(runs.load().get("splunk").unwrap().name(), "Splunk");
}

#[test]
fn a_stand_in_for_what_is_unknown_takes_no_config_once_the_folder_is_there() {
    let mut runs = Runs::new();
    runs.load();
    runs.write(KEY, &old(), "{}");
    let shelf = runs.load().shelf(KEY).unwrap();
    assert_eq!((shelf.standing(), shelf.versions().count()), (&Standing::Current, 1));
    let fitting = shelf.fitting(&config(json!({ "c": "x" })));
    assert_eq!((fitting.is_older, fitting.integration.name()), (false, "Sample"));
}
