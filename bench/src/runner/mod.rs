//! The runner: performs each row of the benchmark with a server, a sink and a load of its own, and
//! prints one table.

mod ceilings;
mod machine;
mod options;
mod page;
mod processes;
mod rows;
mod scene;
mod table;

use std::{
    cell::{Cell, RefCell},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use tempfile::TempDir;

pub use self::options::Options;
use self::{
    ceilings::Ceilings,
    options::Scale,
    processes::Tools,
    rows::ROWS,
    scene::Scene,
    table::{Cost, Found, Row},
};

/// What all rows share.
struct Bench {
    tools: Tools,
    scale: Scale,
    ceilings: Ceilings,
    folder: TempDir,
    /// Accepted entries a second without a subscription, once that row has been measured.
    ingest_alone: Cell<Option<f64>>,
    /// Memory of the server in each row, in KiB at its peak, with the row's name.
    peaks: RefCell<Vec<(String, u64)>>,
}

impl Bench {
    /// How long the rate of a row is measured.
    fn window(&self) -> f64 {
        self.scale.window_s
    }

    /// A folder of its own for one row, gone with what is returned.
    fn row_folder(&self) -> anyhow::Result<TempDir> {
        Ok(tempfile::tempdir_in(self.folder.path())?)
    }

    fn remember_peak(&self, name: &str, cost: &Cost) {
        self.peaks.borrow_mut().push((name.to_owned(), cost.server_peak_kib));
    }
}

/// Runs the benchmark, prints the table, and writes it into the page when asked to.
///
/// # Errors
/// The tools are not built, nothing can be written, or the direct measurements fail. A row that fails
/// says so in the table.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let began = Instant::now();
    let machine = machine::describe(&options.dir);
    eprintln!("==> {}", machine.replace('\n', "\n    "));
    let folder = tempfile::Builder::new()
        .prefix("bench-data-")
        .tempdir_in(&options.dir)
        .with_context(|| format!("no folder can be made in {}", options.dir.display()))?;
    let tools = Tools::find(&options.bin_dir, &options.root, folder.path())?;
    let scale = options.scale();
    let ceilings = ceilings::measure(&tools, &scale, folder.path())?;
    let bench =
        Bench { tools, scale, ceilings, folder, ingest_alone: Cell::new(None), peaks: RefCell::new(Vec::new()) };
    let mut rows = bench.ceilings.rows();
    for (name, measure) in ROWS {
        if !options.wants(name) {
            continue;
        }
        if began.elapsed() > bench.scale.time {
            rows.push(Row::new(name, Found::NotRun("out of time".to_owned())));
            continue;
        }
        eprintln!("==> {name} ({} s gone)", began.elapsed().as_secs());
        match measure(&bench) {
            Ok(measured) => rows.extend(measured),
            Err(error) => rows.push(Row::new(name, Found::NotRun(format!("failed: {error:#}")))),
        }
    }
    let run = bench.scale.describe(began.elapsed());
    let text = format!("{machine}\n\n{}\n\n{}", format!("{run} {}", options.note).trim_end(), table::render(&rows));
    println!("{text}");
    if let Some(file) = options.docs.as_ref().filter(|_| options.only.is_empty()) {
        page::update(file, &text)?;
    }
    Ok(())
}

/// Waits until `done`, looking every few milliseconds; whether it came within `limit`.
fn wait_until(limit: Duration, mut done: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<bool> {
    let deadline = Instant::now() + limit;
    loop {
        if done()? {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        pause(Duration::from_millis(5));
    }
}

/// Lets other processes work.
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// The name of a path for messages.
fn show(path: &Path) -> String {
    path.display().to_string()
}
