//! The runtime without compiler and tools: what `ionc aot --exe` puts in front of a program.
//!
//! It starts without the start-up code of the standard library, which takes as long as that of the
//! machine: it reads memory maps to report overflows of the main thread's stack, on which nothing of a program
//! runs. What it does and is needed is to ignore SIGPIPE: writing into a closed pipe is an error, not an end.

#![no_main]

use std::ffi::{c_char, c_int};

/// Called by the C library.
#[unsafe(no_mangle)]
pub extern "C" fn main(_: c_int, _: *const *const c_char) -> c_int {
    #[cfg(unix)]
    // SAFETY: no other thread runs yet, and ignoring a signal calls nothing.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
    }
    let status = ion_stub::standalone::main().unwrap_or_else(|| {
        eprintln!(
            "ion-stub: there is no program behind this executable; 'ionc aot --exe' makes one"
        );
        2
    });
    std::process::exit(i32::from(status))
}
