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
    /// Does the time on the wall count?
    pub wall: bool,
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

/// One line of a table: what is compared of a workload.
pub struct Line {
    /// The workload, and which of its figures.
    pub name: String,
    /// Unit of the figures.
    pub unit: String,
    /// Figures by system.
    pub figures: Vec<(&'static str, f64)>,
    /// The best of the systems that the target speaks of.
    pub rival: Option<(&'static str, f64)>,
    /// Our figure divided by the rival's that the project aims at.
    pub target: Option<f64>,
}

impl Line {
    /// The figure of a system.
    pub fn figure(&self, system: &str) -> Option<f64> {
        self.figures.iter().find(|(name, _)| *name == system).map(|(_, figure)| *figure)
    }

    fn ratio(&self, system: &str) -> Option<f64> {
        Some(self.figure(system)? / self.rival?.1)
    }
}

impl Row {
    fn operations(&self) -> f64 {
        let result = self.cells.iter().find_map(Cell::result).unwrap_or(1.0);
        (self.workload.operations)(&self.sizes, result).max(1.0)
    }

    fn line(
        &self,
        what: &str,
        unit: String,
        target: Option<f64>,
        figure: impl Fn(&Cell) -> Option<f64>,
    ) -> Line {
        let figures = self.cells.iter().filter_map(|cell| Some((cell.system, figure(cell)?)));
        let figures: Vec<_> = figures.collect();
        let rivals: &[&'static str] = match self.workload.kind {
            Kind::Compute => &["luajit", "node", "erlang"],
            _ => &["erlang"],
        };
        let rival = figures.iter().filter(|(name, _)| rivals.contains(name)).copied();
        let rival = rival.min_by(|a, b| a.1.total_cmp(&b.1));
        let name = format!("{}{what}", self.workload.name);
        Line { name, unit, figures, rival, target }
    }

    /// What is compared: nanoseconds per operation, of processor time on one core and on the wall on several;
    /// where waiting counts, milliseconds on the wall; where memory counts, bytes and the time to take them;
    /// where single waits count, percentiles.
    pub fn lines(&self) -> Vec<Line> {
        let (operations, target) = (self.operations(), self.workload.target);
        let per = |unit: &str| format!("{unit} per {}", self.workload.operation);
        match self.workload.kind {
            Kind::Compute | Kind::Actors => {
                let time = |cell: &Cell| {
                    let time =
                        cell.median_of(if self.wall { |time| time.0 } else { |time| time.1 });
                    Some(time? / operations)
                };
                vec![self.line("", per("ns"), target, time)]
            }
            Kind::Waiting => {
                let wall = |cell: &Cell| Some(cell.median_of(|time| time.0)? / 1e6);
                vec![self.line("", "ms in all".to_owned(), target, wall)]
            }
            Kind::Memory => vec![
                self.line("", per("bytes"), target, |cell| {
                    Some(cell.extra("memory")? / operations)
                }),
                self.line(", made in", "ms in all".to_owned(), None, |cell| {
                    Some(cell.extra("create_ns")? / 1e6)
                }),
            ],
            Kind::Latency => [("p50", target), ("p99", target), ("max", None)]
                .map(|(name, target)| {
                    let figure = |cell: &Cell| Some(cell.extra(&format!("{name}_ns"))? / 1e3);
                    self.line(&format!(", {name}"), "µs".to_owned(), target, figure)
                })
                .into(),
        }
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

/// One line per workload while it goes on, or some.
pub fn text(row: &Row) -> String {
    let mut text = String::new();
    for line in row.lines() {
        let sizes = row.workload.describe(&row.sizes);
        _ = write!(text, "{} ({sizes}, {}):", line.name, line.unit);
        for cell in &row.cells {
            match line.figure(cell.system) {
                Some(figure) => _ = write!(text, " {} {}", cell.system, digits(figure)),
                None => _ = write!(text, " {} failed", cell.system),
            }
        }
        text.push('\n');
    }
    for (name, unit, scale) in
        [("compile_ns", "ms compiling", 1e6), ("code_bytes", "bytes of code", 1.0)]
    {
        if let Some(value) = row.cells.iter().find_map(|cell| cell.extra(name)) {
            _ = writeln!(text, "  {} {unit}", digits(value / scale));
        }
    }
    text
}

const SYSTEMS: [&str; 8] = ["interp", "jit", "c", "luajit", "lua5.4", "node", "erlang", "tokio"];

/// The table of medians and ratios, in Markdown.
pub fn table(rows: &[Row]) -> String {
    let all: Vec<Line> = rows.iter().flat_map(Row::lines).collect();
    let shown: Vec<_> = SYSTEMS
        .into_iter()
        .filter(|name| all.iter().any(|line| line.figure(name).is_some()))
        .collect();
    let mut lines = vec![
        format!(
            "| workload | unit | {} | best rival | interp / rival | jit / rival | target |",
            shown.join(" | ")
        ),
        format!("|---|---|{}---|---:|---:|---:|", "---:|".repeat(shown.len())),
    ];
    for line in &all {
        let figures: Vec<_> = shown.iter().map(|name| or_dash(line.figure(name))).collect();
        lines.push(format!(
            "| {} | {} | {} | {} | {} | {} | {} |",
            line.name,
            line.unit,
            figures.join(" | "),
            line.rival.map_or("–", |rival| rival.0),
            or_dash(line.ratio("interp")),
            or_dash(line.ratio("jit")),
            or_dash(line.target),
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
    let cell = |cell: &Cell| {
        let runs: Vec<Value> =
            cell.runs.iter().map(|run| json!({ "times": run.times, "extra": run.extra })).collect();
        json!({
            "system": cell.system, "result": cell.result(), "error": cell.error, "runs": runs,
        })
    };
    let line = |line: Line| {
        let figures: serde_json::Map<String, Value> = line
            .figures
            .iter()
            .map(|(system, figure)| ((*system).to_owned(), json!(figure)))
            .collect();
        json!({ "name": line.name, "unit": line.unit, "target": line.target, "figures": figures })
    };
    let row = |row: &Row| {
        json!({
            "workload": row.workload.name, "sizes": row.sizes, "operations": row.operations(),
            "lines": row.lines().into_iter().map(line).collect::<Vec<_>>(),
            "systems": row.cells.iter().map(cell).collect::<Vec<_>>(),
        })
    };
    let startup: Vec<_> = startup
        .iter()
        .map(|(system, milliseconds)| json!({ "system": system, "ms": milliseconds }))
        .collect();
    let all = json!({ "workloads": rows.iter().map(row).collect::<Vec<_>>(), "startup": startup });
    format!("{all:#}\n")
}
