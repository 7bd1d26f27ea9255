//! Each folder in `cases` is a test: a config and an entry give a request.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

use integrations::{Catalogue, Kind};
use serde_json::Value;

use crate::support::{built_in, config, documents, entry, header, request};

#[test]
fn each_case_gives_its_request() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut failures = String::new();
    let mut covered = BTreeSet::new();
    for case in fs::read_dir(folder).unwrap() {
        let case = case.unwrap().path();
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        // NAME is the integration's key, two underlines, and what the case is about.
        let key = name.split_once("__").unwrap().0;
        covered.insert(key.to_owned());
        let read =
            |file: &str| fs::read_to_string(case.join(file)).unwrap_or_else(|error| panic!("{name}/{file}: {error}"));
        let config = config(serde_json::from_str(&read("config.json")).unwrap());
        let entry = entry(&serde_json::from_str(&read("entry.json")).unwrap());
        let integration = built_in(key);
        assert_eq!(integration.validate_config(&config), Ok(()), "{name}");
        let request = request(&integration, &config, &entry);
        assert_eq!(header(&request, "content-encoding"), None, "{name} is too large to be read");
        let mut actual = format!("{} {}\n", request.method, request.url);
        for (header, value) in &request.headers {
            writeln!(actual, "{header}: {value}").unwrap();
        }
        for document in documents(&request.body) {
            write!(actual, "\n{}\n", serde_json::to_string_pretty(&document).unwrap()).unwrap();
        }
        if parts(&actual) != parts(&read("request.http")) {
            writeln!(failures, "{name}\n{actual}").unwrap();
        }
    }
    assert!(failures.is_empty(), "these cases gave other requests:\n{failures}");
    // Destinations of other kinds have requests of their own making, and hidden ones are tested as folders.
    let catalogue = Catalogue::builtin().unwrap();
    let of_http = catalogue.listed().filter(|integration| integration.kind() == Kind::Http);
    assert_eq!(covered, of_http.map(|integration| integration.key().to_owned()).collect());
}

/// Head and documents of a request as text, so that only meaning is compared.
fn parts(text: &str) -> (String, Vec<Value>) {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    (head.trim().to_owned(), documents(body.as_bytes()))
}
