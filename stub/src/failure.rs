//! How a command fails: one line on standard error and an exit status.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::process::ExitCode;

/// Exit status of usage errors.
pub const USAGE: u8 = 2;

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What is wrong, where, and what to do: each a line without the program's name. Empty if
    /// everything has been said already.
    pub lines: Vec<String>,
    /// The exit status.
    pub status: u8,
}

impl Failure {
    /// Bad input: status 1.
    pub fn new(message: impl fmt::Display) -> Failure {
        Failure { lines: vec![one_line(&message.to_string())], status: 1 }
    }

    /// Bad arguments: status 2.
    pub fn usage(message: impl fmt::Display) -> Failure {
        Failure { status: USAGE, ..Failure::new(message) }
    }

    /// A failure with this status that has been reported already.
    pub fn silent(status: u8) -> Failure {
        Failure { lines: Vec::new(), status }
    }

    /// Bad input at `place`, a path as the user wrote it.
    pub fn at(place: impl fmt::Display, message: impl fmt::Display) -> Failure {
        Failure::new(format!("{place}: {message}"))
    }

    /// The same failure, at `place`.
    pub fn within(self, place: impl fmt::Display) -> Failure {
        let place = one_line(&place.to_string());
        let lines = self.lines.iter().map(|line| format!("{place}: {line}")).collect();
        Failure { lines, ..self }
    }
}

/// Reports a failure as `program: LINE` and gives the exit status.
pub fn exit_code(program: &str, result: Result<(), Failure>) -> ExitCode {
    ExitCode::from(exit_status(program, result))
}

/// As [`exit_code`], as a number.
pub fn exit_status(program: &str, result: Result<(), Failure>) -> u8 {
    let Err(failure) = result else { return 0 };
    for line in &failure.lines {
        // A closed standard error leaves nobody to tell.
        let _ = writeln!(std::io::stderr(), "{program}: {line}");
    }
    failure.status
}

/// The text without control characters, so that it stays on one line and cannot steer a terminal.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            // Writing to a String cannot fail.
            let _ = write!(line, "{}", c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

/// The text of an operating system's error, in the style of all others.
pub fn io_text(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "no such file; check the path".to_owned(),
        ErrorKind::PermissionDenied => "permission denied; check the file's mode".to_owned(),
        ErrorKind::IsADirectory => "is a directory; name a file".to_owned(),
        ErrorKind::NotADirectory => "a part of the path is no directory; check the path".to_owned(),
        _ => {
            let text = error.to_string();
            let mut chars = text.chars();
            chars
                .next()
                .map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stay_on_one_line() {
        assert_eq!(one_line("a\nb\u{1b}[1m é"), "a\\nb\\u{1b}[1m é");
        assert_eq!(Failure::at("x\ny", "bad").lines, ["x\\ny: bad"]);
    }

    #[test]
    fn system_errors_are_lower_case() {
        assert_eq!(io_text(&std::io::Error::other("Oh no")), "oh no");
    }
}
