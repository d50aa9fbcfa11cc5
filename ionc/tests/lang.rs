//! The corpus: small programs in `tests/lang/AREA/`, in assembler (`.ionasm`) or Ion (`.ion`), that say in comments what
//! they must do, each run under every engine and setting.
//!
//! | Comment | Meaning |
//! |---|---|
//! | `// expect: LINE` | the next line of standard output; without any, nothing is printed |
//! | `// expect order: any` | lines of output in any order |
//! | `// expect result: Number: 42` | what main returns, as Debug shows it |
//! | `// expect exit: crash TEXT` | main crashes with this message |
//! | `// expect exit: killed`, `deadlock` | |
//! | `// expect stderr: TEXT` | standard error has this text; without any, it is empty |
//! | `// expect reductions: any` | the engines may notice the fault at different places |
//! | `// args: a b` | program arguments |
//! | `// max-heap: BYTES`, `// max-processes: N` | limits |
//! | `// max-atoms: N` | limit |
//! | `// max-mailbox: N drop-new` (or `drop-old`, `kill`, `block`) | limit of mailboxes |
//! | `// least ms: N` | the run takes at least so long |
//! | `// preempt: instruction`, `// timeslice: 3` | only under this setting |
//! | `// schedulers: 1` | what happens depends on the order in which one worker runs processes |
//! | `// settings: few` | only the default timeslice, without collections at every safepoint |
//!
//! Under one preemption mode and timeslice the engines must also agree on standard error and on the
//! number of reductions.

mod support;

use ion_runtime::bytecode::assemble_package;
use ion_runtime::ionpack::Package;
use ion_runtime::system::{Config, Engine, Overflow, Preempt};
use ionc::engine::ENGINES;
use ionc::ion::render::render;
use ionc::ion::{Options, Source};
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::{Ran, Setting, finish, lines, root, run, settings};

/// No program of the corpus takes nearly as long.
const LIMIT: Duration = Duration::from_secs(60);

/// What a program says about itself.
#[derive(Default)]
struct Expected {
    out: Vec<String>,
    any_order: bool,
    end: Option<String>,
    stderr: Vec<String>,
    args: Vec<String>,
    max_heap: Option<usize>,
    max_processes: Option<usize>,
    max_atoms: Option<usize>,
    max_mailbox: Option<(u32, Overflow)>,
    least: Duration,
    preempt: Option<Preempt>,
    timeslice: Option<u32>,
    few: bool,
    /// What happens depends on the order in which one worker runs processes.
    one_worker: bool,
    /// Reductions and the trace of a crash may differ between engines.
    loose: bool,
}

fn mailbox(value: &str) -> Result<(u32, Overflow), String> {
    let (limit, what) = value.split_once(' ').ok_or("write a limit and what happens beyond")?;
    Ok((limit.parse().map_err(|_| "not a limit")?, what.parse()?))
}

impl Expected {
    fn parse(text: &str) -> Result<Expected, String> {
        let mut expected = Expected::default();
        for line in text.lines() {
            let Some((key, value)) = line.strip_prefix("// ").and_then(|line| line.split_once(':'))
            else {
                continue;
            };
            let value = value.strip_prefix(' ').unwrap_or(value);
            let number = || value.parse::<usize>().map_err(|_| format!("not a number: {line}"));
            match key {
                "expect" => expected.out.push(value.to_owned()),
                "expect order" => expected.any_order = value == "any",
                "expect result" | "expect exit" => expected.end = Some(value.to_owned()),
                "expect stderr" => expected.stderr.push(value.to_owned()),
                "args" => expected.args = value.split(' ').map(str::to_owned).collect(),
                "max-heap" => expected.max_heap = Some(number()?),
                "max-mailbox" => expected.max_mailbox = Some(mailbox(value)?),
                "max-atoms" => expected.max_atoms = Some(number()?),
                "max-processes" => expected.max_processes = Some(number()?),
                "least ms" => expected.least = Duration::from_millis(number()? as u64),
                "preempt" if value == "instruction" => {
                    expected.preempt = Some(Preempt::Instruction)
                }
                "preempt" => expected.preempt = Some(Preempt::Safepoint),
                "timeslice" => expected.timeslice = Some(number()? as u32),
                "expect reductions" => expected.loose = value == "any",
                "schedulers" => expected.one_worker = number()? == 1,
                "settings" => expected.few = value == "few",
                _ if key.starts_with("expect") => return Err(format!("unknown comment: {line}")),
                _ => {}
            }
        }
        match expected.end {
            Some(_) => Ok(expected),
            None => Err("there is no '// expect result:' or '// expect exit:'".to_owned()),
        }
    }

    fn config(&self) -> Config {
        let default = Config::default();
        Config {
            max_heap: self.max_heap.unwrap_or(default.max_heap),
            max_processes: self.max_processes.unwrap_or(default.max_processes),
            max_atoms: self.max_atoms.unwrap_or(default.max_atoms),
            max_mailbox: self.max_mailbox,
            ..default
        }
    }

    /// Is the program meant for this setting?
    fn covers(&self, setting: Setting) -> bool {
        self.preempt.is_none_or(|preempt| preempt == setting.preempt)
            && self.timeslice.is_none_or(|timeslice| timeslice == setting.timeslice)
            && !(self.few && (setting.stress || setting.timeslice != 2000))
    }

    fn check(&self, ran: &Ran) -> Result<(), String> {
        let mut out = self.out.clone();
        if self.any_order {
            out.sort();
        }
        let printed = lines(&ran.out, self.any_order);
        if printed != out {
            return Err(format!("printed {printed:#?}\ninstead of {out:#?}\nstderr: {}", ran.err));
        }
        if Some(ran.end_text()) != self.end {
            let end = self.end.as_deref().unwrap_or_default();
            return Err(format!(
                "ended with\n{}\ninstead of\n{end}\nstderr: {}",
                ran.end_text(),
                ran.err
            ));
        }
        let missing = self.stderr.iter().find(|text| !ran.err.contains(text.as_str()));
        let quiet = self.stderr.is_empty()
            && !self.end.as_ref().is_some_and(|end| end.starts_with("crash "));
        if missing.is_some() || quiet && !ran.err.is_empty() {
            return Err(format!("standard error is\n{}\ninstead of {:#?}", ran.err, self.stderr));
        }
        if ran.time < self.least {
            return Err(format!("took {:?}, less than {:?}", ran.time, self.least));
        }
        Ok(())
    }
}

/// The package of an assembler or Ion text.
fn package(path: &Path, text: &str) -> Result<Package, String> {
    if path.extension().is_some_and(|extension| extension == "ionasm") {
        return assemble_package(text).map_err(|error| error.to_string());
    }
    let class = path.file_stem().unwrap_or_default().to_string_lossy();
    let source = Source::new(class.as_ref(), format!("{class}.ion"), text);
    let options = Options { needs_main: true, ..Options::default() };
    let sources =
        ionc::compile::add_named(vec![source], |_| None).map_err(|f| f.lines.join("\n"))?;
    let compiled = ionc::ion::compile(&sources, ionc::compile::natives(), &options);
    let shown = || compiled.diags.iter().map(|diag| render(diag, &sources, false)).collect();
    compiled.package.ok_or_else(shown)
}

/// Runs one program in every setting; the errors.
fn program(path: &Path) -> Vec<String> {
    let name = path.strip_prefix(folder()).unwrap_or(path).display().to_string();
    let text = std::fs::read_to_string(path).expect("readable");
    let parsed = Expected::parse(&text).and_then(|expected| Ok((expected, package(path, &text)?)));
    let (expected, package) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return vec![format!("{name}: {error}")],
    };
    let mut errors = Vec::new();
    for setting in settings(Engine::Interp).into_iter().filter(|setting| expected.covers(*setting))
    {
        let checked = engines_agree(&package, &expected, setting);
        errors.extend(checked.err().map(|error| format!("{name} ({error}")));
    }
    errors
}

fn engines_agree(package: &Package, expected: &Expected, setting: Setting) -> Result<(), String> {
    let mut first: Option<Ran> = None;
    // Images run the code that the compiler makes in memory: two settings show that they are loaded right.
    let covered = |engine: &&Engine| {
        **engine != Engine::Aot || !setting.stress && matches!(setting.timeslice, 3 | 2000)
    };
    for engine in ENGINES.iter().filter(covered) {
        let setting = Setting { engine: *engine, ..setting };
        let at = |error: String| format!("{setting}): {error}");
        let ran =
            run(package, setting.config(&expected.config()), &expected.args, LIMIT).map_err(at)?;
        expected.check(&ran).map_err(at)?;
        let Some(first) = &first else {
            first = Some(ran);
            continue;
        };
        // Times are real, so programs that wait for them may be charged for other numbers of tries.
        let loose = expected.loose || !expected.least.is_zero();
        if !loose && (first.stats.reductions, &first.err) != (ran.stats.reductions, &ran.err) {
            return Err(at(format!(
                "{} reductions instead of {}, standard error\n{}\ninstead of\n{}",
                ran.stats.reductions, first.stats.reductions, ran.err, first.err
            )));
        }
    }
    Ok(())
}

/// Runs one program on several workers, where only what it prints and how it ends must be the same.
fn on_several_workers(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("readable");
    let Ok(expected) = Expected::parse(&text) else { return Vec::new() };
    let Ok(package) = assemble_package(&text) else { return Vec::new() };
    if expected.one_worker || expected.preempt.is_some() || expected.timeslice.is_some() {
        return Vec::new();
    }
    let mut errors = Vec::new();
    for (engine, timeslice) in ENGINES.iter().flat_map(|engine| [(engine, 2000), (engine, 3)]) {
        let base = expected.config();
        let config = Config { engine: *engine, timeslice, schedulers: 3, ..base };
        let checked = run(&package, config, &expected.args, LIMIT)
            .and_then(|ran| expected.check(&ran))
            .map_err(|error| format!("{} ({engine:?}, {timeslice}): {error}", path.display()));
        errors.extend(checked.err());
    }
    errors
}

fn folder() -> PathBuf {
    root().join("ionc/tests/lang")
}

fn programs(area: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder().join(area)).expect("the folder exists");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    paths
}

/// Runs the programs of an area; `LANG_ONLY=PART_OF_A_NAME` picks some.
fn check(area: &str) {
    let wanted = std::env::var("LANG_ONLY").unwrap_or_default();
    let picked =
        programs(area).into_iter().filter(|path| path.display().to_string().contains(&wanted));
    finish(&picked.flat_map(|path| program(&path)).collect::<Vec<_>>());
}

macro_rules! areas {
    ($($area:ident)*) => {
        $(#[test] fn $area() { check(stringify!($area)); })*

        #[test]
        fn several_workers() {
            let areas = [$(stringify!($area)),*];
            let paths = areas.into_iter().flat_map(programs);
            finish(&paths.flat_map(|path| on_several_workers(&path)).collect::<Vec<_>>());
        }

        #[test]
        fn every_area_is_run() {
            let entries = std::fs::read_dir(folder()).expect("the folder exists");
            let names = entries.map(|entry| entry.expect("readable").file_name());
            let mut found: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
            found.sort();
            assert_eq!(found, [$(stringify!($area)),*]);
            let count: usize = found.iter().map(|area| programs(area).len()).sum();
            assert!(count >= 60, "only {count} programs");
        }
    };
}
areas! { actors arith calls closures compare control faults language library matching memory objects processes regress timing }
