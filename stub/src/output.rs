//! Standard output, for programs and for commands.
//!
//! `println!` panics when the reader has gone away, and the machine ignores errors of its output.
//! So the errors are handled here, where they happen: a closed pipe ends `ionc` quietly with
//! status 0, since whoever read the output has seen enough; any other error ends it with a line
//! on standard error and status 1.

use crate::failure::io_text;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use ion_runtime::vm::Outputs;

/// Standard output, buffered; on a terminal, line by line.
pub struct Output {
    inner: BufWriter<Stdout>,
    terminal: bool,
    /// Written here only; read by [`LineState`].
    line_open: Arc<AtomicBool>,
}

/// Tells whether the last line written has no line feed yet.
#[derive(Clone, Debug)]
pub struct LineState(Arc<AtomicBool>);

impl LineState {
    /// Is there an unfinished line?
    pub fn is_open(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Default for Output {
    fn default() -> Self {
        let stdout = io::stdout();
        Output {
            terminal: stdout.is_terminal(),
            inner: BufWriter::with_capacity(8 << 10, stdout),
            line_open: Arc::default(),
        }
    }
}

impl Output {
    /// A view of whether the last line is finished.
    pub fn line_state(&self) -> LineState {
        LineState(self.line_open.clone())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes).or_else(give_up)?;
        let done = &bytes[..written];
        if let Some(last) = done.last() {
            self.line_open.store(*last != b'\n', Ordering::Relaxed);
        }
        if self.terminal && done.contains(&b'\n') {
            self.flush()?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush().or_else(give_up)
    }
}

/// Ends the program, unless the error means: try again.
fn give_up<T>(error: io::Error) -> io::Result<T> {
    match error.kind() {
        io::ErrorKind::Interrupted => Err(error),
        io::ErrorKind::BrokenPipe => std::process::exit(0),
        _ => {
            let text = io_text(&error);
            let _ = writeln!(io::stderr(), "ionc: cannot write to standard output: {text}");
            std::process::exit(1)
        }
    }
}

/// The outputs of a program that runs for the user.
pub fn standard() -> (Outputs, LineState) {
    let out = Output::default();
    let state = out.line_state();
    let outputs =
        Outputs { out: Mutex::new(Box::new(out)), err: Mutex::new(Box::new(io::stderr())) };
    (outputs, state)
}

/// Writes what a command has to say.
pub fn print(text: &str) {
    let mut out = Output::default();
    // Errors do not come back from `Output`, except those that `write_all` tries again.
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}
