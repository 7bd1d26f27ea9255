//! `bench-recon`: compares the ids that loads saw accepted with those that sinks saw delivered.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Context;
use bench::recon::reconcile;
use clap::Parser;

/// Prints what is lost, doubled or strange as one JSON object; leaves with 1 when something is lost.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// What `bench-load --ids-out` wrote; may be repeated.
    #[arg(long, required = true)]
    accepted: Vec<PathBuf>,
    /// What `GET /_sink/ids` answered, or `bench-sink --ids-out` wrote; may be repeated.
    #[arg(long, required = true)]
    delivered: Vec<PathBuf>,
    /// The paths that each entry has to come to.
    #[arg(long, default_value_t = 1)]
    fanout: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let read = |files: &[PathBuf]| -> anyhow::Result<String> {
        let texts: anyhow::Result<Vec<_>> =
            files.iter().map(|file| fs::read_to_string(file).with_context(|| file.display().to_string())).collect();
        Ok(texts?.concat())
    };
    let (accepted, delivered) = (read(&options.accepted)?, read(&options.delivered)?);
    let found = reconcile(accepted.lines(), delivered.lines(), options.fanout).map_err(anyhow::Error::msg)?;
    println!("{}", serde_json::to_string(&found)?);
    Ok(if found.lost_entries > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
