//! The subcommands, one per file: arguments, then one function that does it.

pub mod aot;
pub mod asm;
pub mod build;
pub mod check;
pub mod diff;
pub mod dis;
pub mod explore;
pub mod fmt;
pub mod info;
pub mod natives;
pub mod new;
pub mod repl;
pub mod reports;
pub mod run;
pub mod samples;
pub mod scheduling;
pub mod signals;
pub mod test;
pub mod verify;

use crate::failure::{Failure, USAGE};
use crate::output;
use clap::Parser;
use clap::error::ErrorKind;

/// Parses the program's arguments. Help goes to standard output and is no failure of the user's;
/// a usage error is one line like any other.
pub fn parse<T: Parser>() -> Result<T, Failure> {
    T::try_parse().map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            Failure::silent(0)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            Failure::silent(USAGE)
        }
        _ => Failure::usage(usage_line(&error.render().to_string())),
    })
}

/// What clap says in several paragraphs, in one line: what is wrong, the tip, where to read on.
fn usage_line(text: &str) -> String {
    let mut paragraphs = text.split("\n\n").map(|paragraph| {
        let words: Vec<&str> = paragraph.split_whitespace().collect();
        words.join(" ")
    });
    let first = paragraphs.next().unwrap_or_default();
    let mut line = first.strip_prefix("error: ").unwrap_or(&first).to_owned();
    for paragraph in paragraphs {
        if let Some(tip) = paragraph.strip_prefix("tip: ") {
            line.push_str("; ");
            line.push_str(tip);
        } else if let Some(usage) = paragraph.strip_prefix("Usage: ") {
            let words = usage.split(' ');
            let command: Vec<&str> =
                words.take_while(|word| !word.starts_with(['-', '<', '['])).collect();
            line.push_str(&format!("; see '{} --help'", command.join(" ")));
        }
    }
    line
}

/// Prints a value as JSON.
fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new(format!("cannot write JSON: {error}")))?;
    output::print(&(text + "\n"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_errors_are_one_line() {
        let text = "error: unexpected argument '--jot' found\n\n  tip: a similar argument exists: '--jit'\n\nUsage: ionc run --jit <PACK> [ARGS]...\n\nFor more information, try '--help'.\n";
        assert_eq!(
            usage_line(text),
            "unexpected argument '--jot' found; a similar argument exists: '--jit'; see 'ionc run --help'"
        );
    }
}
