//! What can go wrong with a machine, and how processes end.

use super::MAX_ARGS;
use crate::term::{Term, TermError};
use ion_runtime::bytecode::VerifyError;
use ion_runtime::error::{Crash, Trap};
use ion_runtime::host::Ended;
use ion_runtime::ionpack::PackageError;
use std::fmt;

/// Why something did not work.
#[derive(Debug)]
#[non_exhaustive]
pub enum VmError {
    /// The package cannot be read.
    Package(PackageError),
    /// A file cannot be read.
    Io(std::io::Error),
    /// The package cannot run: the first reason, and how many more there are.
    Invalid(Box<VerifyError>, usize),
    /// The text of a program is wrong.
    Text(String),
    /// The program cannot be compiled.
    Compile(String),
    /// A file that `ionc aot` has made cannot be used.
    Image(String),
    /// A value cannot cross the border.
    Term(TermError),
    /// A process cannot be started.
    Spawn(Trap),
    /// The process ended before it answered or returned.
    Exit(Box<Exit>),
    /// The time was over.
    Timeout,
    /// The machine was stopped.
    Stopped,
    /// More arguments than [`MAX_ARGS`], and no function of the package has so many parameters.
    TooManyArguments(usize),
}

impl fmt::Display for VmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VmError::Package(error) => error.fmt(f),
            VmError::Io(error) => error.fmt(f),
            VmError::Invalid(first, 0) => first.fmt(f),
            VmError::Invalid(first, more) => write!(f, "{first} (and {more} more)"),
            VmError::Text(error) | VmError::Image(error) => f.write_str(error),
            VmError::Compile(error) => write!(f, "cannot compile: {error}"),
            VmError::Term(error) => error.fmt(f),
            VmError::Spawn(trap) => trap.fmt(f),
            VmError::Exit(exit) => exit.fmt(f),
            VmError::Timeout => f.write_str("no answer in time"),
            VmError::Stopped => f.write_str("the machine was stopped"),
            VmError::TooManyArguments(count) => {
                write!(
                    f,
                    "{count} arguments: more than {MAX_ARGS}, and no function takes so many; pass an array"
                )
            }
        }
    }
}

impl std::error::Error for VmError {}

impl From<TermError> for VmError {
    fn from(error: TermError) -> VmError {
        VmError::Term(error)
    }
}

impl From<PackageError> for VmError {
    fn from(error: PackageError) -> VmError {
        VmError::Package(error)
    }
}

impl From<Ended> for VmError {
    fn from(ended: Ended) -> VmError {
        match ended {
            Ended::Stopped => VmError::Stopped,
            Ended::Exit(_) => {
                VmError::Exit(Box::new(Exit { reason: Term::atom("killed"), crash: None }))
            }
        }
    }
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Exit {
    /// The reason: `:normal`, `:killed`, `:noproc` if it had ended before, `(:crash, text)`, or what it was
    /// made to end for.
    pub reason: Term,
    /// Of a crash: where it happened. Crashes that are long past are forgotten.
    pub crash: Option<Crash>,
}

impl Exit {
    /// Did it return?
    pub fn is_normal(&self) -> bool {
        self.reason == Term::atom("normal")
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.crash, &self.reason) {
            (Some(crash), _) => crash.fmt(f),
            (None, Term::Tuple(parts)) if parts.len() == 2 && parts[0] == Term::atom("crash") => {
                write!(f, "process crashed: {}", parts[1])
            }
            (None, reason) => write!(f, "process ended: {reason}"),
        }
    }
}
