//! How long a system takes to start, do nothing and end, as a whole process on the wall.

use crate::report::digits;
use crate::system::System;
use std::time::Instant;

/// A system and its time in milliseconds.
pub type Startup = (&'static str, f64);

/// The fastest of several starts; each counts with all that happens in between, so the least disturbed is nearest.
pub fn measure(systems: &[System], rounds: usize) -> Vec<Startup> {
    let mut best: Vec<Startup> = Vec::new();
    for system in systems {
        let Some(mut command) = system.hello() else { continue };
        let once = |_| {
            let started = Instant::now();
            let status = command.status().ok()?;
            status.success().then(|| started.elapsed().as_secs_f64() * 1e3)
        };
        let times = (0..rounds.max(1) * 2).filter_map(once);
        best.extend(times.min_by(f64::total_cmp).map(|time| (system.name, time)));
    }
    best
}

/// In Markdown.
pub fn table(startup: &[Startup]) -> String {
    if startup.is_empty() {
        return String::new();
    }
    let rows: Vec<_> =
        startup.iter().map(|(name, time)| format!("| {name} | {} |\n", digits(*time))).collect();
    format!("\n| start and end | ms |\n|---|---:|\n{}", rows.concat())
}
