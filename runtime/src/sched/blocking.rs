//! Threads for library functions that wait for the world outside.
//!
//! A process that calls one goes there as a whole, and comes back runnable with the answer; the worker
//! runs others meanwhile. Threads are made when all are busy, and end after a while without work.

use super::worker::Worker;
use crate::ops::call;
use crate::process::owned::Owned;
use crate::system::System;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Most threads; processes beyond wait.
const MAX_THREADS: usize = 64;

/// A thread without work ends after this time.
const LINGER: Duration = Duration::from_secs(5);

/// See the module text.
#[derive(Debug, Default)]
pub(crate) struct Blocking {
    inner: Mutex<Inner>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    queue: VecDeque<Owned>,
    threads: usize,
    idle: usize,
    stopped: bool,
}

impl Blocking {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that can panic runs under the lock.
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Runs the library function that the process is about to call.
    pub(crate) fn run(&self, system: &Arc<System>, process: Owned) {
        system.hub.leave();
        let mut inner = self.lock();
        inner.queue.push_back(process);
        if inner.idle >= inner.queue.len() || inner.threads >= MAX_THREADS {
            drop(inner);
            return self.bell.notify_one();
        }
        inner.threads += 1;
        drop(inner);
        let owned = system.clone();
        let spawned = std::thread::Builder::new()
            .name("ion-blocking".into())
            .spawn(move || owned.blocking.work(&owned));
        if spawned.is_err() {
            // The system gives no thread: another one takes it, or else this one does.
            let mut inner = self.lock();
            inner.threads -= 1;
            let alone = inner.threads == 0;
            let process = if alone { inner.queue.pop_back() } else { None };
            drop(inner);
            if let Some(process) = process {
                answer(&Worker::new(system.clone(), None, 0), process);
            }
        }
    }

    /// Threads end once they have nothing to do.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.bell.notify_all();
    }

    fn work(&self, system: &Arc<System>) {
        let worker = Worker::new(system.clone(), None, 0);
        let mut inner = self.lock();
        loop {
            if let Some(process) = inner.queue.pop_front() {
                drop(inner);
                answer(&worker, process);
                inner = self.lock();
                continue;
            }
            if inner.stopped {
                break;
            }
            inner.idle += 1;
            let waited = self.bell.wait_timeout(inner, LINGER);
            let (guard, timeout) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
            inner = guard;
            inner.idle -= 1;
            if timeout.timed_out() && inner.queue.is_empty() {
                break;
            }
        }
        inner.threads -= 1;
    }
}

fn answer(worker: &Worker, mut process: Owned) {
    process.worker = worker;
    let before = process.heap.fuel;
    let answer = call::blocking_native(&mut process);
    process.reductions += before.saturating_sub(process.heap.fuel).max(0) as u64;
    process.bonds().answer = Some(answer);
    process.worker = std::ptr::null();
    let (system, pid) = (&worker.system, process.pid);
    if let Some(slot) = system.table.slot(pid) {
        slot.put_runnable(process);
        system.hub.come_back(pid);
    }
}
