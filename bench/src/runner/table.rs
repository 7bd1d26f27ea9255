//! The table of results.

use std::fmt::Write;

/// One line of the table.
pub(super) struct Row {
    pub name: String,
    pub found: Found,
}

/// What became of a row.
pub(super) enum Found {
    Measured(Box<Measured>),
    /// Why it was not measured.
    NotRun(String),
}

/// A measured row.
#[derive(Default)]
pub(super) struct Measured {
    /// With its unit.
    pub figure: String,
    /// What bounds the figure, with its unit.
    pub ceiling: String,
    /// The figure as a part of the ceiling.
    pub ratio: Option<f64>,
    /// What has to be reached.
    pub target: String,
    /// Nothing where there is no target.
    pub met: Option<bool>,
    pub cost: Option<Cost>,
}

/// What the processes used while a row was measured.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    pub seconds: f64,
    pub server_cpu_s: f64,
    pub load_cpu_s: f64,
    pub sink_cpu_s: f64,
    /// Transactions of the server; each is a sync.
    pub commits: u64,
    pub server_peak_kib: u64,
}

impl Row {
    pub fn new(name: &str, found: Found) -> Self {
        Self { name: name.to_owned(), found }
    }

    pub fn measured(name: &str, measured: Measured) -> Self {
        Self::new(name, Found::Measured(Box::new(measured)))
    }

    /// A rate that has to be at least `least` of a ceiling.
    pub fn share(name: &str, rate: f64, (ceiling, of): (f64, &str), least: f64, cost: Option<Cost>) -> Self {
        let ratio = rate / ceiling.max(1e-9);
        Self::measured(
            name,
            Measured {
                figure: per_second(rate),
                ceiling: format!("{} ({of})", per_second(ceiling)),
                ratio: Some(ratio),
                target: format!("≥ {least:.3}"),
                met: Some(ratio >= least),
                cost,
            },
        )
    }

    /// A rate that has to reach a number.
    pub fn at_least(name: &str, rate: f64, (ceiling, of): (f64, &str), least: f64, cost: Cost) -> Self {
        Self::measured(
            name,
            Measured {
                figure: per_second(rate),
                ceiling: format!("{} ({of})", per_second(ceiling)),
                ratio: Some(rate / ceiling.max(1e-9)),
                target: format!("≥ {}", per_second(least)),
                met: Some(rate >= least),
                cost: Some(cost),
            },
        )
    }

    fn cells(&self) -> [String; 11] {
        let mut cells: [String; 11] = Default::default();
        cells[0].clone_from(&self.name);
        match &self.found {
            Found::NotRun(why) => cells[1] = format!("not run: {why}"),
            Found::Measured(measured) => {
                cells[1].clone_from(&measured.figure);
                cells[2].clone_from(&measured.ceiling);
                cells[3] = measured.ratio.map(|ratio| format!("{ratio:.3}")).unwrap_or_default();
                cells[4].clone_from(&measured.target);
                cells[5] = measured.met.map_or("", |met| if met { "yes" } else { "no" }).to_owned();
                if let Some(cost) = &measured.cost {
                    for (cell, cpu_s) in
                        cells[6..9].iter_mut().zip([cost.server_cpu_s, cost.load_cpu_s, cost.sink_cpu_s])
                    {
                        *cell = format!("{cpu_s:.2}");
                    }
                    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
                    let (commits, peak_kib) = (cost.commits as f64, cost.server_peak_kib as f64);
                    cells[9] = format!("{:.0}", commits / cost.seconds.max(1e-9));
                    cells[10] = format!("{:.0}", peak_kib / 1_024.0);
                }
            }
        }
        // A bar would end the cell.
        cells.map(|cell| cell.replace('|', "/").replace('\n', " "))
    }
}

const HEAD: [&str; 11] = [
    "row",
    "figure",
    "ceiling in this run",
    "ratio",
    "target",
    "met",
    "server CPU s",
    "load CPU s",
    "sink CPU s",
    "commits/s",
    "server MiB",
];

/// The rows as a Markdown table whose columns line up.
pub(super) fn render(rows: &[Row]) -> String {
    let lines: Vec<[String; 11]> =
        std::iter::once(HEAD.map(str::to_owned)).chain(rows.iter().map(Row::cells)).collect();
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| lines.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0).max(3))
        .collect();
    let mut out = String::new();
    for (at, cells) in lines.iter().enumerate() {
        for (cell, width) in cells.iter().zip(&widths) {
            // Writing to a `String` cannot fail.
            let _ = write!(out, "| {cell:width$} ");
        }
        out.push_str("|\n");
        if at == 0 {
            for width in &widths {
                let _ = write!(out, "| {} ", "-".repeat(*width));
            }
            out.push_str("|\n");
        }
    }
    out
}

/// A rate for people.
pub(super) fn per_second(rate: f64) -> String {
    let whole = format!("{rate:.0}");
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + "/s"
}

#[cfg(test)]
mod tests {
    use super::{Found, Measured, Row, per_second, render};

    #[test]
    fn rates_are_grouped_by_thousands() {
        assert_eq!([7.4, 999.6, 50_000.0, 1_234_567.0].map(per_second), ["7/s", "1,000/s", "50,000/s", "1,234,567/s"]);
    }

    #[test]
    fn a_share_is_met_from_its_least_on() {
        let met = |rate| match Row::share("r", rate, (900.0, "direct"), 1.0 / 3.0, None).found {
            Found::Measured(measured) => measured.met,
            Found::NotRun(_) => None,
        };
        assert_eq!([met(299.0), met(300.0)], [Some(false), Some(true)]);
    }

    #[test]
    fn the_columns_line_up_and_no_text_ends_a_cell() {
        let rows = [
            Row::new("late", Found::NotRun("a | b".to_owned())),
            Row::measured("p50 ≤", Measured { figure: "1 ms".to_owned(), met: Some(true), ..Measured::default() }),
        ];
        let table = render(&rows);
        assert!(table.contains("not run: a / b") && table.contains("| yes "), "{table}");
        let widths: Vec<usize> = table.lines().map(|line| line.chars().count()).collect();
        assert!(widths.len() == 4 && widths.iter().all(|width| *width == widths[0]), "{table}");
    }
}
