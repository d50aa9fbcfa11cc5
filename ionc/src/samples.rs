//! The programs that come with `ionc`: assembler texts and what they print.

use ion_runtime::bytecode::assemble_package;
use ion_runtime::ionpack::Package;

/// A program that comes with `ionc`.
#[derive(Debug)]
pub struct Sample {
    /// Its name and that of its package file.
    pub name: &'static str,
    /// The assembler text; its first line is a comment that says what it shows.
    pub text: &'static str,
    /// What `ionc run --print-result` writes to standard output.
    pub expected: &'static str,
    /// Further arguments of `ionc run` that it is meant for.
    pub options: &'static [&'static str],
}

macro_rules! samples {
    ($($name:literal $([$($option:literal),*])?)*) => {
        /// All samples, simple ones first.
        pub const SAMPLES: &[Sample] = &[$(Sample {
            name: $name,
            text: include_str!(concat!("../samples/", $name, ".ionasm")),
            expected: include_str!(concat!("../samples/", $name, ".expected")),
            options: &[$($($option),*)?],
        }),*];
    };
}
samples! {
    "hello"
    "complex_object"
    "actors"
    "unified_actors"
    "pattern_matching"
    "closures"
    "pingpong"
    "worker_pool"
    "timeout"
    "preemption" ["--timeslice", "3", "--preempt", "instruction"]
}

/// The sample of this name; `-` and `_` are the same.
pub fn find(name: &str) -> Option<&'static Sample> {
    let name = name.replace('-', "_");
    SAMPLES.iter().find(|sample| sample.name == name)
}

impl Sample {
    /// What it shows, in a sentence.
    pub fn about(&self) -> &'static str {
        self.text.lines().next().unwrap_or("").trim_start_matches('/').trim()
    }

    /// The package.
    pub fn package(&self) -> Package {
        assemble_package(self.text).expect("a test assembles all samples")
    }

    /// The bytes of the package file; the same each time.
    pub fn bytes(&self) -> Vec<u8> {
        self.package().to_bytes().expect("a test writes all samples")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ion_runtime::bytecode::verify_package;

    #[test]
    fn samples_are_valid() {
        let registry = ion_ffi::registry::standard();
        for sample in SAMPLES {
            let report = verify_package(&sample.package(), &registry.names())
                .unwrap_or_else(|errors| panic!("{}: {errors:?}", sample.name));
            assert_eq!(report.warnings, [], "{}", sample.name);
            assert_eq!(Package::from_bytes(&sample.bytes()).expect("readable"), sample.package());
            assert!(sample.about().ends_with('.'), "{}: say what it shows", sample.name);
        }
    }

    #[test]
    fn names_may_have_dashes() {
        assert_eq!(find("unified-actors").map(|sample| sample.name), Some("unified_actors"));
        assert!(find("nothing").is_none());
    }
}
