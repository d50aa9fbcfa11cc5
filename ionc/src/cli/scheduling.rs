//! Options about which process runs when, and where.

use crate::failure::Failure;
use clap::builder::RangedU64ValueParser;
use ion_runtime::sched::worker::MAX_SCHEDULERS;
use ion_runtime::system::Config;

/// See the module text.
#[derive(clap::Args, Debug, Clone)]
pub struct Scheduling {
    /// Threads that run processes [default: one for each core; one with --seed, --virtual-time, --debug]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=MAX_SCHEDULERS as u64))]
    schedulers: Option<usize>,
    /// Seed of everything random; other than 0, also of the order in which processes run
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Let the clock jump to the next timer instead of waiting for it
    #[arg(long)]
    virtual_time: bool,
}

impl Scheduling {
    /// `base` with these settings.
    pub fn config(&self, base: Config) -> Result<Config, Failure> {
        let shuffle = self.seed.filter(|seed| *seed != 0);
        let one_only = match (shuffle, self.virtual_time) {
            (Some(_), _) => Some("--seed"),
            (None, true) => Some("--virtual-time"),
            (None, false) => None,
        };
        let alone = one_only.is_some() || self.seed.is_some() || base.debug;
        let schedulers = match self.schedulers {
            Some(count) => count,
            None if alone => 1,
            None => std::thread::available_parallelism().map_or(1, usize::from).min(MAX_SCHEDULERS),
        };
        if let Some(option) = one_only
            && schedulers > 1
        {
            let text =
                format!("{option} needs one scheduler, not {schedulers}; use --schedulers 1");
            return Err(Failure::usage(text));
        }
        let seed = self.seed.unwrap_or(base.seed);
        Ok(Config { schedulers, seed, shuffle, virtual_time: self.virtual_time, ..base })
    }
}
