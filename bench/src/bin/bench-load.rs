//! `bench-load`: posts entries and prints what was accepted, and how fast.

use bench::load::{self, Options};
use clap::Parser;

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    load::print(&load::run(&options)?)?;
    Ok(())
}
