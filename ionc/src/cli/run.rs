//! `ionc run`: runs a package.

use super::scheduling::Scheduling;
use super::{reports, signals};
use crate::failure::Failure;
use crate::standalone::any_seed;
use crate::{load, machine, output, stats};
use clap::builder::RangedU64ValueParser;
use clap::{ValueEnum, value_parser};
use ion_runtime::ionpack::Package;
use ion_runtime::permissions::{FileUse, NativeLibraries, Permissions};
use ion_runtime::system::{Config, DEFAULT_TIMESLICE, Engine, Overflow, Preempt};
use ion_runtime::vm::Control;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  ionc run app.ion
  ionc run actors.ionpack
  ionc run --print-result --max-heap 64m job.ionpack input.txt
  ionc run actors.so
  ionc run --timeslice 3 --preempt instruction preemption.ionpack

What 'ionc aot' has made holds machine code: run such files only from people you trust.
Standard output carries what the program prints and nothing else.
Exit status: 0 if the main process returned; 1 if it crashed, was killed or waits for ever, or if
the package cannot be run; 2 for wrong usage.";

/// Run a package
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Compile all functions before running
    #[arg(long, conflicts_with = "interp")]
    jit: bool,
    /// Interpret everything. By default what is hot is compiled while the program runs
    #[arg(long)]
    interp: bool,
    /// When the program has ended, say on standard error what was compiled and counted
    #[arg(long, value_enum, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "text")]
    stats: Option<StatsForm>,
    /// Crashes, warnings, deadlocks and other reports of the machine on standard error as JSON, an object on
    /// each line
    #[arg(long)]
    json: bool,
    /// Trace processes, messages and instructions on standard error
    #[arg(long, short)]
    debug: bool,
    /// Reductions that a process may spend before the next one runs
    #[arg(long, value_name = "N", default_value_t = DEFAULT_TIMESLICE, value_parser = value_parser!(u32).range(1..))]
    timeslice: u32,
    /// Where processes may be preempted
    #[arg(long, value_enum, default_value_t, value_name = "WHERE")]
    preempt: PreemptArg,
    /// Most memory that one process may keep: bytes, or a number with k, m or g
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_heap: Option<usize>,
    /// Most processes at one time
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    max_processes: Option<usize>,
    /// Most messages in a mailbox, and what happens beyond: N or N:drop-new drops the new one, N:drop-old the
    /// oldest one, N:block lets the sender wait, N:kill ends the receiver
    #[arg(long, value_name = "N[:WHAT]", value_parser = parse_mailbox)]
    max_mailbox: Option<(u32, Overflow)>,
    /// Most atoms, which are never freed; those of the program count
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    max_atoms: Option<usize>,
    #[command(flatten)]
    scheduling: Scheduling,
    #[command(flatten)]
    permissions: PermissionArgs,
    /// A folder with packages that the package needs: the Dependencies of its manifest
    #[arg(long, value_name = "DIR")]
    packages: Vec<PathBuf>,
    /// Print what the main process returned, as the last line
    #[arg(long)]
    print_result: bool,
    /// Collect garbage at every safepoint (for tests of the machine)
    #[arg(long, hide = true)]
    stress_collect: bool,
    /// The package, an Ion source (.ion), the folder of a project, or an assembler text (.ionasm); the
    /// project in this folder, if nothing is named
    #[arg(value_name = "PACK", default_value = ".")]
    pack: PathBuf,
    /// Arguments for the program's entry function
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// What the program may do outside of the machine: nothing, unless it is allowed.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct PermissionArgs {
    /// Let the program read files in a folder (may be repeated)
    #[arg(long, value_name = "DIR", help_heading = "Permissions")]
    allow_read: Vec<PathBuf>,
    /// Let the program write files in a folder (may be repeated)
    #[arg(long, value_name = "DIR", help_heading = "Permissions")]
    allow_write: Vec<PathBuf>,
    /// Let the program read variables of the environment
    #[arg(long, help_heading = "Permissions")]
    allow_env: bool,
    /// Load the package's native libraries, or those of this name (may be repeated)
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = "", help_heading = "Permissions")]
    allow_native: Vec<String>,
}

impl PermissionArgs {
    /// The permissions; folders must exist.
    pub fn permissions(&self) -> Result<Permissions, Failure> {
        let mut permissions = Permissions::default();
        permissions.env = self.allow_env;
        permissions.native = match self.allow_native.as_slice() {
            [] => NativeLibraries::None,
            names if names.iter().any(String::is_empty) => NativeLibraries::All,
            names => NativeLibraries::Named(names.to_vec()),
        };
        let read = self.allow_read.iter().map(|path| (FileUse::Read, "--allow-read", path));
        let write = self.allow_write.iter().map(|path| (FileUse::Write, "--allow-write", path));
        for (usage, option, path) in read.chain(write) {
            permissions
                .allow(usage, path)
                .map_err(|error| Failure::usage(format!("{option}={}: {error}", path.display())))?;
        }
        Ok(permissions)
    }
}

/// How the numbers of a run are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatsForm {
    /// For people
    Text,
    /// One line of JSON
    Json,
}

/// Where processes may be preempted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum PreemptArg {
    /// At calls, loops, messages and waits
    #[default]
    Safepoint,
    /// After every instruction
    Instruction,
}

/// A number of messages, and what happens beyond.
fn parse_mailbox(text: &str) -> Result<(u32, Overflow), String> {
    let (number, what) = text.split_once(':').unwrap_or((text, "drop-new"));
    let overflow = what.parse()?;
    match number.parse() {
        Ok(limit @ 1..) => Ok((limit, overflow)),
        _ => Err("write a number of messages such as '1000' or '1000:kill'".to_owned()),
    }
}

/// A number of bytes with an optional suffix k, m or g.
fn parse_size(text: &str) -> Result<usize, String> {
    let lower = text.to_ascii_lowercase();
    let number = lower.trim_end_matches("ib").trim_end_matches('b');
    let (digits, shift) = match number.as_bytes().last() {
        Some(b'k') => (&number[..number.len() - 1], 10),
        Some(b'm') => (&number[..number.len() - 1], 20),
        Some(b'g') => (&number[..number.len() - 1], 30),
        _ => (number, 0),
    };
    let wrong = || format!("write a number of bytes such as '{}'", "65536', '512k', '64m' or '2g");
    let count: usize = digits.parse().map_err(|_| wrong())?;
    let bytes = count.checked_mul(1 << shift).ok_or_else(|| "too large".to_owned())?;
    if bytes == 0 { Err("must be at least 1".to_owned()) } else { Ok(bytes) }
}

impl Args {
    fn config(&self) -> Result<Config, Failure> {
        let default = Config::default();
        self.scheduling.config(Config {
            timeslice: self.timeslice,
            preempt: match self.preempt {
                PreemptArg::Safepoint => Preempt::Safepoint,
                PreemptArg::Instruction => Preempt::Instruction,
            },
            engine: match (self.jit, self.interp) {
                (true, _) => Engine::Jit,
                (_, true) => Engine::Interp,
                _ => Engine::Tiered,
            },
            max_heap: self.max_heap.unwrap_or(default.max_heap),
            max_processes: self.max_processes.unwrap_or(default.max_processes),
            max_mailbox: self.max_mailbox,
            max_atoms: self.max_atoms.unwrap_or(default.max_atoms),
            seed: any_seed(),
            permissions: self.permissions.permissions()?,
            debug: self.debug,
            stress_collect: self.stress_collect,
            ..default
        })
    }
}

/// Runs the subcommand.
pub fn run(args: &Args) -> Result<(), Failure> {
    let started = std::time::Instant::now();
    let program = program_args(&args.args)?;
    let mut loaded = load::program(&args.pack)?;
    if !args.packages.is_empty() {
        // The code is that of the package alone.
        loaded.image = None;
        crate::packages::add(&mut loaded.package, &args.packages)?;
    }
    let (outputs, line) = output::standard();
    let within = |failure: Failure| failure.within(args.pack.display());
    let control = Control::new();
    signals::watch(&control, args.json);
    let mut config = Config { control: Some(control.clone()), ..args.config()? };
    if args.json {
        config = reports::as_json(config);
    }
    let (package, image) = (&loaded.package, loaded.image.as_ref());
    let run = machine::run_with_image(package, image, config, outputs, &program).map_err(within)?;
    let reported = signals::interrupted(&control, &run, args.json)
        .and_then(|()| reports::end(&run, args.print_result, &line, args.json).map_err(within));
    if let Some(form) = args.stats {
        let text = stats::text(&run, form == StatsForm::Json, started.elapsed());
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
    reported
}

/// Runs the package at `path` for the user.
pub fn run_file(
    path: &std::path::Path,
    config: Config,
    print_result: bool,
    args: &[OsString],
) -> Result<(), Failure> {
    let args = program_args(args)?;
    let package = load::package_to_run(path)?;
    run_package(&package, config, print_result, &args)
        .map_err(|failure| failure.within(path.display()))
}

/// Runs a package with the user's standard streams.
pub fn run_package(
    package: &Package,
    config: Config,
    print_result: bool,
    args: &[String],
) -> Result<(), Failure> {
    let (outputs, line) = output::standard();
    let run = machine::run(package, config, outputs, args)?;
    reports::end(&run, print_result, &line, false)
}

pub(super) fn program_args(args: &[OsString]) -> Result<Vec<String>, Failure> {
    let text = |(i, arg): (usize, &OsString)| {
        let arg = arg.to_str().map(str::to_owned);
        arg.ok_or_else(|| Failure::usage(format!("program argument {} is not UTF-8", i + 1)))
    };
    args.iter().enumerate().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_suffixes() {
        assert_eq!(parse_size("4096"), Ok(4096));
        assert_eq!(parse_size("64k"), Ok(64 << 10));
        assert_eq!(parse_size("2G"), Ok(2 << 30));
        assert_eq!(parse_size("3MiB"), Ok(3 << 20));
        for wrong in ["", "0", "k", "-1", "1.5g", "99999999999g", "1t"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
