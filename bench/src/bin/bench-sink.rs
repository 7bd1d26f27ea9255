//! `bench-sink`: stands in for destinations, counts what comes, and answers fast.

use bench::sink::{self, Options};
use clap::Parser;

fn main() -> anyhow::Result<()> {
    sink::run(&Options::parse())
}
