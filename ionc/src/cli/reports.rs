//! What the machine says about a run on standard error: for people, or a JSON object on each line.

use crate::failure::{Failure, one_line};
use crate::output::{self, LineState};
use ion_runtime::error::{Crash, ExitReason};
use ion_runtime::system::{Config, CrashHook, WarningHook};
use ion_runtime::vm::{MainEnd, Run};
use serde_json::{Value, json};
use std::io::Write;

/// Most processes that a report for people lists.
const MAX_WAITING: usize = 100;

/// Writes a line to standard error. A closed one leaves nobody to tell.
pub fn say(value: &Value) {
    let _ = std::io::stderr().write_all(format!("{value}\n").as_bytes());
}

/// `config` with crashes and warnings as JSON.
pub fn as_json(config: Config) -> Config {
    Config {
        on_crash: Some(CrashHook::new(|_, _, crash| say(&crash_json(crash)))),
        on_warning: Some(WarningHook::new(|text| {
            say(&json!({ "event": "warning", "text": text }))
        })),
        ..config
    }
}

fn crash_json(crash: &Crash) -> Value {
    let links = crash.links.iter().map(|link| json!({ "process": link.number, "name": link.name }));
    let trace = crash.trace.iter().map(
        |line| json!({ "function": line.function, "instruction": line.pc, "place": line.place }),
    );
    json!({
        "event": "crash",
        "process": crash.process,
        "name": crash.name,
        "reason": crash.trap.to_string(),
        "links": links.collect::<Vec<_>>(),
        "trace": trace.collect::<Vec<_>>(),
        "omitted": crash.omitted,
    })
}

/// Says how the run ended, unless the machine has. `json`: in that form.
pub fn end(run: &Run, print_result: bool, line: &LineState, json: bool) -> Result<(), Failure> {
    let status = run.end.status();
    let failed = |text: String| {
        if json {
            say(&json!({ "event": "failed", "reason": text }));
            return Err(Failure::silent(status));
        }
        Err(Failure { status, ..Failure::new(text) })
    };
    match &run.end {
        MainEnd::Result(text) => {
            if print_result {
                let end = if line.is_open() { "\n" } else { "" };
                output::print(&format!("{end}{text}\n"));
            }
            Ok(())
        }
        MainEnd::Failed(ExitReason::Crash(crash)) if crash.trace.is_empty() => {
            // It crashed before its first instruction; the machine reports all other crashes.
            if json {
                say(&crash_json(crash));
                return Err(Failure::silent(status));
            }
            failed(crash.to_string())
        }
        MainEnd::Failed(ExitReason::Killed) => {
            failed("the main process was killed by another process".to_owned())
        }
        MainEnd::Failed(ExitReason::Exit(reason)) => {
            failed(format!("the main process ended with the reason {reason}"))
        }
        MainEnd::Failed(_) => Err(Failure::silent(status)),
        MainEnd::Deadlock(waiting) => {
            if json {
                say(&json!({ "event": "deadlock", "waiting": waiting }));
            } else {
                deadlock(waiting);
            }
            Err(Failure::silent(status))
        }
    }
}

fn deadlock(waiting: &[String]) {
    let mut text = format!(
        "deadlock: nothing can run any more, and {} for ever\n",
        match waiting.len() {
            1 => "1 process waits".to_owned(),
            count => format!("{count} processes wait"),
        }
    );
    for line in waiting.iter().take(MAX_WAITING) {
        text.push_str(&format!("  {}\n", one_line(line)));
    }
    if waiting.len() > MAX_WAITING {
        text.push_str(&format!("  … {} more\n", waiting.len() - MAX_WAITING));
    }
    let _ = std::io::stderr().write_all(text.as_bytes());
}
