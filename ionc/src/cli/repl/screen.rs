//! What programs print while a line is being written goes above that line.

use crate::output;
use ion_runtime::vm::Outputs;
use rustyline::ExternalPrinter;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard};

/// See the module text.
#[derive(Clone, Default)]
pub struct Screen(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Writes above the line that is being written; there is one while a line is.
    printer: Option<Box<dyn ExternalPrinter + Send>>,
    reading: bool,
    /// The start of a line that is not finished.
    open: Vec<u8>,
}

impl Screen {
    fn lock(&self) -> MutexGuard<'_, State> {
        // What is behind the lock is whole whenever it is given up.
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// How to write above the line.
    pub fn set_printer(&self, printer: Box<dyn ExternalPrinter + Send>) {
        self.lock().printer = Some(printer);
    }

    /// Calls `read`, which lets the user write a line.
    pub fn while_reading<R>(&self, read: impl FnOnce() -> R) -> R {
        self.lock().reading = true;
        let result = read();
        let mut state = self.lock();
        state.reading = false;
        let open = std::mem::take(&mut state.open);
        drop(state);
        if !open.is_empty() {
            output::print(&String::from_utf8_lossy(&open));
        }
        result
    }

    /// Where programs write.
    pub fn outputs(&self) -> Outputs {
        let Outputs { out, err } = output::standard().0;
        let wrap = |inner: ion_runtime::system::Sink| {
            let inner = inner.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
            Mutex::new(Box::new(Writer { screen: self.clone(), inner }) as Box<dyn Write + Send>)
        };
        Outputs { out: wrap(out), err: wrap(err) }
    }
}

struct Writer {
    screen: Screen,
    /// The stream itself.
    inner: Box<dyn Write + Send>,
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut state = self.screen.lock();
        let State { printer: Some(printer), reading: true, open } = &mut *state else {
            drop(state);
            let written = self.inner.write(bytes)?;
            // Whoever waits for the line sees it, whatever else goes on.
            if bytes[..written].contains(&b'\n') {
                self.inner.flush()?;
            }
            return Ok(written);
        };
        open.extend_from_slice(bytes);
        if let Some(end) = open.iter().rposition(|byte| *byte == b'\n') {
            let lines: Vec<u8> = open.drain(..=end).collect();
            // A terminal that has gone away leaves nobody to tell.
            let _ = printer.print(String::from_utf8_lossy(&lines).into_owned());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}
