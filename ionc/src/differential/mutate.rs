//! Damaged packages: bytes of valid class files changed at random. Most are refused when they are
//! read or verified; whatever passes must run like any other program.

use super::compare::{Failure, Kind};
use super::generate::{self, timeouts_are_timeless};
use super::rng::Rng;
use crate::samples::SAMPLES;
use ion_runtime::bytecode::{ClassFile, verify_package};
use ion_runtime::ionpack::Package;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Mutations tried for one seed until one passes.
const TRIES: usize = 20;

/// The damaged package of a seed, if one of a few still verifies and does not look at the clock.
pub fn mutant(seed: u64) -> Result<Option<Package>, Failure> {
    let rng = &mut Rng::new(seed ^ 0xdead_beef);
    let original = if rng.chance(40) {
        rng.pick(SAMPLES).package()
    } else {
        generate::program(rng.bits() % 5000).package
    };
    for _ in 0..TRIES {
        if let Some(package) = once(rng, &original)? {
            return Ok(Some(package));
        }
    }
    Ok(None)
}

fn once(rng: &mut Rng, original: &Package) -> Result<Option<Package>, Failure> {
    let mut package = original.clone();
    let class = rng.below(package.classes.len());
    let Ok(mut bytes) = package.classes[class].file.encode() else { return Ok(None) };
    for _ in 0..rng.between(1, 4) {
        damage(rng, &mut bytes);
    }
    let checked = catch_unwind(AssertUnwindSafe(|| {
        package.classes[class].file = ClassFile::decode(&bytes).ok()?;
        verify_package(&package, &[]).ok()?;
        Some(package)
    }));
    match checked {
        Ok(package) => Ok(package.filter(timeouts_are_timeless)),
        Err(_) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            Err(Failure { kind: Kind::Panic, text: format!("reading the class file {hex}") })
        }
    }
}

/// One change of a few bytes.
fn damage(rng: &mut Rng, bytes: &mut [u8]) {
    if bytes.is_empty() {
        return;
    }
    let at = rng.below(bytes.len());
    match rng.below(8) {
        0 => bytes[at] ^= 1 << rng.below(8),
        1 => bytes[at] = rng.bits() as u8,
        2 => bytes[at] = *rng.pick(&[0, 1, 2, 15, 16, 127, 128, 255]),
        // An opcode or a small number for another.
        3..=5 => bytes[at] = rng.below(0x24) as u8,
        6 => {
            // A few bytes from elsewhere.
            let from = rng.below(bytes.len());
            let count = rng.between(1, 8).min(bytes.len() - at).min(bytes.len() - from);
            let piece = bytes[from..from + count].to_vec();
            bytes[at..at + count].copy_from_slice(&piece);
        }
        _ => {
            let end = (at + rng.between(1, 8)).min(bytes.len());
            bytes[at..end].fill(0);
        }
    }
}
