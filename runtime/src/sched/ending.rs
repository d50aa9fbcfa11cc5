//! What happens when a process ends.

use super::worker::Worker;
use crate::error::{ExitReason, Trap};
use crate::heap::copy::Parcel;
use crate::ops::call;
use crate::process::owned::Owned;
use crate::process::{Process, Wait, signal};
use crate::system::System;
use crate::value::Value;
use std::sync::atomic::Ordering;

/// How a process ends.
pub(super) struct Ending {
    pub(super) reason: ExitReason,
    /// What it returned, in its heap.
    pub(super) result: Value,
    /// The reason as other processes see it, if it was given by one.
    pub(super) given: Option<Parcel>,
}

impl Ending {
    pub(super) fn of(reason: ExitReason) -> Ending {
        Ending { reason, result: Value::UNDEFINED, given: None }
    }

    /// The end by a fault at the newest frame record.
    pub(super) fn crash(process: &Process, trap: Trap) -> Ending {
        Ending::of(ExitReason::Crash(process.crash(trap)))
    }

    /// The end by returning.
    pub(super) fn returned(result: Value) -> Ending {
        Ending { reason: ExitReason::Normal, result, given: None }
    }
}

impl Worker {
    /// Empties the stack of a process that is to begin again, and calls its function; false if it is not.
    fn begin_again(
        &self,
        process: &mut Process,
        reason: &ExitReason,
        given: Option<&Parcel>,
    ) -> bool {
        let Some(lasting) = process.bonds.as_ref().and_then(|bonds| bonds.lasting) else {
            return false;
        };
        process.rewind();
        process.wait = Wait::No;
        process.stack.clear();
        process.heap.collect_wanted = true;
        let reason = process.accept(signal::reason_parcel(reason, given));
        let args = [Value::pid(lasting.owner), reason].into_iter();
        let (program, this) = (process.program(), Value::UNDEFINED);
        let (stack, function) = (&mut process.stack, lasting.function);
        call::push_frame(stack, program, usize::MAX, function, this, args).is_ok()
    }

    pub(super) fn end_process(&self, mut process: Owned, ending: Ending) {
        let Ending { reason, result, given } = ending;
        let system: &System = &self.system;
        let pid = process.pid;
        if let ExitReason::Crash(crash) = &reason {
            system.counters.crashes.fetch_add(1, Ordering::Relaxed);
            system.crashed(pid, crash);
        }
        system.trace(|| {
            let shown = match &reason {
                ExitReason::Normal => crate::print::to_text(system, result),
                ExitReason::Crash(_) => "a crash".to_owned(),
                ExitReason::Killed => "a kill".to_owned(),
                ExitReason::Exit(reason) => format!("the reason {reason}"),
            };
            format!("process {} ends with {shown}", process.number)
        });
        if let Some((_, timer)) = process.wait.timer() {
            self.cancel_timer(timer);
        }
        if self.begin_again(&mut process, &reason, given.as_ref())
            && let Some(slot) = system.table.slot(pid)
        {
            slot.forgive();
            process.worker = std::ptr::null();
            slot.put_runnable(process);
            return self.enqueue(pid);
        }
        process.rewind();
        self.forget_held(&process);
        let watched = system.program.has_select || system.program.is_linked(process.number);
        let normal = reason == ExitReason::Normal;
        let kept = (watched && normal && result != Value::UNDEFINED).then(|| Parcel::copy(result));
        if system.is_main(pid) {
            let result = normal.then(|| Parcel::copy(result));
            system.main_ended(reason.clone(), result);
        }
        let tally = &self.tally;
        tally.reductions.set(tally.reductions.get() + process.reductions);
        let Some((waiters, late)) = system.table.end(pid, kept, &self.slots, self.is_alone())
        else {
            return;
        };
        if self.senders_wait() {
            self.made_room(pid);
        }
        let bonds = process.bonds.take();
        self.tell_end(pid, bonds, late, &|| signal::reason_parcel(&reason, given.as_ref()));
        self.recycle(process);
        for waiter in waiters {
            self.wake(waiter);
        }
    }
}
