//! Who waits for what, in words.

use super::worker::Worker;
use crate::process::stack::NATIVE_FRAME;
use crate::process::{Process, Wait};
use crate::program::{FuncId, NativeId, Program};
use crate::system::System;
use crate::value::Pid;
use rustc_hash::FxHashMap;
use std::sync::Arc;

pub(super) fn wait_text(wait: &Wait) -> &'static str {
    match wait {
        Wait::No => "nothing",
        Wait::Message => "a message",
        Wait::Timer { deadline: None, .. } => "a message (timeout: for ever)",
        Wait::Timer { .. } => "a message or its timeout",
        Wait::Sleep { .. } => "a timer",
        Wait::Ends(_) => "the end of a process",
        Wait::Room { .. } => "room in a mailbox",
    }
}

/// Where a process is: ` at FUNCTION (FILE:LINE:COLUMN)` or ` at FUNCTION, instruction N`, with the library function that it is in.
fn place(program: &Program, process: &Process) -> String {
    let mut native = String::new();
    for header in process.stack.headers() {
        if header.function & NATIVE_FRAME == 0 {
            let function = program.function(FuncId(header.function));
            let name = function.qualified_name();
            let pc = header.pc.saturating_sub(u32::from(!native.is_empty()));
            return match function.place(pc) {
                Some(place) => format!(" at {name} ({place}){native}"),
                None => format!(" at {name}, instruction {pc}{native}"),
            };
        }
        let id = NativeId(header.function & !NATIVE_FRAME);
        native = format!(" in {}", program.native(id).name);
    }
    native
}

/// Who waits for what, for the report of a deadlock: by number, while no worker runs.
pub(crate) fn waiting(system: &System) -> Vec<String> {
    let all: Vec<&Process> = system.table.slots().filter_map(|slot| slot.peek()).collect();
    let numbers: FxHashMap<Pid, u64> =
        all.iter().map(|process| (process.pid, process.number)).collect();
    let mut lines: Vec<(u64, String)> = Vec::new();
    for process in all {
        let what = match &process.wait {
            Wait::Ends(targets) => {
                let list: Vec<String> = targets
                    .iter()
                    .map(|target| numbers.get(target).map_or("?".into(), u64::to_string))
                    .collect();
                format!("the end of process {}", list.join(" or "))
            }
            Wait::Room { to, .. } => {
                let number = numbers.get(to).map_or("?".into(), u64::to_string);
                format!("room in the mailbox of process {number}")
            }
            wait => wait_text(wait).to_owned(),
        };
        let (number, place) = (process.number, place(&system.program, process));
        lines.push((number, format!("process {number} waits for {what}{place}")));
    }
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect()
}

/// What the processes of a run are doing, a line each, by number; those that do not wait come last.
pub(crate) fn processes(system: &Arc<System>) -> Vec<String> {
    let worker = Worker::new(system.clone(), None, 0);
    let mut lines: Vec<(u64, String)> = Vec::new();
    for pid in system.table.pids() {
        if system.table.slot(pid).is_some_and(|slot| slot.is_host()) {
            continue;
        }
        let name = system.table.names.of(pid);
        let name = name.map_or_else(String::new, |name| format!(" ({})", system.atoms.text(name)));
        let (status, details) = worker.inspect(pid, |process| {
            let what = format!(
                "process {}{name}: waits for {}{}; {} messages, {} bytes, {} reductions",
                process.number,
                wait_text(&process.wait),
                place(&system.program, process),
                process.mailbox.len(),
                process.memory(),
                process.reductions,
            );
            (process.number, what)
        });
        lines.push(match details {
            Some(line) => line,
            None => (u64::MAX, format!("process in slot {}{name}: {status}", pid.slot)),
        });
    }
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect()
}
