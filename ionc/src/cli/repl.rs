//! `ionc repl`: a prompt that compiles and runs what is typed.

mod editor;
mod screen;

use super::run::PermissionArgs;
use super::scheduling::Scheduling;
use crate::compile::{self, ION};
use crate::evaluator::{Evaluator, Outcome, is_blank};
use crate::failure::{Failure, io_text};
use crate::ion::Source;
use crate::ion::session::is_incomplete;
use crate::standalone::any_seed;
use crate::{load, output, project};
use editor::{Editor, Line};
use ion_runtime::system::Config;
use screen::Screen;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const HELP: &str = "\
Write an expression, a statement or a declaration; it runs at the end of the line, or where the last
bracket is closed. What it declares, and the processes that it starts, stay. A name may be declared
again; what was made before keeps the old one.

  .help         this text
  .names        what was declared and imported
  .processes    what the processes are doing
  .quit         ends the session, as Ctrl-D does

Ctrl-C stops what is running, or drops the text that is being written.
";

const EXAMPLES: &str = "\
Examples:
  ionc repl
  ionc repl bank.ion              functions of bank.ion can be called by their names
  echo '1 + 2' | ionc repl

At the prompt, .help says what there is. The process of the prompt traps exits: the end of a process that
is linked to it is a message. Everything is interpreted.
Lines that were typed are kept in $IONC_HISTORY, or else in ionc/history in the folder for the state of
programs; with IONC_HISTORY empty, nowhere.
Exit status: 0; 1 if the input is not a terminal and something in it failed.";

/// Try out Ion: run what is typed, line by line
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    scheduling: Scheduling,
    #[command(flatten)]
    permissions: PermissionArgs,
    /// An Ion source or the folder of a project, whose functions are to be at hand
    #[arg(value_name = "PROGRAM")]
    program: Option<PathBuf>,
}

/// Runs the subcommand.
pub fn run(args: &Args) -> Result<(), Failure> {
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let (classes, folder) = match &args.program {
        None => (Vec::new(), PathBuf::new()),
        Some(path) => (classes_of(path)?, path.parent().map(Path::to_path_buf).unwrap_or_default()),
    };
    let config = args.scheduling.config(Config {
        seed: any_seed(),
        permissions: args.permissions.permissions()?,
        ..Config::default()
    })?;
    let screen = Screen::default();
    let evaluator = Evaluator::start(classes, folder, config, screen.outputs())?;
    let repl = Repl { evaluator, interrupts: watch(), failed: false };
    match terminal {
        true => repl.on_terminal(&screen),
        false => repl.on_stream(),
    }
}

fn classes_of(path: &Path) -> Result<Vec<Source>, Failure> {
    if path.is_dir() {
        return project::open(path)?.sources();
    }
    if load::has_extension(path, ION) {
        return compile::sources_of_file(path);
    }
    let message = format!("neither an Ion source (.{ION}) nor the folder of a project");
    Err(Failure::at(path.display(), message))
}

/// What a line that begins with a dot asks for.
enum Command {
    Help,
    Names,
    Processes,
    Quit,
}

impl Command {
    fn parse(line: &str) -> Option<Result<Command, String>> {
        let word = line.trim();
        let name = word.strip_prefix('.')?;
        Some(Ok(match name {
            "help" => Command::Help,
            "names" => Command::Names,
            "processes" => Command::Processes,
            "quit" | "exit" => Command::Quit,
            _ => return Some(Err(format!("there is no command '{word}'; .help lists them"))),
        }))
    }
}

struct Repl {
    evaluator: Evaluator,
    interrupts: Arc<AtomicU32>,
    /// Has anything failed?
    failed: bool,
}

impl Repl {
    fn on_terminal(mut self, screen: &Screen) -> Result<(), Failure> {
        let mut editor = Editor::open(screen)?;
        output::print(&format!(
            "ionc {}; .help says what there is, Ctrl-D ends\n",
            env!("CARGO_PKG_VERSION")
        ));
        loop {
            match editor.read(self.evaluator.session())? {
                Line::End => return Ok(()),
                Line::Dropped => {}
                Line::Text(text) => {
                    if self.take(&text)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn on_stream(mut self) -> Result<(), Failure> {
        let mut text = String::new();
        for line in std::io::stdin().lock().lines() {
            let line = line.map_err(|error| Failure::at("standard input", io_text(&error)))?;
            text.push_str(&line);
            text.push('\n');
            if is_incomplete(&text) {
                continue;
            }
            if self.take(&std::mem::take(&mut text))? {
                text.clear();
                break;
            }
        }
        if !text.is_empty() {
            self.take(&text)?;
        }
        if self.failed { Err(Failure::silent(1)) } else { Ok(()) }
    }

    /// Runs an input or command; true if the session is to end.
    fn take(&mut self, text: &str) -> Result<bool, Failure> {
        if let Some(command) = Command::parse(text) {
            return Ok(self.command(command));
        }
        if is_blank(text) {
            return Ok(false);
        }
        let before = self.interrupts.load(Ordering::SeqCst);
        let interrupts = self.interrupts.clone();
        let outcome = self.evaluator.run(text, &mut || interrupts.load(Ordering::SeqCst) != before);
        // What comes from now on is for the next input.
        self.interrupts.store(0, Ordering::SeqCst);
        match outcome {
            Ok(Outcome::Value(None)) => {}
            Ok(Outcome::Value(Some(value))) => output::print(&format!("{}\n", shown(&value))),
            Ok(Outcome::Failed) => self.failed = true,
            Ok(Outcome::Interrupted) => self.complain("interrupted"),
            Ok(Outcome::Ended(reason)) => self.complain(&format!(
                "the process of the prompt ended with the reason {reason}, and begins again; .quit ends the session"
            )),
            Err(failure) => self.complain(&format!("error: {}", failure.lines.join("; "))),
        }
        Ok(false)
    }

    fn command(&mut self, command: Result<Command, String>) -> bool {
        match command {
            Err(text) => self.complain(&format!("error: {text}")),
            Ok(Command::Quit) => return true,
            Ok(Command::Help) => output::print(HELP),
            Ok(Command::Names) => {
                let names = self.evaluator.session().names();
                output::print(&names.iter().map(|name| format!("{name}\n")).collect::<String>());
            }
            Ok(Command::Processes) => {
                let lines = self.evaluator.processes();
                output::print(&lines.iter().map(|line| format!("{line}\n")).collect::<String>());
            }
        }
        false
    }

    fn complain(&mut self, text: &str) {
        self.failed = true;
        // A closed standard error leaves nobody to tell.
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

/// Most characters of a value that are shown.
const MAX_SHOWN: usize = 10_000;

fn shown(value: &str) -> String {
    match value.char_indices().nth(MAX_SHOWN) {
        None => value.to_owned(),
        Some((end, _)) => format!("{}… ({} characters)", &value[..end], value.chars().count()),
    }
}

/// Counts SIGINTs; the second one during an input ends everything.
#[cfg(unix)]
fn watch() -> Arc<AtomicU32> {
    use signal_hook::consts::SIGINT;
    let count = Arc::new(AtomicU32::new(0));
    let seen = count.clone();
    // Without signals the prompt still works; the system's defaults apply.
    if let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT]) {
        std::thread::spawn(move || {
            for _ in signals.forever() {
                if seen.fetch_add(1, Ordering::SeqCst) > 0 {
                    std::process::exit(130);
                }
            }
        });
    }
    count
}

#[cfg(not(unix))]
fn watch() -> Arc<AtomicU32> {
    Arc::default()
}
