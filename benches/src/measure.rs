//! Runs a workload in this process and takes its time.

use crate::workload::{Workload, number};
use ion_jit::Jit;
use ion_runtime::bytecode::assemble_package;
use ion_runtime::ionpack::Package;
use ion_runtime::system::{Config, Engine};
use ion_runtime::tier::{Compiler, CompilerStats};
use ion_runtime::vm::{self, Linked, MainEnd, Outputs};
use rustix::time::{ClockId, clock_gettime};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A workload that is assembled, linked and compiled; it can be run any number of times.
pub struct Prepared {
    linked: Linked,
    compiler: Option<Arc<dyn Compiler>>,
    config: Config,
    /// Time that assembling, verifying and linking took.
    pub link: Duration,
    /// Time that compiling took before the first run.
    pub compile: Duration,
}

/// One run.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// What the program returned.
    pub result: f64,
    /// Time on the wall clock.
    pub wall: Duration,
    /// Processor time of this whole process.
    pub cpu: Duration,
}

impl Prepared {
    /// Prepares `workload` for `engine`.
    pub fn new(workload: &Workload, sizes: &[u64], engine: Engine) -> Result<Prepared, String> {
        let started = Instant::now();
        let package = assemble_package(&workload.source(sizes))
            .map_err(|error| format!("{}: {error}", workload.name))?;
        Prepared::of_package(workload, &package, engine, started)
    }

    /// Prepares the Ion form of `workload` for `engine`.
    pub fn of_ion(workload: &Workload, sizes: &[u64], engine: Engine) -> Result<Prepared, String> {
        let started = Instant::now();
        let sources = [ionc::ion::Source::new("Main", "Main.ion", workload.ion_source(sizes))];
        let options = ionc::ion::Options { needs_main: true, ..Default::default() };
        let compiled = ionc::ion::compile(&sources, ionc::compile::natives(), &options);
        let package = compiled.package.ok_or_else(|| {
            let messages: Vec<&str> =
                compiled.diags.iter().map(|diag| diag.message.as_str()).collect();
            format!("{}: {}", workload.name, messages.join("; "))
        })?;
        Prepared::of_package(workload, &package, engine, started)
    }

    fn of_package(
        workload: &Workload,
        package: &Package,
        engine: Engine,
        started: Instant,
    ) -> Result<Prepared, String> {
        let failed = |text: String| format!("{}: {text}", workload.name);
        let config = Config { engine, max_processes: 1 << 25, ..Config::default() };
        let linked = Linked::new(package, &ion_ffi::registry::standard()).map_err(|errors| {
            failed(errors.first().map(ToString::to_string).unwrap_or_default())
        })?;
        let link = started.elapsed();
        let started = Instant::now();
        let compiler: Option<Arc<dyn Compiler>> = match engine {
            Engine::Jit => Some(Arc::new(
                Jit::new(&linked, &config).map_err(|error| failed(error.to_string()))?,
            )),
            _ => None,
        };
        Ok(Prepared { linked, compiler, config, link, compile: started.elapsed() })
    }

    /// Uses so many workers; without this, one.
    pub fn schedulers(&mut self, count: usize) {
        self.config.schedulers = count;
    }

    /// Runs it once; what it prints is lost.
    pub fn run(&self) -> Result<Sample, String> {
        self.run_with(Box::new(std::io::sink()))
    }

    /// Runs it once with a place for its output.
    pub fn run_with(&self, out: Box<dyn std::io::Write + Send>) -> Result<Sample, String> {
        let outputs =
            Outputs { out: Mutex::new(out), err: Mutex::new(Box::new(std::io::stderr())) };
        let (wall, cpu) = (Instant::now(), processor_time());
        let run = vm::run(&self.linked, self.config.clone(), self.compiler.clone(), outputs, &[])
            .map_err(|error| error.to_string())?;
        let (cpu, wall) = (processor_time().saturating_sub(cpu), wall.elapsed());
        match run.end {
            MainEnd::Result(text) => Ok(Sample { result: number(&text)?, wall, cpu }),
            end => Err(format!("ended with {end:?}")),
        }
    }

    /// What the compiler has done so far, forms compiled during runs included.
    pub fn compiled(&self) -> CompilerStats {
        self.compiler.as_ref().map(|compiler| compiler.stats()).unwrap_or_default()
    }
}

/// Processor time that this process has used, all threads together.
pub fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs().try_into().unwrap_or(0))
}

/// Memory of this process that is resident, in bytes; 0 where the system does not tell.
pub fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}
