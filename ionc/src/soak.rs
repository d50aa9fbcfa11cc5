//! The soak test: a program that keeps many processes busy with random requests, crashes, links, timers and
//! kills, on all workers, for a given time; then everything must be accounted for.

use crate::compile::compile;
use crate::failure::Failure;
use crate::ion::{Options, Source};
use crate::{machine, output};
use clap::value_parser;
use ion_runtime::system::{Config, Engine};
use ion_runtime::vm::{MainEnd, Outputs};
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::{Duration, Instant};

const PROGRAM: &str = include_str!("soak/soak.ion");

const EXAMPLES: &str = "\
Example:
  ion-soak --time 10m --processes 100000

Exit status: 1 if an answer or the news of an end is missing, if a process is left over at the end, if memory
grows, or if the program does not end.";

/// Keep the machine under load for some time and check that nothing gets lost
#[derive(clap::Parser, Debug, Clone)]
#[command(version, after_help = EXAMPLES)]
pub struct Args {
    /// How long: 30s, 5m, 1h
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = crate::cli::diff::parse_time)]
    time: Duration,
    /// Processes that live at one time
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = value_parser!(u32).range(1..))]
    processes: u32,
    /// Processes that give the others work
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = value_parser!(u32).range(1..))]
    managers: u32,
    /// Threads that run processes
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = value_parser!(u32).range(1..=1000))]
    schedulers: u32,
    /// Compile all functions before running
    #[arg(long)]
    jit: bool,
    /// Seed of the requests
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// How long the program may take beyond its time: it waits a minute for an answer before it gives up.
const GRACE: Duration = Duration::from_secs(90);

/// Growth of memory that is no leak: by this factor, and so many bytes.
const GROWTH: (f64, u64) = (1.25, 32 << 20);

/// What the program says at its end.
#[derive(Debug, PartialEq)]
struct Sums {
    sent: u64,
    replies: u64,
    ends: u64,
    lost: u64,
    left: u64,
}

impl Sums {
    fn parse(line: &str) -> Option<Sums> {
        let numbers: Result<Vec<u64>, _> = line.trim().split(", ").map(str::parse).collect();
        let [sent, replies, ends, lost, left] = numbers.ok()?[..] else { return None };
        Some(Sums { sent, replies, ends, lost, left })
    }

    fn wrong(&self) -> Option<String> {
        let Sums { sent, replies, ends, lost, left } = self;
        if *lost > 0 || *sent != replies + ends {
            return Some(format!(
                "{sent} requests, but {replies} replies and {ends} ends; {lost} waits in vain"
            ));
        }
        (*left != 1).then(|| format!("{left} processes are left over instead of 1"))
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    let source = Source::new("Soak", "soak.ion", PROGRAM);
    let package = compile(&[source], &Options { needs_main: true, ..Options::default() })?.package;
    let config = Config {
        engine: if args.jit { Engine::Jit } else { Engine::Interp },
        schedulers: args.schedulers as usize,
        seed: args.seed,
        ..Config::default()
    };
    let size = args.processes.div_ceil(args.managers);
    let words = [args.managers.to_string(), size.to_string(), args.time.as_millis().to_string()];
    let (_, out, _) = Outputs::captured();
    // Crashes are a part of the program; their reports are not kept.
    let outputs = Outputs {
        out: Mutex::new(Box::new(out.clone())),
        err: Mutex::new(Box::new(std::io::sink())),
    };
    let (sender, receiver) = mpsc::channel();
    let started = Instant::now();
    std::thread::spawn(move || {
        // Nobody listens if it comes too late.
        let _ = sender.send(machine::run(&package, config, outputs, &words));
    });
    let mut memory = Vec::new();
    let ended = loop {
        match receiver.recv_timeout(Duration::from_millis(500)) {
            Ok(ended) => break ended?,
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(Failure::new("the machine panicked"));
            }
            Err(mpsc::RecvTimeoutError::Timeout) => memory.push(resident()),
        }
        if started.elapsed() > args.time + GRACE {
            return Err(Failure::new(format!("still running {GRACE:?} after its time")));
        }
    };
    if let MainEnd::Result(_) = ended.end {
    } else {
        return Err(Failure::new(format!("the main process ended with {:?}", ended.end)));
    }
    let sums = Sums::parse(&out.text());
    let sums = sums.ok_or_else(|| Failure::new("the program did not print its sums"))?;
    if let Some(wrong) = sums.wrong() {
        return Err(Failure::new(wrong));
    }
    let (early, late) = flat(&memory)?;
    let stats = ended.stats;
    output::print(&format!(
        "{} requests: {} replies, {} ends; {} processes, {} messages, {} crashes in {:.1} s; \
         memory {early} MB, at the end {late} MB\n",
        sums.sent,
        sums.replies,
        sums.ends,
        stats.processes,
        stats.messages,
        stats.crashes,
        started.elapsed().as_secs_f64(),
    ));
    Ok(())
}

/// The largest memory in the second quarter and in the last one of the time, in MB.
fn flat(memory: &[u64]) -> Result<(u64, u64), Failure> {
    let quarter = memory.len() / 4;
    let most = |part: &[u64]| part.iter().copied().max().unwrap_or_default();
    let (early, late) = (most(&memory[quarter..2 * quarter]), most(&memory[3 * quarter..]));
    let (factor, bytes) = GROWTH;
    if quarter >= 2 && late > (early as f64 * factor) as u64 + bytes {
        return Err(Failure::new(format!("memory grew from {early} to {late} bytes")));
    }
    Ok((early >> 20, late >> 20))
}

/// Resident memory of this process in bytes; 0 where the system does not tell.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
    pages.unwrap_or_default() * 4096
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn sums_must_add_up() {
        let sums = Sums::parse("10, 7, 3, 0, 1\n").expect("five numbers");
        assert_eq!(sums.wrong(), None);
        assert!(Sums { lost: 1, ..sums }.wrong().is_some());
        assert!(Sums::parse("10, 6, 3, 0, 1").expect("five numbers").wrong().is_some());
        assert!(Sums::parse("10, 7, 3, 0, 2").expect("five numbers").wrong().is_some());
        assert_eq!(Sums::parse("10, 7"), None);
    }

    #[test]
    fn memory_that_grows_is_found() {
        assert!(flat(&[100 << 20; 40]).is_ok());
        let growing: Vec<u64> = (0..40).map(|i| (100 + 10 * i) << 20).collect();
        assert!(flat(&growing).is_err());
    }

    #[test]
    fn a_short_run_loses_nothing() {
        for options in [&["--schedulers", "1"][..], &["--schedulers", "2"], &["--jit"]] {
            let common = ["ion-soak", "--time", "2s", "--processes", "200", "--managers", "4"];
            let args = Args::parse_from(common.iter().chain(options));
            if let Err(failure) = run(&args) {
                panic!("{options:?}: {:?}", failure.lines);
            }
        }
    }
}
