//! Running the inputs of a session: a machine that goes on between them, and the process of the session in
//! it.

use crate::compile;
use crate::failure::Failure;
use crate::ion::session::{INPUT_FUNCTION, Session};
use crate::ion::{self, Options, Source};
use ion_ffi::Term;
use ion_runtime::error::Crash;
use ion_runtime::host::{HostProcess, Machine};
use ion_runtime::ionpack::{Manifest, Package};
use ion_runtime::natives::Registry;
use ion_runtime::system::{Config, CrashHook, Engine, System};
use ion_runtime::value::Pid;
use ion_runtime::vm::{Linked, Outputs};
use std::path::PathBuf;
use std::time::Duration;

/// Functions that a session may add to its machine.
const ROOM: usize = 1 << 16;

/// The class of the process of a session.
const CLASS: &str = "__session";

/// How often a wait looks whether it was interrupted.
const LOOK: Duration = Duration::from_millis(50);

/// What an input came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It has run; its value as a program would write it, if it has one to show.
    Value(Option<String>),
    /// It could not be compiled, or crashed: that was reported.
    Failed,
    /// The process was ended for this reason, and goes on with the next input.
    Ended(String),
    /// It was interrupted.
    Interrupted,
}

/// See the module text.
#[derive(Debug)]
pub struct Evaluator {
    session: Session,
    machine: Machine,
    registry: Registry,
    host: HostProcess,
    shell: Pid,
    /// Where files are looked for that inputs name.
    folder: PathBuf,
}

impl Evaluator {
    /// A machine with these classes. Its programs are interpreted.
    pub fn start(
        classes: Vec<Source>,
        folder: PathBuf,
        config: Config,
        outputs: Outputs,
    ) -> Result<Evaluator, Failure> {
        let registry = ion_ffi::registry::standard();
        let package = base_package(&classes)?;
        let linked = Linked::with_room(&package, &registry, ROOM)
            .map_err(|errors| Failure::new(format!("cannot start: {errors:?}")))?;
        let on_crash = Some(CrashHook::new(report_crash));
        let config = Config { open: true, engine: Engine::Interp, on_crash, ..config };
        let failed = |error: &dyn std::fmt::Display| {
            Failure::new(format!("cannot start the machine: {error}"))
        };
        let machine = Machine::start(&linked, config, None, outputs).map_err(|e| failed(&e))?;
        let host = machine.host_process(None).map_err(|e| failed(&e))?;
        let shell = machine.system().program.find(CLASS, "shell");
        let shell = shell.ok_or_else(|| failed(&"the session has no process"))?;
        let shell = host.spawn_lasting(shell).map_err(|e| failed(&e))?;
        let session = Session::new(classes);
        Ok(Evaluator { session, machine, registry, host, shell, folder })
    }

    /// What was declared.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// What the processes are doing, a line each.
    pub fn processes(&self) -> Vec<String> {
        self.machine.processes()
    }

    /// Compiles and runs an input; what there is to say about it goes to standard error. `interrupted` is
    /// asked now and then.
    pub fn run(
        &mut self,
        text: &str,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Outcome, Failure> {
        let checked = {
            let more = self.classes_named(text)?;
            self.session.compile(text, more, compile::natives())
        };
        compile::report(&checked.sources, &checked.diags);
        let Some(input) = checked.input else { return Ok(Outcome::Failed) };
        self.machine
            .grow(&input.package, &self.registry)
            .map_err(|error| Failure::new(format!("{error}; start again")))?;
        self.session.loaded(&input);
        // It may have been ended by another process, and have begun again, since the last input.
        while let Ok(Some(_)) = self.host.try_receive() {}
        let system = self.machine.system();
        let function = Term::Function(format!("{}:{INPUT_FUNCTION}", input.class));
        let message = Term::Tuple(vec![Term::atom("session input"), function]);
        let message = message.pack(system).map_err(|error| Failure::new(error.to_string()))?;
        self.host.send(self.shell, message);
        let outcome = self.wait(interrupted)?;
        if let Outcome::Value(_) = outcome {
            self.session.accept(input);
        }
        self.machine.system().print("", true);
        Ok(outcome)
    }

    /// Waits until the input has ended.
    fn wait(&self, interrupted: &mut dyn FnMut() -> bool) -> Result<Outcome, Failure> {
        let mut killed = false;
        // Its value, if it ended just before it was killed.
        let mut value = None;
        loop {
            let failed = |error: &dyn std::fmt::Display| Failure::new(error.to_string());
            let Some(parcel) = self.host.receive(Some(LOOK)).map_err(|e| failed(&e))? else {
                if !killed && interrupted() {
                    killed = true;
                    self.host.kill(self.shell);
                }
                continue;
            };
            let system = self.machine.system();
            let message = Term::unpack(system, &parcel).map_err(|e| failed(&e))?;
            // Programs cannot know the handle of the host; whatever else comes is nothing of theirs.
            let Term::Tuple(parts) = message else { continue };
            return Ok(match parts.as_slice() {
                [_, Term::Boolean(shows), Term::String(text)] => {
                    let outcome = Outcome::Value(shows.then(|| text.clone()));
                    if killed {
                        value = Some(outcome);
                        continue;
                    }
                    outcome
                }
                [_, _] if value.is_some() => value.unwrap_or(Outcome::Interrupted),
                [_, Term::Tuple(reason)] if reason.first() == Some(&Term::atom("crash")) => {
                    Outcome::Failed
                }
                [_, _] if killed => Outcome::Interrupted,
                [_, reason] => Outcome::Ended(reason.to_string()),
                _ => continue,
            });
        }
    }

    /// The classes that an input names and that are not loaded yet.
    fn classes_named(&self, text: &str) -> Result<Vec<Source>, Failure> {
        let input = Source::new("", "", text);
        let find = |class: &str| match self.session.has_class(class) {
            true => None,
            false => compile::source_in(&self.folder, class),
        };
        let mut found = compile::add_named(vec![input], find)?;
        found.remove(0);
        found.retain(|source| !self.session.has_class(&source.class));
        Ok(found)
    }
}

/// A package of the classes and of that of the process.
fn base_package(classes: &[Source]) -> Result<Package, Failure> {
    let own = Source::new(CLASS, "session", include_str!("../std/session.ion"));
    let sources: Vec<Source> = std::iter::once(own).chain(classes.iter().cloned()).collect();
    let manifest = Manifest { name: "session".to_owned(), ..Manifest::default() };
    Ok(compile::compile(&sources, &Options { manifest, needs_main: true })?.package)
}

/// Reports a crash, without the frame of the session itself.
fn report_crash(system: &System, _: Pid, crash: &Crash) {
    let mut crash = crash.clone();
    if crash.trace.last().is_some_and(|line| line.function.starts_with(CLASS)) {
        crash.trace.pop();
    }
    system.report(&crash.to_string());
}

/// Does the text hold nothing but blanks and comments?
pub fn is_blank(text: &str) -> bool {
    let lexed = ion::lexer::lex(text);
    lexed.diags.is_empty() && lexed.tokens.iter().all(|token| token.kind == ion::token::Tok::Eof)
}
