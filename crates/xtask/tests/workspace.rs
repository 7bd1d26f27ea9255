//! The checks, on this workspace.

use std::path::Path;

use xtask::{
    arrows, crate_table, file_lengths, forbidden_dependencies, forbidden_words, real_clock_and_environment,
    sql_outside_the_store,
};

fn expect_nothing(check: impl Fn(&Path) -> Vec<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/xtask is two levels down");
    let findings = check(root);
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn crates_know_only_whom_the_architecture_lets_them_know() {
    expect_nothing(arrows);
}

#[test]
fn crates_name_no_library_that_breaks_what_they_stand_for() {
    expect_nothing(forbidden_dependencies);
}

#[test]
fn the_architecture_page_names_every_crate() {
    expect_nothing(crate_table);
}

#[test]
fn no_source_file_is_too_long() {
    expect_nothing(file_lengths);
}

#[test]
fn no_file_speaks_of_one_machine() {
    expect_nothing(forbidden_words);
}

#[test]
fn only_the_binary_reads_the_clock_and_the_environment() {
    expect_nothing(real_clock_and_environment);
}

#[test]
fn only_the_store_speaks_sql() {
    expect_nothing(sql_outside_the_store);
}
