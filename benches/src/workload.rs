//! The table of workloads.
//!
//! A program in `workloads/` is complete and runs as it is (`ionc run fib.ionasm`). Its sizes are the
//! numbers of the lines that end in `//= NAME`; [`Workload::source`] puts others there.

/// A workload.
#[derive(Debug)]
pub struct Workload {
    /// Name, also that of its files.
    pub name: &'static str,
    /// What it does, in a few words.
    pub title: &'static str,
    /// What the times are divided by.
    pub operation: &'static str,
    /// Sizes, in the order in which peers take them.
    pub sizes: &'static [Size],
    /// How many operations a run has, from the sizes and the result.
    pub operations: fn(&[u64], f64) -> f64,
    /// Computing alone, or with many processes.
    pub kind: Kind,
    /// Our figure divided by the best rival's that the project aims at: time; where memory counts, bytes; where
    /// single waits count, the median and the 99th percentile of them.
    pub target: Option<f64>,
    text: &'static str,
    /// The same program in Ion.
    ion: &'static str,
}

/// Kinds of workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One process; the rivals are LuaJIT, Node and Erlang.
    Compute,
    /// Many processes; the rival is Erlang.
    Actors,
    /// Processes that sleep: what counts is the time on the wall.
    Waiting,
    /// Processes that only exist: what counts is memory.
    Memory,
    /// Single waits: what counts is how long they take, most of them and the longest. The program prints them in
    /// milliseconds, a line each.
    Latency,
}

/// A size of a workload.
#[derive(Debug)]
pub struct Size {
    /// As in the program.
    pub name: &'static str,
    /// For comparisons with peers.
    pub full: u64,
    /// For criterion.
    pub bench: u64,
    /// For tests of the benches.
    pub smoke: u64,
}

/// How large a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Comparisons with peers.
    Full,
    /// Benches.
    Bench,
    /// Tests.
    Smoke,
}

impl Workload {
    /// The workload of this name.
    pub fn find(name: &str) -> Option<&'static Workload> {
        WORKLOADS.iter().find(|workload| workload.name == name)
    }

    /// Does its time depend on what it waits for?
    pub fn waits(&self) -> bool {
        matches!(self.kind, Kind::Waiting | Kind::Latency)
    }

    /// Its sizes at this scale.
    pub fn sizes_at(&self, scale: Scale) -> Vec<u64> {
        let size = |size: &Size| match scale {
            Scale::Full => size.full,
            Scale::Bench => size.bench,
            Scale::Smoke => size.smoke,
        };
        self.sizes.iter().map(size).collect()
    }

    /// The sizes with their names: `N = 32`.
    pub fn describe(&self, sizes: &[u64]) -> String {
        let pairs = self.sizes.iter().zip(sizes);
        let texts: Vec<_> = pairs.map(|(size, value)| format!("{} = {value}", size.name)).collect();
        texts.join(", ")
    }

    /// The program with these sizes.
    pub fn source(&self, sizes: &[u64]) -> String {
        let mut lines: Vec<_> =
            self.text.lines().map(|line| self.with_sizes(line, sizes)).collect();
        lines.push(String::new());
        lines.join("\n")
    }

    /// The program in Ion with these sizes: lines `const N = 32; //= N`.
    pub fn ion_source(&self, sizes: &[u64]) -> String {
        let line = |line: &str| match line.split_once("; //= ") {
            Some((_, name)) => {
                let index = self.sizes.iter().position(|size| size.name == name.trim());
                let value = index.and_then(|index| sizes.get(index));
                value.map_or(line.to_owned(), |value| format!("const {name} = {value};"))
            }
            None => line.to_owned(),
        };
        self.ion.lines().map(|text| line(text) + "\n").collect()
    }

    /// `load_const r1, 32  //= N` with another number.
    fn with_sizes(&self, line: &str, sizes: &[u64]) -> String {
        let Some((code, name)) = line.split_once("//= ") else { return line.to_owned() };
        let index = self.sizes.iter().position(|size| size.name == name.trim());
        let (Some(value), Some((front, _))) =
            (index.and_then(|i| sizes.get(i)), code.rsplit_once(' '))
        else {
            return line.to_owned();
        };
        // The number is the last word before the blanks in front of the comment.
        let front = front.trim_end();
        let front = front.rsplit_once(' ').map_or(front, |(front, _)| front);
        format!("{front} {value}")
    }
}

/// The number that `Debug` shows as `Number: 225`.
pub fn number(text: &str) -> Result<f64, String> {
    let digits = text.strip_prefix("Number: ").ok_or_else(|| format!("result is {text}"))?;
    digits.parse().map_err(|_| format!("result is {text}"))
}

fn first(sizes: &[u64]) -> f64 {
    sizes.first().copied().unwrap_or(1) as f64
}

macro_rules! workloads {
    ($($name:literal $title:literal, per $operation:literal, $kind:ident $([$target:literal])?,
       $($size:ident = $full:literal/$bench:literal/$smoke:literal),+; $operations:expr;)*) => {
        /// All workloads.
        pub static WORKLOADS: &[Workload] = &[$(Workload {
            name: $name,
            title: $title,
            operation: $operation,
            sizes: &[$(Size { name: stringify!($size), full: $full, bench: $bench, smoke: $smoke }),+],
            operations: $operations,
            kind: Kind::$kind,
            target: [$(Some($target),)? None][0],
            text: include_str!(concat!("../workloads/", $name, ".ionasm")),
            ion: include_str!(concat!("../workloads/", $name, ".ion")),
        }),*];
    };
}

workloads! {
    "fib" "recursive Fibonacci", per "call", Compute [0.5], N = 32/24/10; |_, result| calls_of_fib(result);
    "loop" "sum of numbers in a loop", per "round", Compute [0.9], N = 100_000_000/1_000_000/1000; |n, _| first(n);
    "mandelbrot" "Mandelbrot set, 50 rounds", per "round", Compute [0.95], N = 400/64/8; |_, result| result;
    "nbody" "five bodies, objects with fields", per "step", Compute [1.0], N = 200_000/2000/5; |n, _| first(n);
    "spectral" "spectral norm, arrays of numbers", per "element", Compute [1.0], N = 200/50/5; |n, _| 40.0 * first(n) * first(n);
    "sieve" "sieve of Eratosthenes, an array", per "number", Compute [0.35], N = 1_000_000/50_000/100; |n, _| first(n);
    "method_one" "method of a prototype, one shape", per "call", Compute [0.7], N = 10_000_000/200_000/100; |n, _| first(n);
    "method_four" "method of prototypes, four shapes", per "call", Compute [1.0], N = 2_500_000/50_000/25; |n, _| 4.0 * first(n);
    "closure" "closure that captured a number", per "call", Compute [0.7], N = 10_000_000/200_000/100; |n, _| first(n);
    "string" "text built by appending", per "append", Compute [0.5], N = 1_000_000/50_000/100; |n, _| first(n);
    "trees" "binary trees, allocation", per "node", Compute [0.5], N = 16/10/6; |_, result| result;
    "match" "dispatch over eight tagged tuples", per "dispatch", Compute [0.75], N = 1_000_000/20_000/10; |n, _| 8.0 * first(n);
    "property" "property read and written", per "round", Compute, N = 10_000_000/200_000/100; |n, _| first(n);
    "pingpong" "round trips between two processes", per "round trip", Actors [0.1], N = 1_000_000/20_000/100; |n, _| first(n);
    "ring" "a number round a ring", per "hop", Actors [0.16], P = 1000/1000/10, N = 1_000_000/50_000/100; |n, _| n[1] as f64;
    "spawn_seq" "spawn and end, one after the other", per "process", Actors [0.1], N = 1_000_000/20_000/100; |n, _| first(n);
    "spawn_flood" "spawn all, then collect", per "process", Actors [0.25], N = 1_000_000/20_000/100; |n, _| first(n);
    "skynet" "tree of processes", per "leaf", Actors [0.08], N = 1_000_000/10_000/100; |n, _| first(n);
    "one_to_one" "messages from one to one", per "message", Actors [0.16], N = 10_000_000/100_000/100; |n, _| first(n);
    "hundred_to_one" "messages from a hundred to one", per "message", Actors [0.12], N = 10_000/500/2; |n, _| 100.0 * first(n);
    "big" "all to all, with answers", per "message", Actors [0.12], P = 200/50/10, N = 10/5/2; |n, _| (2 * n[0] * (n[0] - 1) * n[1]) as f64;
    "copy" "message of 100 leaves and its answer", per "round trip", Actors [0.08], N = 1_000_000/5000/10; |n, _| first(n);
    "poll_empty" "receive with timeout 0, nothing there", per "receive", Actors [0.3], N = 10_000_000/100_000/100; |n, _| first(n);
    "poll_ready" "receive with timeout, message there", per "receive", Actors [0.3], N = 10_000_000/100_000/100; |n, _| first(n);
    "timeout_armed" "round trip, timeout armed and cancelled", per "round trip", Actors [0.1], N = 1_000_000/20_000/100; |n, _| first(n);
    "timers" "random waits of up to a second", per "process", Waiting, N = 100_000/1000/10; |n, _| first(n);
    "overshoot" "how late timers of up to a second are", per "timer", Latency, N = 100_000/1000/10; |n, _| first(n);
    "fairness" "round trips beside an endless loop per core", per "round trip", Latency [0.5], LOOPS = 1/1/1, N = 20_000/1000/10; |n, _| n[1] as f64;
    "idle" "processes that wait for a message", per "process", Memory, N = 1_000_000/10_000/10; |n, _| first(n);
    "idle_fewer" "the same, a tenth of them", per "process", Memory, N = 100_000/10_000/10; |n, _| first(n);
}

/// `fib(n)` makes `2 fib(n + 1) - 1` calls; the next number of the sequence is the result times the golden ratio.
fn calls_of_fib(result: f64) -> f64 {
    2.0 * (result * (1.0 + 5f64.sqrt()) / 2.0).round() - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Prepared;
    use ion_runtime::system::Engine;

    #[test]
    fn sizes_are_replaced() {
        for workload in WORKLOADS {
            for size in workload.sizes {
                let marks = workload.text.matches(&format!("//= {}\n", size.name)).count();
                assert_eq!(marks, 1, "{} has one place for {}", workload.name, size.name);
            }
            let sizes: Vec<_> = (0..workload.sizes.len() as u64).map(|i| 98_765 + i).collect();
            for size in &sizes {
                assert!(
                    workload.source(&sizes).contains(&format!(", {size}\n")),
                    "{}",
                    workload.name
                );
            }
        }
    }

    #[test]
    fn calls_are_counted() {
        assert_eq!(calls_of_fib(55.0), 177.0);
        assert_eq!(calls_of_fib(2_178_309.0), 7_049_155.0);
    }

    /// The programs in Ion compute the same as the assembled ones.
    #[test]
    fn ion_agrees() {
        for workload in WORKLOADS.iter().filter(|workload| !workload.waits()) {
            let sizes = workload.sizes_at(Scale::Smoke);
            for size in &sizes {
                let source = workload.ion_source(&sizes);
                assert!(source.contains(&format!(" = {size};\n")), "{}", workload.name);
            }
            let assembled =
                Prepared::new(workload, &sizes, Engine::Interp).and_then(|run| run.run());
            for engine in [Engine::Interp, Engine::Jit] {
                let ion = Prepared::of_ion(workload, &sizes, engine).and_then(|run| run.run());
                let assembled = assembled.as_ref().map(|sample| sample.result);
                assert_eq!(
                    ion.as_ref().map(|sample| sample.result),
                    assembled,
                    "{}",
                    workload.name
                );
            }
        }
    }

    #[test]
    fn engines_agree() {
        for workload in WORKLOADS.iter().filter(|workload| !workload.waits()) {
            let sizes = workload.sizes_at(Scale::Smoke);
            let result = |engine| {
                Prepared::new(workload, &sizes, engine).and_then(|run| run.run()).unwrap().result
            };
            assert_eq!(result(Engine::Interp), result(Engine::Jit), "{}", workload.name);
        }
    }
}
