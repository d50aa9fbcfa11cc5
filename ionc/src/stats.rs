//! The numbers of a run, for `--stats`.

use ion_runtime::vm::Run;
use serde_json::json;
use std::time::Duration;

/// The numbers as a table, or as a line of JSON. `wall`: from reading the package to the end.
pub fn text(run: &Run, as_json: bool, wall: Duration) -> String {
    let (stats, compiler) = (&run.stats, run.compiler.unwrap_or_default());
    if as_json {
        let value = json!({
            "wall_ns": wall.as_nanos() as u64,
            "processes": stats.processes,
            "slices": stats.slices,
            "reductions": stats.reductions,
            "messages": stats.messages,
            "collections": stats.collections,
            "compiled": {
                "functions": compiler.functions,
                "instructions": compiler.instructions,
                "code_bytes": compiler.code_bytes,
                "ns": compiler.nanoseconds,
                "exits": compiler.exits,
            },
        });
        return format!("{value}\n");
    }
    let milliseconds = |nanoseconds: u64| format!("{:.2} ms", nanoseconds as f64 / 1e6);
    let rows = [
        ("wall time", milliseconds(wall.as_nanos() as u64)),
        ("processes", stats.processes.to_string()),
        ("time slices", stats.slices.to_string()),
        ("reductions", stats.reductions.to_string()),
        ("messages", stats.messages.to_string()),
        ("collections", stats.collections.to_string()),
        ("compiled functions", compiler.functions.to_string()),
        ("  instructions", compiler.instructions.to_string()),
        ("  machine code", format!("{} bytes", compiler.code_bytes)),
        ("  compile time", milliseconds(compiler.nanoseconds)),
        ("  failed checks", compiler.exits.to_string()),
    ];
    rows.map(|(name, value)| format!("{name:<20}{value:>16}\n")).concat()
}
