//! What the system and its allocator are told about memory.

/// The size of a large page, and where one may begin, in bytes. Other sizes are possible; this is the usual one.
pub(super) const LARGE: usize = 2 << 20;

/// Asks the system to make memory of large pages. The answer does not matter: where it does not want to, nothing has
/// changed.
///
/// # Safety
/// The memory from `start` on is the caller's, is so long and begins at a multiple of [`LARGE`].
pub(super) unsafe fn prefer_large(start: *mut u8, bytes: usize) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the caller's promise; what the memory holds stays.
    unsafe {
        libc::madvise(start.cast(), bytes, libc::MADV_HUGEPAGE);
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = (start, bytes);
}

/// Tells the allocator of the C library to keep memory that is given back, as far as it can be told. By
/// default it returns the end of its heap to the system each time, and a process that grows and shrinks by
/// a message pays for fresh pages at every turn. For programs of our own, which do nothing else.
pub(crate) fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const KEPT: libc::c_int = 64 << 20;
        /// Beyond this, a block comes from the system and goes back to it.
        const OWN_PAGES: libc::c_int = 4 << 20;
        // SAFETY: these settings may be changed at any time; they only say when memory goes back.
        unsafe {
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
            libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_PAGES);
        }
    }
}
