//! Offsets that compiled code reads and writes, taken from the very structs the runtime uses.

use crate::heap::{Heap, Space};
use crate::process::Process;
use crate::sched::worker::Worker;
use std::mem::offset_of;

/// Reductions left (i64), from the process.
pub const PROCESS_FUEL: usize = offset_of!(Process, heap) + offset_of!(Heap, fuel);
/// Reductions of the slice beyond `fuel` (i64), from the process.
pub const PROCESS_RESERVE: usize = offset_of!(Process, heap) + offset_of!(Heap, reserve);
/// Where the next object goes, from the process.
pub const PROCESS_ALLOC: usize =
    offset_of!(Process, heap) + offset_of!(Heap, space) + offset_of!(Space, ptr);
/// End of the chunk being filled, from the process.
pub const PROCESS_ALLOC_END: usize =
    offset_of!(Process, heap) + offset_of!(Heap, space) + offset_of!(Space, end);
/// Pointer to the worker, from the process.
pub const PROCESS_WORKER: usize = offset_of!(Process, worker);
/// Result of a helper, from the process.
pub const PROCESS_RESULT: usize = offset_of!(Process, result);
/// Status that a stub around a helper leaves, from the process.
pub const PROCESS_STATUS: usize = offset_of!(Process, status);

const _: () = assert!(PROCESS_FUEL == 0, "the reduction counter is the first word of a process");

/// The helper table is the first field of the worker.
pub const WORKER_HELPERS: usize = 0;
/// Pointer to the table that the loader of compiled code has filled, from the worker.
pub const WORKER_TABLE: usize = offset_of!(Worker, table);
/// Lowest address that compiled code may use on the worker's native stack, from the worker.
pub const WORKER_STACK_LIMIT: usize = offset_of!(Worker, stack_limit);
