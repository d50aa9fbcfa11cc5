//! Random numbers of programs: one sequence per process, decided by the run's seed and the process's
//! number, so that a run with a seed gives the same numbers in every engine.
//!
//! The generator is SplitMix64: good enough for simulations, and no secret. Not for cryptography.

/// A sequence of random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Random(u64);

impl Random {
    /// The sequence of the process with this number in a run with this seed.
    pub fn of_process(seed: u64, process: u64) -> Random {
        let mut run = Random(seed);
        Random(run.bits() ^ Random(process).bits())
    }

    /// The sequence of a seed that a program gives.
    pub fn of_seed(seed: u64) -> Random {
        Random(seed)
    }

    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// The next number from 0 up to, but not including, 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// The next whole number below `bound`, each equally likely.
    pub fn below(&mut self, bound: u64) -> u64 {
        // Lemire's method: reject what would make small results likelier.
        loop {
            let product = u128::from(self.bits()) * u128::from(bound);
            if product as u64 >= bound.wrapping_neg() % bound.max(1) {
                return (product >> 64) as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spread_and_repeatable() {
        let draw = |seed, process| {
            let mut random = Random::of_process(seed, process);
            (0..1000).map(|_| random.unit()).collect::<Vec<f64>>()
        };
        let numbers = draw(1, 1);
        assert_eq!(numbers, draw(1, 1));
        assert_ne!(numbers, draw(1, 2));
        assert_ne!(numbers, draw(2, 1));
        assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
        let mean = numbers.iter().sum::<f64>() / 1000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
        let mut random = Random::of_seed(7);
        let mut seen = [0; 6];
        (0..600).for_each(|_| seen[random.below(6) as usize] += 1);
        assert!(seen.iter().all(|&count| count > 60), "{seen:?}");
        assert_eq!(random.below(1), 0);
    }
}
