//! Checks on the manifests of the crates.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::files::read;

/// Which crates of ours a crate may depend on. A crate without a row may not exist.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("policy", &["domain"]),
    ("integrations", &["domain"]),
    ("store", &["domain"]),
    ("delivery", &["domain", "store", "policy", "integrations"]),
    ("destinations", &["domain", "integrations", "delivery"]),
    ("app", &["domain", "store", "policy", "integrations", "delivery"]),
    ("api", &["domain", "policy", "integrations", "app"]),
    ("auditcast", &["domain", "store", "policy", "integrations", "delivery", "destinations", "app", "api"]),
    ("receiver", &[]),
    ("xtask", &[]),
];

/// The crates whose tests may use the receiver beside what the crate itself may know.
const TEST_ONLY: &str = "receiver";

/// Which crates of others a crate may not depend on, and why.
const MAY_NOT_NAME: &[(&str, &[&str], &str)] = &[
    ("domain", IN_AND_OUT, "it is pure"),
    ("policy", IN_AND_OUT, "it is pure"),
    ("integrations", IN_AND_OUT, "it is pure"),
    ("store", &["http", "hyper", "hyper-util", "axum", "tower", "tower-http"], "it knows no HTTP"),
    ("api", &["rusqlite"], "it knows no SQL"),
    ("app", &["rusqlite", "hyper", "axum", "http"], "it knows neither SQL nor HTTP"),
    ("delivery", &["rusqlite", "axum"], "it knows neither SQL nor the API"),
];

const IN_AND_OUT: &[&str] =
    &["tokio", "tokio-util", "rusqlite", "axum", "hyper", "hyper-util", "tower", "futures-util"];

/// Dependencies between crates of ours that the architecture does not have.
pub fn arrows(root: &Path) -> Vec<String> {
    let manifests = manifests(root);
    let ours: BTreeSet<&str> = manifests.keys().map(String::as_str).collect();
    let mut findings = Vec::new();
    for (name, manifest) in &manifests {
        let Some((_, known)) = MAY_KNOW.iter().find(|(row, _)| row == name) else {
            findings.push(format!("crate {name} has no row in the table of arrows"));
            continue;
        };
        for (kind, dependency) in dependencies(manifest) {
            let for_tests = kind == "dev-dependencies" && dependency == TEST_ONLY;
            if ours.contains(dependency.as_str()) && !known.contains(&dependency.as_str()) && !for_tests {
                findings.push(format!("{name} must not know {dependency} ({kind})"));
            }
        }
    }
    findings
}

/// Dependencies on crates of others that would break what a crate stands for.
pub fn forbidden_dependencies(root: &Path) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, manifest) in manifests(root) {
        for (row, forbidden, why) in MAY_NOT_NAME {
            for (kind, dependency) in dependencies(&manifest) {
                if *row == name && kind != "dev-dependencies" && forbidden.contains(&dependency.as_str()) {
                    findings.push(format!("{name} must not name {dependency}: {why}"));
                }
            }
        }
    }
    findings
}

/// Crates that the table of ARCHITECTURE.md lacks, and rows without a crate.
pub fn crate_table(root: &Path) -> Vec<String> {
    let page = read(&root.join("ARCHITECTURE.md"));
    let section = page.split("\n## ").find(|section| section.starts_with("Crates\n")).unwrap_or_default();
    let rows: BTreeSet<&str> = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let manifests = manifests(root);
    let crates: BTreeSet<&str> = manifests.keys().map(String::as_str).collect();
    let missing = crates.difference(&rows).map(|name| format!("ARCHITECTURE.md does not name the crate {name}"));
    let extra = rows.difference(&crates).map(|name| format!("ARCHITECTURE.md names {name}, which is no crate"));
    missing.chain(extra).collect()
}

/// The manifest of each folder under `crates/`, by the folder's name.
fn manifests(root: &Path) -> BTreeMap<String, toml::Table> {
    let folders = fs::read_dir(root.join("crates")).into_iter().flatten().flatten();
    folders
        .filter(|folder| folder.path().join("Cargo.toml").is_file())
        .map(|folder| {
            let manifest = read(&folder.path().join("Cargo.toml")).parse().unwrap_or_default();
            (folder.file_name().to_string_lossy().into_owned(), manifest)
        })
        .collect()
}

/// Each dependency with the section it stands in, under the name that the registry knows.
fn dependencies(manifest: &toml::Table) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let for_targets = manifest.get("target").and_then(toml::Value::as_table);
    let tables = for_targets.into_iter().flat_map(|targets| targets.values()).filter_map(toml::Value::as_table);
    for table in std::iter::once(manifest).chain(tables) {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let section = table.get(kind).and_then(toml::Value::as_table);
            for (name, value) in section.into_iter().flatten() {
                let package = value.get("package").and_then(toml::Value::as_str);
                found.push((kind, package.unwrap_or(name).to_owned()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{arrows, crate_table, forbidden_dependencies};
    use crate::files::tests::tree;

    const DOMAIN: (&str, &str) = ("crates/domain/Cargo.toml", "[dependencies]\nserde.workspace = true");

    #[test]
    fn an_arrow_that_the_architecture_has_not_is_found() {
        let good = ("crates/policy/Cargo.toml", "[dependencies]\ndomain.workspace = true");
        assert_eq!(arrows(tree(&[DOMAIN, good]).path()), Vec::<String>::new());
        let bad = ("crates/integrations/Cargo.toml", "[dependencies]\npolicy.workspace = true");
        assert_eq!(arrows(tree(&[DOMAIN, good, bad]).path()), ["integrations must not know policy (dependencies)"]);
    }

    #[test]
    fn an_arrow_is_found_in_tests_under_another_name_and_for_one_target() {
        let receiver = ("crates/receiver/Cargo.toml", "");
        let tests = (
            "crates/policy/Cargo.toml",
            "[dev-dependencies]\nstore = { path = \"../store\" }\nreceiver.workspace = true",
        );
        let renamed =
            ("crates/store/Cargo.toml", "[target.'cfg(unix)'.dependencies]\nrules = { package = \"policy\" }");
        assert_eq!(
            arrows(tree(&[receiver, tests, renamed]).path()),
            ["policy must not know store (dev-dependencies)", "store must not know policy (dependencies)"]
        );
    }

    #[test]
    fn a_crate_without_a_row_is_found() {
        let found = arrows(tree(&[("crates/util/Cargo.toml", "")]).path());
        assert_eq!(found, ["crate util has no row in the table of arrows"]);
    }

    #[test]
    fn a_pure_crate_that_names_a_runtime_is_found() {
        let found =
            forbidden_dependencies(tree(&[("crates/policy/Cargo.toml", "[dependencies]\ntokio = \"1\"")]).path());
        assert_eq!(found, ["policy must not name tokio: it is pure"]);
        let store = ("crates/store/Cargo.toml", "[dependencies]\naxum = \"1\"\n[dev-dependencies]\nhttp = \"1\"");
        assert_eq!(forbidden_dependencies(tree(&[store]).path()), ["store must not name axum: it knows no HTTP"]);
    }

    #[test]
    fn the_table_of_crates_and_the_folders_are_compared() {
        let page = (
            "ARCHITECTURE.md",
            "# A\n\n| `not here` |\n\n## Crates\n\n| crate |\n| --- |\n| `gone` | x |\n\n## Other\n\n| `x` |\n",
        );
        assert_eq!(
            crate_table(tree(&[DOMAIN, page]).path()),
            ["ARCHITECTURE.md does not name the crate domain", "ARCHITECTURE.md names gone, which is no crate"]
        );
    }
}
