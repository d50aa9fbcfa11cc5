//! Atomics and locks: those of the standard library, or those of `loom` when its models are built
//! (feature `loom`, for tests only). The scheduler, the mailboxes and the states of processes take
//! them from here.

#[cfg(not(feature = "loom"))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
#[cfg(not(feature = "loom"))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};

#[cfg(feature = "loom")]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
#[cfg(feature = "loom")]
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};

/// Stands between a write and a read of two protocols that look at each other's writes: what is SeqCst
/// before and behind it must be seen in one order by all threads.
///
/// The accesses themselves are SeqCst, which is enough; but loom takes these for acquire and release, and
/// only its fences for what they are.
#[inline(always)]
pub(crate) fn total_order() {
    #[cfg(feature = "loom")]
    loom::sync::atomic::fence(Ordering::SeqCst);
}

/// Adds to a counter, and gives what it was. `alone`: no other thread changes it, so that it need not be locked.
#[inline(always)]
pub(crate) fn add(counter: &std::sync::atomic::AtomicU64, count: u64, alone: bool) -> u64 {
    use std::sync::atomic::Ordering;
    if alone {
        let before = counter.load(Ordering::Relaxed);
        counter.store(before.wrapping_add(count), Ordering::Relaxed);
        return before;
    }
    counter.fetch_add(count, Ordering::Relaxed)
}
