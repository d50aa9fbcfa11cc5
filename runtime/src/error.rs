//! Faults of programs and reasons for which processes end: plain data.

use crate::object::Kind;
use std::fmt;

/// A fault that ends the process in which it happens, and only that.
#[derive(Clone, Debug, PartialEq)]
pub enum Trap {
    /// CALL of something that is not a function.
    NotCallable {
        /// Its kind.
        kind: Kind,
        /// The text of an atom that is an unresolved function reference.
        reference: Option<String>,
    },
    /// Read of a protected property from outside.
    Protected {
        /// The property.
        key: String,
    },
    /// The sentinel atom `__vm:this` used in a function that is not bound to an object.
    NoThis,
    /// RECEIVE_WITH_TIMEOUT with a timeout that is not a number.
    BadTimeout {
        /// What it was.
        kind: Kind,
    },
    /// LINK with a number that no process ever had.
    NoSuchProcess {
        /// The number.
        number: u64,
    },
    /// LINK or SELECT on the running process itself.
    WaitForSelf,
    /// SELECT without any process.
    EmptySelect,
    /// A prototype chain that would contain itself.
    PrototypeCycle,
    /// The process would pass its memory limit.
    OutOfMemory {
        /// The limit in bytes.
        limit: usize,
    },
    /// More processes than the run allows.
    TooManyProcesses {
        /// The limit.
        limit: usize,
    },
    /// A process that sends to itself and whose mailbox is full: it would wait for ever.
    OwnMailboxFull {
        /// The limit.
        limit: u32,
    },
    /// More atoms than the run allows.
    TooManyAtoms {
        /// The limit.
        limit: usize,
    },
    /// A native function panicked.
    NativePanic {
        /// Its name.
        name: String,
        /// What the panic said.
        message: String,
    },
    /// A native function of the host raised an error.
    NativeFailed {
        /// Its name.
        name: String,
        /// The error.
        message: String,
    },
    /// A function that has to be compiled could not be.
    NotCompiled {
        /// What the compiler said.
        message: String,
    },
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trap::NotCallable { reference: Some(name), .. } => {
                write!(f, "call of the unresolved function reference '{name}'")
            }
            Trap::NotCallable { kind, reference: None } => {
                write!(f, "call of a value that is no function (kind {})", kind.name())
            }
            Trap::Protected { key } => {
                write!(f, "read of the protected property '{key}' from outside")
            }
            Trap::NoThis => {
                f.write_str("use of '__vm:this' in a function that is not bound to an object")
            }
            Trap::BadTimeout { kind } => {
                write!(f, "timeout must be a Number of milliseconds, found {}", kind.name())
            }
            Trap::NoSuchProcess { number } => {
                write!(f, "link to process {number}, which never existed")
            }
            Trap::WaitForSelf => f.write_str("process waits for its own end"),
            Trap::EmptySelect => f.write_str("select without any process"),
            Trap::PrototypeCycle => f.write_str("prototype chain would contain itself"),
            Trap::OutOfMemory { limit } => write!(f, "out of memory: the limit is {limit} bytes"),
            Trap::TooManyProcesses { limit } => {
                write!(f, "too many processes: the limit is {limit}")
            }
            Trap::OwnMailboxFull { limit } => {
                write!(f, "send to itself with a full mailbox: the limit is {limit} messages")
            }
            Trap::TooManyAtoms { limit } => write!(f, "too many atoms: the limit is {limit}"),
            Trap::NativePanic { name, message } => {
                write!(f, "native function {name} panicked: {message}")
            }
            Trap::NativeFailed { name, message } => {
                write!(f, "native function {name} failed: {message}")
            }
            Trap::NotCompiled { message } => write!(f, "function could not be compiled: {message}"),
        }
    }
}

/// One line of a stack trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceLine {
    /// `CLASS:FUNCTION`.
    pub function: String,
    /// Index of the instruction.
    pub pc: u32,
    /// `FILE:LINE:COLUMN`, if the package has a line table.
    pub place: Option<String>,
}

/// Why a process crashed, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Crash {
    /// Number of the process.
    pub process: u64,
    /// What happened.
    pub trap: Trap,
    /// Innermost call first; long traces leave out the middle.
    pub trace: Vec<TraceLine>,
    /// How many calls the trace leaves out.
    pub omitted: usize,
    /// The name under which the process was registered.
    pub name: Option<String>,
    /// The processes that were linked to it.
    pub links: Vec<LinkedProcess>,
}

/// A process that was linked to one that crashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedProcess {
    /// Its number; 0 for a process of the host.
    pub number: u64,
    /// The name under which it was registered.
    pub name: Option<String>,
}

impl fmt::Display for LinkedProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            0 => f.write_str("the host")?,
            number => write!(f, "process {number}")?,
        }
        self.name.as_ref().map_or(Ok(()), |name| write!(f, " ({name})"))
    }
}

/// Most linked processes that the text of a crash names.
const MAX_LINKS: usize = 8;

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.process)?;
        if let Some(name) = &self.name {
            write!(f, " ({name})")?;
        }
        write!(f, " crashed: {}", self.trap)?;
        for (i, linked) in self.links.iter().take(MAX_LINKS).enumerate() {
            write!(f, "{}{linked}", if i == 0 { "; linked to " } else { ", " })?;
        }
        if self.links.len() > MAX_LINKS {
            write!(f, " and {} more", self.links.len() - MAX_LINKS)?;
        }
        for (i, line) in self.trace.iter().enumerate() {
            if self.omitted > 0 && i == self.trace.len() / 2 {
                write!(f, "\n  … {} more calls", self.omitted)?;
            }
            match &line.place {
                Some(place) => write!(f, "\n  at {} ({place})", line.function)?,
                None => write!(f, "\n  at {}, instruction {}", line.function, line.pc)?,
            }
        }
        Ok(())
    }
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq)]
pub enum ExitReason {
    /// It returned.
    Normal,
    /// It crashed.
    Crash(Box<Crash>),
    /// Another process ended it.
    Killed,
    /// It was asked to end, or ended itself, with this reason.
    Exit(String),
}
