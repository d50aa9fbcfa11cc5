//! The systems that are compared: how their programs are built and started.

use crate::child;
use ion_benches::workload::Workload;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A system that is there.
pub struct System {
    /// Name in tables.
    pub name: &'static str,
    kind: Kind,
    /// How many cores it may use.
    cores: u16,
    /// Where what was built for it is.
    built: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ours,
    C,
    Lua,
    Node,
    Erlang,
    Tokio,
}

/// What one run of a program said.
pub struct Run {
    /// Wall and processor time of each timed repetition, in nanoseconds.
    pub times: Vec<(f64, f64)>,
    /// The result.
    pub result: f64,
    /// Further figures by name.
    pub extra: BTreeMap<String, f64>,
}

/// Name, kind, how to ask for its version, the Debian package that has it.
const ALL: [(&str, Kind, &[&str], &str); 8] = [
    ("interp", Kind::Ours, &[], ""),
    ("jit", Kind::Ours, &[], ""),
    ("c", Kind::C, &["gcc", "--version"], "gcc"),
    ("luajit", Kind::Lua, &["luajit", "-v"], "luajit"),
    ("lua5.4", Kind::Lua, &["lua5.4", "-v"], "lua5.4"),
    ("node", Kind::Node, &["node", "--version"], "nodejs"),
    ("erlang", Kind::Erlang, &["erl", "+V"], "erlang-base"),
    ("tokio", Kind::Tokio, &["cargo", "--version"], "cargo"),
];

/// The systems that are installed, with their programs built; the others are named on standard error.
pub fn installed(only: &[String], cores: u16) -> Result<Vec<System>, String> {
    if let Some(unknown) =
        only.iter().find(|name| !ALL.iter().any(|entry| entry.0 == name.as_str()))
    {
        let names: Vec<_> = ALL.iter().map(|entry| entry.0).collect();
        return Err(format!("no system '{unknown}'; there are {}", names.join(", ")));
    }
    let mut systems = Vec::new();
    for (name, kind, probe, package) in ALL {
        if !only.is_empty() && !only.iter().any(|wanted| wanted == name) {
            continue;
        }
        if let [program, arg] = probe
            && quiet(Command::new(program).arg(arg)).is_err()
        {
            eprintln!(
                "{name} is left out: no '{program}' here (Debian: apt-get install {package})"
            );
            continue;
        }
        let system = System { name, kind, cores, built: built_directory()?.join(name) };
        match system.build() {
            Ok(()) => systems.push(system),
            Err(error) => eprintln!("{name} is left out: {error}"),
        }
    }
    Ok(systems)
}

/// Beside this program, so in the target directory.
fn built_directory() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    Ok(own.parent().unwrap_or(Path::new(".")).join("peers-built"))
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

impl System {
    /// Is it one of our engines?
    pub fn is_ours(&self) -> bool {
        self.kind == Kind::Ours
    }

    /// Where its program for `workload` is.
    fn source(&self, workload: &str) -> PathBuf {
        match self.kind {
            Kind::Ours => PathBuf::new(),
            Kind::C => sources().join("c").join(format!("{workload}.c")),
            Kind::Lua => sources().join("lua").join(format!("{workload}.lua")),
            Kind::Node => sources().join("js").join(format!("{workload}.mjs")),
            Kind::Erlang => sources().join("erlang").join(format!("bench_{workload}.erl")),
            Kind::Tokio => sources().join("tokio/src/workloads").join(format!("{workload}.rs")),
        }
    }

    /// Has it a program for this workload?
    pub fn has(&self, workload: &Workload) -> bool {
        self.is_ours() || self.source(workload.name).exists()
    }

    /// Compiles its programs where that is a step of its own.
    fn build(&self) -> Result<(), String> {
        std::fs::create_dir_all(&self.built).map_err(|error| error.to_string())?;
        match self.kind {
            Kind::Ours | Kind::Lua | Kind::Node => Ok(()),
            Kind::C => {
                for workload in ion_benches::WORKLOADS.iter().filter(|workload| self.has(workload))
                {
                    let mut gcc = Command::new("gcc");
                    gcc.args(["-O2", "-std=c11", "-o"]).arg(self.built.join(workload.name));
                    quiet(gcc.arg(self.source(workload.name)).arg("-lm"))?;
                }
                Ok(())
            }
            Kind::Erlang => {
                let mut erlc = Command::new("erlc");
                erlc.arg("-o").arg(&self.built).arg(sources().join("erlang/bench.erl"));
                for workload in ion_benches::WORKLOADS.iter().filter(|workload| self.has(workload))
                {
                    erlc.arg(self.source(workload.name));
                }
                quiet(&mut erlc)
            }
            Kind::Tokio => {
                let mut cargo = Command::new("cargo");
                cargo.args(["build", "--quiet", "--release", "--manifest-path"]);
                cargo.arg(sources().join("tokio/Cargo.toml")).arg("--target-dir").arg(&self.built);
                quiet(&mut cargo)
            }
        }
    }

    /// Runs its program for `workload`.
    pub fn run(
        &self,
        workload: &Workload,
        sizes: &[u64],
        warm: usize,
        repetitions: usize,
    ) -> Result<Run, String> {
        let mut command = match self.kind {
            Kind::Ours => {
                let mut command =
                    Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
                command.args([child::COMMAND, self.name, workload.name]);
                command
            }
            Kind::C => Command::new(self.built.join(workload.name)),
            Kind::Lua => {
                let mut command = Command::new(self.name);
                command.arg(sources().join("lua/bench.lua")).arg(workload.name);
                command
            }
            Kind::Node => {
                let mut command = Command::new("node");
                command.arg(sources().join("js/bench.mjs")).arg(workload.name);
                command
            }
            Kind::Erlang => {
                let mut command = Command::new("erl");
                // Schedulers that do not spin when idle; room for a million processes.
                let schedulers = format!("{0}:{0}", self.cores);
                command.args(["-noshell", "+S", &schedulers, "+sbwt", "none"]);
                command.args(["+P", "3000000", "-pa"]);
                command.arg(&self.built).args(["-run", "bench", "main", workload.name]);
                command
            }
            Kind::Tokio => {
                let mut command = Command::new(self.built.join("release/tokio-peer"));
                command.arg(workload.name);
                command
            }
        };
        command.env(child::CORES, self.cores.to_string());
        command.arg(warm.to_string()).arg(repetitions.to_string());
        command.args(sizes.iter().map(u64::to_string));
        let text = output(&mut command)?;
        parse(&text)
            .ok_or_else(|| format!("{} printed no times or no result: {}", self.name, text.trim()))
    }

    /// A command that starts the system, does nothing, and ends; none if that needs a program of its own.
    pub fn hello(&self) -> Option<Command> {
        let mut command = match self.kind {
            Kind::Ours => {
                let own = std::env::current_exe().ok()?;
                let ionc = own.with_file_name("ionc");
                if !ionc.exists() {
                    eprintln!(
                        "start-up of {} is left out: build it with 'cargo build --release -p ionc'",
                        self.name
                    );
                    return None;
                }
                let mut command = Command::new(ionc);
                command.arg("run").arg(format!("--{}", self.name));
                command.arg(sources().join("../../ionc/samples/hello.ionasm"));
                command
            }
            Kind::Lua => {
                let mut command = Command::new(self.name);
                command.args(["-e", "local answer = 42"]);
                command
            }
            Kind::Node => {
                let mut command = Command::new("node");
                command.args(["-e", "const answer = 42"]);
                command
            }
            Kind::Erlang => {
                let mut command = Command::new("erl");
                command.args(["-noshell", "-run", "erlang", "halt"]);
                command
            }
            Kind::C | Kind::Tokio => return None,
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Some(command)
    }
}

fn quiet(command: &mut Command) -> Result<(), String> {
    output(command).map(drop)
}

fn output(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot start {program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no message");
    Err(format!("{program} failed ({}): {line}", output.status))
}

fn parse(text: &str) -> Option<Run> {
    let mut run = Run { times: Vec::new(), result: f64::NAN, extra: BTreeMap::new() };
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["time", wall, cpu] => run.times.push((wall.parse().ok()?, cpu.parse().ok()?)),
            ["extra", name, value] => drop(run.extra.insert(name.to_owned(), value.parse().ok()?)),
            ["result", value] => run.result = value.parse().ok()?,
            _ => {}
        }
    }
    (!run.times.is_empty() && !run.result.is_nan()).then_some(run)
}
