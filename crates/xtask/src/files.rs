//! Checks on the text of files.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Folders that are made, not written: at the root, and anywhere.
const MADE_AT_ROOT: &[&str] = &["target", ".git", ".venv", "data"];
const MADE_ANYWHERE: &[&str] = &["node_modules", "__pycache__"];
/// The most lines of a source file; a longer one is two things.
const LINES_MAX: usize = 700;
/// Paths of single machines. In two parts, so that this file is not a finding.
const FORBIDDEN_WORDS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];
/// Calls that only the binary may make, and what to do instead.
const ONLY_THE_BINARY: &[(&str, &str)] = &[
    ("env::var", "take a value of the settings"),
    ("SystemTime::now", "take a `domain::Clock`"),
    ("Instant::now", "take a `domain::Clock`"),
];
/// What SQL begins with.
const SQL: &[&str] = &["rusqlite", "SELECT ", "INSERT INTO ", "DELETE FROM ", "CREATE TABLE "];

/// Source files that have grown too long.
pub fn file_lengths(root: &Path) -> Vec<String> {
    sources(root)
        .into_iter()
        .filter_map(|path| {
            let lines = read(&path).lines().count();
            (lines > LINES_MAX).then(|| format!("{} has {lines} lines, more than {LINES_MAX}", show(root, &path)))
        })
        .collect()
}

/// Files that speak of one machine.
pub fn forbidden_words(root: &Path) -> Vec<String> {
    let mut findings = Vec::new();
    for path in files(root) {
        for (number, line) in read(&path).lines().enumerate() {
            for word in FORBIDDEN_WORDS.iter().filter(|word| line.contains(*word)) {
                findings.push(format!("{}:{} names {word}", show(root, &path), number + 1));
            }
        }
    }
    findings
}

/// Uses of the real clock or the environment outside the binary, tests, benches and examples.
pub fn real_clock_and_environment(root: &Path) -> Vec<String> {
    // The checks themselves spell the calls out.
    let exempt = |path: &str| {
        ["crates/auditcast/", "crates/xtask/", "crates/receiver/src/main.rs"].iter().any(|part| path.starts_with(part))
    };
    let mut findings = Vec::new();
    for path in sources(root).iter().map(|path| (path, show(root, path))).filter(|(_, shown)| !exempt(shown)) {
        let (path, shown) = path;
        if !shown.starts_with("crates/") || !shown.contains("/src/") {
            continue;
        }
        for (number, line) in code(&read(path)) {
            for (call, instead) in ONLY_THE_BINARY.iter().filter(|(call, _)| line.contains(call)) {
                findings.push(format!("{shown}:{number} uses {call}; {instead}"));
            }
        }
    }
    findings
}

/// SQL in a crate that is not the store.
pub fn sql_outside_the_store(root: &Path) -> Vec<String> {
    let mut findings = Vec::new();
    for path in sources(root) {
        let shown = show(root, &path);
        if !shown.contains("/src/") || shown.starts_with("crates/store/") || shown.starts_with("crates/xtask/") {
            continue;
        }
        for (number, line) in code(&read(&path)) {
            if let Some(word) = SQL.iter().find(|word| line.contains(*word)) {
                findings.push(format!("{shown}:{number} speaks SQL ({})", word.trim()));
            }
        }
    }
    findings
}

/// The text of a file; nothing where it cannot be read as text.
pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The lines that are not comments, with their numbers.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn sources(root: &Path) -> Vec<PathBuf> {
    files(root).into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let made_here = if folder == root { MADE_AT_ROOT } else { &[] };
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let made = made_here.iter().chain(MADE_ANYWHERE).any(|made| entry.file_name() == *made);
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !made => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

fn show(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::{LINES_MAX, file_lengths, forbidden_words, real_clock_and_environment, sql_outside_the_store};

    pub(crate) fn tree(files: &[(&str, &str)]) -> TempDir {
        let root = tempfile::tempdir().expect("a directory");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("inside the root")).expect("makes folders");
            fs::write(path, text).expect("writes");
        }
        root
    }

    #[test]
    fn a_source_file_that_is_too_long_is_found() {
        let (longest, longer) = ("\n".repeat(LINES_MAX), "\n".repeat(LINES_MAX + 1));
        let root = tree(&[
            ("crates/a/src/a.rs", longest.as_str()),
            ("crates/a/src/data/b.rs", &longer),
            ("target/c.rs", &longer),
        ]);
        assert_eq!(
            file_lengths(root.path()),
            [format!("crates/a/src/data/b.rs has {} lines, more than {LINES_MAX}", LINES_MAX + 1)]
        );
    }

    #[test]
    fn a_path_of_one_machine_is_found_in_any_file() {
        let path = concat!("see /ro", "ot/notes");
        let root = tree(&[("docs/a.md", path), ("node_modules/b.js", path), ("README.md", "see /etc")]);
        assert_eq!(forbidden_words(root.path()), [concat!("docs/a.md:1 names /ro", "ot/")]);
    }

    #[test]
    fn the_real_clock_and_the_environment_are_found_outside_the_binary() {
        let clock = "// Instant::now() in a comment\nlet x = Instant::now();";
        let root = tree(&[
            ("crates/delivery/src/a.rs", clock),
            ("crates/delivery/tests/a.rs", clock),
            ("crates/delivery/benches/a.rs", clock),
            ("crates/auditcast/src/clock.rs", clock),
            ("crates/receiver/src/main.rs", clock),
            ("crates/store/src/lib.rs", "std::env::vars_os();"),
        ]);
        assert_eq!(
            real_clock_and_environment(root.path()),
            [
                "crates/delivery/src/a.rs:2 uses Instant::now; take a `domain::Clock`",
                "crates/store/src/lib.rs:1 uses env::var; take a value of the settings",
            ]
        );
    }

    #[test]
    fn sql_outside_the_store_is_found() {
        let sql = "let q = \"SELECT 1\";";
        let root =
            tree(&[("crates/api/src/a.rs", sql), ("crates/store/src/a.rs", sql), ("crates/api/tests/a.rs", sql)]);
        assert_eq!(sql_outside_the_store(root.path()), ["crates/api/src/a.rs:1 speaks SQL (SELECT)"]);
    }
}
