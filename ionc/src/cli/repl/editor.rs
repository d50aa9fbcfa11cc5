//! Reading inputs from a terminal: several lines, history, completion.

use super::screen::Screen;
use crate::compile;
use crate::failure::Failure;
use crate::ion::Session;
use crate::ion::session::is_incomplete;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Helper};
use std::path::PathBuf;

/// What was read.
pub enum Line {
    /// A complete input.
    Text(String),
    /// What was written was given up.
    Dropped,
    /// There is no more.
    End,
}

/// Reads inputs.
pub struct Editor {
    inner: rustyline::Editor<Words, FileHistory>,
    history: Option<PathBuf>,
    screen: Screen,
}

impl Editor {
    /// Takes over the terminal.
    pub fn open(screen: &Screen) -> Result<Editor, Failure> {
        let failed = |error| Failure::new(format!("cannot use the terminal: {error}"));
        let config = Config::builder().completion_type(CompletionType::List).build();
        let mut inner = rustyline::Editor::with_config(config).map_err(failed)?;
        inner.set_helper(Some(Words::default()));
        let history = history_file();
        if let Some(path) = &history {
            // There is none at first.
            let _ = inner.load_history(path);
        }
        if let Ok(printer) = inner.create_external_printer() {
            screen.set_printer(Box::new(printer));
        }
        Ok(Editor { inner, history, screen: screen.clone() })
    }

    /// The next input.
    pub fn read(&mut self, session: &Session) -> Result<Line, Failure> {
        if let Some(words) = self.inner.helper_mut() {
            words.known = session.words(compile::natives());
        }
        let inner = &mut self.inner;
        match self.screen.while_reading(|| inner.readline("> ")) {
            Ok(text) => {
                if !text.trim().is_empty() {
                    // A history that cannot be written is no reason to stop.
                    let _ = self.inner.add_history_entry(&text);
                    self.save();
                }
                Ok(Line::Text(text))
            }
            Err(ReadlineError::Interrupted) => Ok(Line::Dropped),
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(error) => Err(Failure::new(format!("cannot read from the terminal: {error}"))),
        }
    }

    fn save(&mut self) {
        let Some(path) = &self.history else { return };
        let _ = path.parent().map(std::fs::create_dir_all);
        let _ = self.inner.append_history(path);
    }
}

/// Where typed lines are kept.
fn history_file() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("IONC_HISTORY") {
        return (!path.is_empty()).then(|| path.into());
    }
    let state = std::env::var_os("XDG_STATE_HOME").filter(|path| !path.is_empty());
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    Some(state.map(PathBuf::from).or_else(home)?.join("ionc").join("history"))
}

/// Completes words, and asks for more lines.
#[derive(Default)]
struct Words {
    known: Vec<String>,
}

impl Completer for Words {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let before = line.get(..at).unwrap_or_default();
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let start = before
            .rfind(|c| !is_part(c))
            .map_or(0, |end| end + before[end..].chars().next().map_or(1, char::len_utf8));
        let word = &before[start..];
        if word.is_empty() {
            return Ok((start, Vec::new()));
        }
        // `Math.` comes before all that is in it.
        let whole = |name: &&String| {
            name.starts_with(word)
                && (word.contains('.') || !name.trim_end_matches('.').contains('.'))
        };
        Ok((start, self.known.iter().filter(whole).cloned().collect()))
    }
}

impl Validator for Words {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(match is_incomplete(context.input()) {
            true => ValidationResult::Incomplete,
            false => ValidationResult::Valid(None),
        })
    }
}

impl Hinter for Words {
    type Hint = String;
}

impl Highlighter for Words {}

impl Helper for Words {}
