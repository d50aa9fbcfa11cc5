//! SIGINT ends a run cleanly, the second one at once; SIGUSR1 shows what the processes are doing.

use super::reports;
use crate::failure::Failure;
use ion_runtime::vm::{Control, Run};
use serde_json::json;
use std::io::Write;
use std::sync::Arc;

/// The exit status after SIGINT, as shells know it.
const INTERRUPTED: u8 = 130;

/// Most processes that are listed.
const MAX_LISTED: usize = 1000;

/// Watches for signals while the program runs. Where there are none, nothing is watched.
#[cfg(unix)]
/// `json`: reports are JSON.
pub fn watch(control: &Arc<Control>, json: bool) {
    use signal_hook::consts::{SIGINT, SIGUSR1};
    let control = control.clone();
    // Without signals the program still runs; the system's defaults apply.
    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGUSR1]) else { return };
    std::thread::spawn(move || {
        for signal in signals.forever() {
            match signal {
                SIGUSR1 => show(&control.processes(), json),
                _ if control.is_stopped() => std::process::exit(i32::from(INTERRUPTED)),
                _ => control.stop(),
            }
        }
    });
}

/// Watches for nothing.
#[cfg(not(unix))]
pub fn watch(_: &Arc<Control>, _: bool) {}

fn show(processes: &[String], json: bool) {
    if json {
        return reports::say(&json!({ "event": "processes", "processes": processes }));
    }
    let mut text = format!("{} processes\n", processes.len());
    for line in processes.iter().take(MAX_LISTED) {
        text.push_str(&format!("  {line}\n"));
    }
    if processes.len() > MAX_LISTED {
        text.push_str(&format!("  … {} more\n", processes.len() - MAX_LISTED));
    }
    // A closed standard error leaves nobody to tell.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Says what a run had come to when it was interrupted; nothing if it was not.
pub fn interrupted(control: &Control, run: &Run, json: bool) -> Result<(), Failure> {
    if !control.is_stopped() {
        return Ok(());
    }
    let stats = &run.stats;
    if json {
        reports::say(&json!({
            "event": "interrupted",
            "processes": stats.processes,
            "crashes": stats.crashes,
            "messages": stats.messages,
        }));
        return Err(Failure::silent(INTERRUPTED));
    }
    let text = format!(
        "interrupted: {} processes were started, {} of them crashed; {} messages were sent",
        stats.processes, stats.crashes, stats.messages
    );
    Err(Failure { status: INTERRUPTED, ..Failure::new(text) })
}
