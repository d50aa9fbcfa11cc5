//! A process that runs cases: whatever a case does to it, its parent lives and knows the case.
//!
//! The parent writes one request per line to the child's standard input, as JSON, and reads one
//! reply per line. A child that does not answer in time is ended; one that is gone has crashed.

use super::compare::{self, Bounds, Failure, Group, Kind, Summary};
use super::rng::Rng;
use super::{generate, mutate, pairs};
use ion_runtime::bytecode::{Style, assemble_package, disassemble_package};
use ion_runtime::ionpack::Package;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Something to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Case {
    /// The random program of a seed.
    Random(u64),
    /// The damaged package of a seed.
    Mutant(u64),
    /// A program of the exhaustive suite.
    Pairs(usize),
    /// This program.
    Text {
        /// In assembler.
        text: String,
        /// Whether its processes race.
        racy: bool,
        /// Numbers of groups, see [`compare::groups`]; all if empty.
        groups: Vec<usize>,
    },
}

/// A case, ready to run.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The package; it verifies unless the generator is wrong.
    pub package: Package,
    /// Its limits.
    pub bounds: Bounds,
    /// The groups to run it under.
    pub groups: Vec<Group>,
}

impl Case {
    /// The package and the settings; nothing if a mutation left nothing to run.
    pub fn ready(&self) -> Result<Option<Ready>, Failure> {
        let all = compare::groups();
        let ready = match self {
            Case::Random(seed) => {
                let generate::Program { package, bounds } = generate::program(*seed);
                Ready { package, bounds, groups: some_groups(*seed) }
            }
            Case::Mutant(seed) => {
                let Some(package) = mutate::mutant(*seed)? else { return Ok(None) };
                let bounds = Bounds {
                    reductions: 4000,
                    heap: 1 << 20,
                    processes: 50,
                    racy: true,
                    announce: false,
                };
                let groups = some_groups(*seed).into_iter().take(2).collect();
                Ready { package, bounds, groups }
            }
            Case::Pairs(number) => {
                let bounds = Bounds {
                    reductions: u64::MAX,
                    heap: 256 << 20,
                    racy: true,
                    ..Bounds::default()
                };
                let groups =
                    compare::MODES.into_iter().flat_map(|mode| [(mode, 7), (mode, 2000)]).collect();
                Ready { package: pairs::package(*number), bounds, groups }
            }
            Case::Text { text, racy, groups } => {
                let package = assemble_package(text)
                    .map_err(|error| Failure { kind: Kind::Invalid, text: error.to_string() })?;
                let picked = groups.iter().filter_map(|group| all.get(*group).copied()).collect();
                let groups = if groups.is_empty() { all } else { picked };
                Ready { package, bounds: Bounds { racy: *racy, ..Bounds::default() }, groups }
            }
        };
        Ok(Some(ready))
    }

    /// Its name in reports.
    pub fn name(&self) -> String {
        match self {
            Case::Random(seed) => format!("random program {seed}"),
            Case::Mutant(seed) => format!("mutant {seed}"),
            Case::Pairs(number) => format!("pairs {}", number + 1),
            Case::Text { .. } => "program".to_owned(),
        }
    }

    /// Runs the case in this process.
    pub fn run(&self) -> Result<Summary, Failure> {
        match self.ready()? {
            Some(Ready { package, bounds, groups }) => {
                compare::compare(&package, &groups, Bounds { announce: true, ..bounds })
            }
            None => Ok(Summary::default()),
        }
    }
}

/// The groups for a seed: the default slice and some others; the whole matrix now and then.
fn some_groups(seed: u64) -> Vec<Group> {
    let rng = &mut Rng::new(!seed);
    let mut groups = compare::groups();
    if rng.chance(8) {
        return groups;
    }
    let keep = rng.between(2, 4);
    while groups.len() > keep {
        let at = rng.below(groups.len());
        groups.remove(at);
    }
    groups
}

impl Ready {
    /// The case that runs this program under these groups, and no others.
    pub fn text_case(package: &Package, bounds: Bounds, groups: &[Group]) -> Case {
        let all = compare::groups();
        let numbers = groups.iter().filter_map(|group| all.iter().position(|other| other == group));
        Case::Text {
            text: disassemble_package(package, Style::Lossless),
            racy: bounds.racy,
            groups: numbers.collect(),
        }
    }
}

/// The child's side: answers requests until there are no more.
pub fn serve() -> io::Result<()> {
    let (input, mut output) = (io::stdin().lock(), io::stdout().lock());
    for line in input.lines() {
        let reply: Result<Summary, Failure> = match serde_json::from_str::<Case>(&line?) {
            Ok(case) => case.run(),
            Err(error) => Err(Failure { kind: Kind::Invalid, text: error.to_string() }),
        };
        let text = serde_json::to_string(&reply).map_err(io::Error::other)?;
        writeln!(output, "{text}")?;
        output.flush()?;
    }
    Ok(())
}

/// The parent's side of a child.
pub struct Child {
    program: PathBuf,
    running: Option<Running>,
}

struct Running {
    process: std::process::Child,
    input: ChildStdin,
    replies: Receiver<String>,
    /// The end of what it wrote to standard error.
    errors: Arc<Mutex<Vec<u8>>>,
}

impl Child {
    /// A child of this program; it is started when it is needed.
    pub fn new(program: PathBuf) -> Child {
        Child { program, running: None }
    }

    /// Runs a case in the child, for at most `patience`.
    pub fn run(&mut self, case: &Case, patience: Duration) -> Result<Summary, Failure> {
        let fail = |kind, text: String| Failure { kind, text };
        if self.running.is_none() {
            let started = Running::start(&self.program);
            let failed =
                |error: io::Error| fail(Kind::Invalid, format!("cannot start a child: {error}"));
            self.running = Some(started.map_err(failed)?);
        }
        let Some(running) = &mut self.running else { return Ok(Summary::default()) };
        let request = serde_json::to_string(case).unwrap_or_default();
        // If the child is gone, its missing answer tells.
        let _ = writeln!(running.input, "{request}").and_then(|()| running.input.flush());
        match running.replies.recv_timeout(patience) {
            Ok(reply) => serde_json::from_str(&reply).unwrap_or_else(|error| {
                Err(fail(Kind::HostCrash, format!("{error} in answer '{reply}'")))
            }),
            Err(RecvTimeoutError::Timeout) => {
                let _ = running.process.kill();
                let text = running.last_words();
                self.running = None;
                Err(fail(Kind::Hang, format!("within {patience:?}; {text}")))
            }
            Err(RecvTimeoutError::Disconnected) => {
                let text = running.last_words();
                self.running = None;
                Err(fail(Kind::HostCrash, text))
            }
        }
    }
}

impl Running {
    fn start(program: &PathBuf) -> io::Result<Running> {
        let mut process = Command::new(program)
            .arg("--child")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let missing = || io::Error::other("no pipe");
        let input = process.stdin.take().ok_or_else(missing)?;
        let output = process.stdout.take().ok_or_else(missing)?;
        let mut stderr = process.stderr.take().ok_or_else(missing)?;
        let (sender, replies) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { break };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let errors: Arc<Mutex<Vec<u8>>> = Arc::default();
        let kept = errors.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stderr.read(&mut buffer) {
                let mut kept = kept.lock().unwrap_or_else(|error| error.into_inner());
                kept.extend_from_slice(&buffer[..count]);
                let excess = kept.len().saturating_sub(4000);
                kept.drain(..excess);
            }
        });
        Ok(Running { process, input, replies, errors })
    }

    fn last_words(&mut self) -> String {
        let status =
            self.process.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        std::thread::sleep(Duration::from_millis(50));
        let errors = self.errors.lock().unwrap_or_else(|error| error.into_inner());
        let text = String::from_utf8_lossy(&errors);
        // The settings that were tried before the last are of no interest.
        let start = text.rfind("under ").unwrap_or(0);
        format!("{status}\n{}", &text[start..])
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
