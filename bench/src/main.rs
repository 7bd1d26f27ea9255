//! `bench`: runs the benchmark and prints its table.

use std::process::ExitCode;

use bench::runner::{self, Options};
use clap::Parser;

fn main() -> ExitCode {
    match runner::run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
