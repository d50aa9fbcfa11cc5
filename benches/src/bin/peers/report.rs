//! Medians, ratios, tables.

use crate::startup::Startup;
use crate::system::Run;
use ion_benches::workload::{Kind, Workload};
use serde_json::{Value, json};
use std::fmt::Write;

/// All runs of one system on one workload.
pub struct Cell {
    /// The system.
    pub system: &'static str,
    runs: Vec<Run>,
    error: Option<String>,
}

/// One workload.
pub struct Row {
    /// The workload.
    pub workload: &'static Workload,
    /// Its sizes.
    pub sizes: Vec<u64>,
    /// The systems that have it.
    pub cells: Vec<Cell>,
}

impl Cell {
    /// No runs yet.
    pub fn new(system: &'static str) -> Cell {
        Cell { system, runs: Vec::new(), error: None }
    }

    /// Another run.
    pub fn add(&mut self, run: Result<Run, String>) {
        match run {
            Ok(run) => self.runs.push(run),
            Err(error) => self.error = Some(error),
        }
    }

    /// The median over the rounds of the median of each run.
    fn median_of(&self, time: fn(&(f64, f64)) -> f64) -> Option<f64> {
        median(
            self.runs
                .iter()
                .filter_map(|run| median(run.times.iter().map(time).collect()))
                .collect(),
        )
    }

    fn extra(&self, name: &str) -> Option<f64> {
        median(self.runs.iter().filter_map(|run| run.extra.get(name).copied()).collect())
    }

    fn result(&self) -> Option<f64> {
        self.runs.first().map(|run| run.result)
    }
}

impl Row {
    /// A row of these cells.
    pub fn new(workload: &'static Workload, sizes: Vec<u64>, cells: Vec<Cell>) -> Row {
        Row { workload, sizes, cells }
    }

    fn operations(&self) -> f64 {
        let result = self.cells.iter().find_map(Cell::result).unwrap_or(1.0);
        (self.workload.operations)(&self.sizes, result).max(1.0)
    }

    /// What is compared: nanoseconds of processor time per operation; where waiting counts, milliseconds
    /// on the wall; where memory counts, bytes.
    pub fn figure(&self, system: &str) -> Option<f64> {
        let cell = self.cells.iter().find(|cell| cell.system == system)?;
        match self.workload.kind {
            Kind::Compute | Kind::Actors => {
                Some(cell.median_of(|time| time.1)? / self.operations())
            }
            Kind::Waiting => Some(cell.median_of(|time| time.0)? / 1e6),
            Kind::Memory => Some(cell.extra("memory")? / self.operations()),
        }
    }

    /// The unit of [`Row::figure`].
    pub fn unit(&self) -> String {
        match self.workload.kind {
            Kind::Compute | Kind::Actors => format!("ns per {}", self.workload.operation),
            Kind::Waiting => "ms in all".to_owned(),
            Kind::Memory => format!("bytes per {}", self.workload.operation),
        }
    }

    /// The best of the systems that the target speaks of.
    pub fn best_rival(&self) -> Option<(&'static str, f64)> {
        let rivals: &[&'static str] = match self.workload.kind {
            Kind::Compute => &["luajit", "node", "erlang"],
            _ => &["erlang"],
        };
        let figures = rivals.iter().filter_map(|rival| Some((*rival, self.figure(rival)?)));
        figures.min_by(|a, b| a.1.total_cmp(&b.1))
    }

    fn ratio(&self, system: &str) -> Option<f64> {
        Some(self.figure(system)? / self.best_rival()?.1)
    }

    /// Systems that failed, or whose result is another one.
    pub fn disagreements(&self) -> Vec<String> {
        let expected = self.cells.iter().find_map(Cell::result);
        let wrong = |cell: &Cell| {
            if let Some(error) = &cell.error {
                return Some(format!("{} in {}: {error}", self.workload.name, cell.system));
            }
            let other =
                cell.runs.iter().map(|run| run.result).find(|result| Some(*result) != expected)?;
            Some(format!(
                "{} in {}: {other}, expected {}",
                self.workload.name, cell.system, expected?
            ))
        };
        self.cells.iter().filter_map(wrong).collect()
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { (values[middle - 1] + upper) / 2.0 })
}

/// One line per workload while it goes on.
pub fn text(row: &Row) -> String {
    let mut text =
        format!("{} ({}, {}):", row.workload.name, row.workload.describe(&row.sizes), row.unit());
    for cell in &row.cells {
        match row.figure(cell.system) {
            Some(figure) => _ = write!(text, " {} {}", cell.system, digits(figure)),
            None => _ = write!(text, " {} failed", cell.system),
        }
    }
    for (name, unit, scale) in
        [("compile_ns", "ms compiling", 1e6), ("code_bytes", "bytes of code", 1.0)]
    {
        if let Some(value) = row.cells.iter().find_map(|cell| cell.extra(name)) {
            _ = write!(text, "; {} {unit}", digits(value / scale));
        }
    }
    text + "\n"
}

const SYSTEMS: [&str; 8] = ["interp", "jit", "c", "luajit", "lua5.4", "node", "erlang", "tokio"];

/// The table of medians and ratios, in Markdown.
pub fn table(rows: &[Row]) -> String {
    let shown: Vec<_> = SYSTEMS
        .into_iter()
        .filter(|name| rows.iter().any(|row| row.figure(name).is_some()))
        .collect();
    let mut lines = vec![
        format!(
            "| workload | unit | {} | best rival | interp / rival | jit / rival | target |",
            shown.join(" | ")
        ),
        format!("|---|---|{}---|---:|---:|---:|", "---:|".repeat(shown.len())),
    ];
    for row in rows {
        let figures: Vec<_> = shown.iter().map(|name| or_dash(row.figure(name))).collect();
        lines.push(format!(
            "| {} | {} | {} | {} | {} | {} | {} |",
            row.workload.name,
            row.unit(),
            figures.join(" | "),
            row.best_rival().map_or("–", |rival| rival.0),
            or_dash(row.ratio("interp")),
            or_dash(row.ratio("jit")),
            or_dash(row.workload.target),
        ));
    }
    lines.join("\n") + "\n"
}

fn or_dash(figure: Option<f64>) -> String {
    figure.map_or_else(|| "–".to_owned(), digits)
}

/// About three digits.
pub fn digits(figure: f64) -> String {
    match figure {
        figure if figure >= 100.0 => format!("{figure:.0}"),
        figure if figure >= 10.0 => format!("{figure:.1}"),
        figure if figure >= 0.095 => format!("{figure:.2}"),
        figure => format!("{figure:.3}"),
    }
}

/// Everything that was measured.
pub fn json(rows: &[Row], startup: &[Startup]) -> String {
    let cell = |row: &Row, cell: &Cell| {
        let runs: Vec<Value> =
            cell.runs.iter().map(|run| json!({ "times": run.times, "extra": run.extra })).collect();
        json!({
            "system": cell.system, "figure": row.figure(cell.system), "result": cell.result(),
            "error": cell.error, "runs": runs,
        })
    };
    let row = |row: &Row| {
        json!({
            "workload": row.workload.name, "sizes": row.sizes, "unit": row.unit(),
            "operations": row.operations(), "target": row.workload.target,
            "systems": row.cells.iter().map(|c| cell(row, c)).collect::<Vec<_>>(),
        })
    };
    let startup: Vec<_> = startup
        .iter()
        .map(|(system, milliseconds)| json!({ "system": system, "ms": milliseconds }))
        .collect();
    let all = json!({ "workloads": rows.iter().map(row).collect::<Vec<_>>(), "startup": startup });
    format!("{all:#}\n")
}
