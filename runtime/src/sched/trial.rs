//! Is it worth sharing processes with another worker?
//!
//! Processes that exchange many messages are faster on one worker: what two cores write in turns goes from one to the
//! other each time, and two workers need locked instructions. Which processes those are cannot be seen from here, so
//! it is tried: a worker that is alone and has processes to spare measures how much work it does in some time, and shares.
//! Then it is measured what all workers do together. If two do not do clearly more than one, or nobody comes to take what
//! is shared, one worker takes everything and keeps it for a while. Where several are awake, it is looked at again and again.
//!
//! Time is processor time of the workers, so that other programs on the machine count little. Work is counted in
//! reductions, and some for each slice. The same program does not always do the same kind of work, so a verdict may be
//! wrong; it holds for some milliseconds only.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What one worker has done; only that worker writes it, where it begins and ends to work, and now and then.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Done {
    work: AtomicU64,
    /// Nanoseconds of processor time.
    busy: AtomicU64,
}

impl Done {
    /// The calling thread, which is the worker's, has done so much work.
    pub(super) fn publish(&self, work: u64, now: u64) {
        self.work.store(work, Ordering::Relaxed);
        self.busy.store(processor_time().unwrap_or(now), Ordering::Relaxed);
    }
}

/// Nanoseconds that this thread has run.
fn processor_time() -> Option<u64> {
    #[cfg(unix)]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
    }
    #[cfg(not(unix))]
    None
}

/// How much all workers have done at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sample {
    /// Nanoseconds on the system's clock.
    time: u64,
    /// Work of all workers.
    work: u64,
    /// Their processor time.
    busy: u64,
}

impl Sample {
    /// What all have published by `time`.
    pub(super) fn new(time: u64, all: &[Done]) -> Sample {
        let sum = |of: fn(&Done) -> &AtomicU64| {
            all.iter().map(|done| of(done).load(Ordering::Relaxed)).sum()
        };
        Sample { time, work: sum(|done| &done.work), busy: sum(|done| &done.busy) }
    }

    /// Work for each nanosecond of processor time since an earlier sample.
    fn rate(self, since: Sample) -> f64 {
        // Each is read at another moment, so either may be behind what another worker has seen.
        let work = self.work.saturating_sub(since.work);
        let busy = self.busy.saturating_sub(since.busy);
        work as f64 / busy.max(1) as f64
    }

    /// Was there so much processor time since an earlier sample?
    fn is_behind(self, since: Sample, busy: u64) -> bool {
        self.busy >= since.busy + busy
    }
}

/// What the workers of a machine know together.
#[derive(Debug, Default)]
pub(crate) struct Trials {
    inner: Mutex<Trial>,
    /// Is it being tried? For a look without the lock; a stale value only delays the verdict.
    going_on: AtomicBool,
}

impl Trials {
    pub(super) fn look<R>(&self, look: impl FnOnce(&mut Trial) -> R) -> R {
        // Nothing that can panic runs under the lock.
        let mut inner = self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let seen = look(&mut inner);
        self.going_on.store(inner.goes_on(), Ordering::Relaxed);
        seen
    }

    #[inline]
    pub(super) fn going_on(&self) -> bool {
        self.going_on.load(Ordering::Relaxed)
    }
}

/// See the module text.
#[derive(Debug)]
pub(super) struct Trial {
    state: State,
    /// How long processes are kept when sharing is found to be worth nothing the next time, in nanoseconds.
    keep: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// A worker has been alone since then, or several were awake and nothing is known.
    Since(Sample),
    /// Processes were shared at this time, and nobody has taken them yet; alone, a worker did so much work in a
    /// nanosecond.
    Shared(u64, f64),
    /// They were taken when so much was done; alone, as before.
    Taken(Sample, f64),
    /// Sharing is worth it until this time; alone, as before.
    Worth(u64, f64),
    /// It is not until this time.
    Kept(u64),
}

/// For so much processor time, in nanoseconds, a worker measures what it does alone.
const ALONE: u64 = 150_000;

/// For so much it is measured what all do.
const TOGETHER: u64 = 400_000;

/// Another worker has so much time to take what is shared.
const PATIENCE: u64 = 2_000_000;

/// The least that workers together do in their processor time, of what one does alone: two do 1.2 times as much.
const LEAST: f64 = 0.6;

/// After so much time it is looked again at sharing that is worth it.
const WORTH: u64 = 10_000_000;

/// Processes are kept so long at first, and twice as long each time that sharing is found to be worth nothing.
const KEEP: u64 = 20_000_000;

/// At most so long.
const MAX_KEEP: u64 = 160_000_000;

impl Default for Trial {
    fn default() -> Trial {
        Trial { state: State::Since(Sample::default()), keep: KEEP }
    }
}

impl Trial {
    /// A worker is alone from now on.
    pub(super) fn alone(&mut self, now: Sample) {
        if let State::Since(_) | State::Worth(..) = self.state {
            self.state = State::Since(now);
        }
    }

    /// May a worker share processes now? `alone`: all others have nothing to do.
    pub(super) fn may_share(&mut self, now: Sample, alone: bool) -> bool {
        match self.state {
            State::Since(_) => {}
            State::Shared(..) | State::Taken(..) | State::Worth(..) => return true,
            State::Kept(until) if now.time < until => return false,
            State::Kept(_) => self.state = State::Since(now),
        }
        match self.state {
            State::Since(since) if alone && now.is_behind(since, ALONE) => {
                self.state = State::Shared(now.time, now.rate(since));
                true
            }
            _ => !alone,
        }
    }

    /// Is something being measured?
    fn goes_on(&self) -> bool {
        matches!(self.state, State::Shared(..) | State::Taken(..) | State::Worth(..))
    }

    /// Looks at what was done by now. `taken`: what was shared was taken. True if one worker is to take everything.
    pub(super) fn fails(&mut self, now: Sample, taken: bool) -> bool {
        match self.state {
            State::Shared(_, alone) if taken => self.state = State::Taken(now, alone),
            State::Shared(since, _) if now.time >= since + PATIENCE => {
                self.state = State::Kept(now.time + KEEP);
                return true;
            }
            State::Taken(since, alone) if now.is_behind(since, TOGETHER) => {
                if now.rate(since) < alone * LEAST {
                    self.state = State::Kept(now.time + self.keep);
                    self.keep = (self.keep * 2).min(MAX_KEEP);
                    return true;
                }
                (self.state, self.keep) = (State::Worth(now.time + WORTH, alone), KEEP);
            }
            State::Worth(until, alone) if now.time >= until => {
                self.state = State::Taken(now, alone)
            }
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All have done so much: the processor time is that of `workers` since the beginning.
    fn at(time: u64, work: u64, workers: u64) -> Sample {
        Sample { time, work, busy: time * workers }
    }

    /// A trial in which a worker alone does 1 in a nanosecond, and two do `rate` in a nanosecond of both; when it ends, and
    /// whether it fails.
    fn tried(trial: &mut Trial, from: u64, rate: f64) -> (u64, bool) {
        trial.alone(at(from, 0, 1));
        assert!(!trial.may_share(at(from + ALONE - 1, ALONE, 1), true));
        let mut now = from + ALONE;
        assert!(trial.may_share(at(now, ALONE, 1), true) && trial.goes_on());
        assert!(!trial.fails(at(now + PATIENCE - 1, 0, 1), false), "nobody has taken it yet");
        assert!(!trial.fails(at(now, 0, 2), true));
        assert!(trial.may_share(at(now, 0, 2), true), "there may be more to share");
        assert!(!trial.fails(at(now + TOGETHER / 2 - 1, 0, 2), true));
        now += TOGETHER / 2;
        (now, trial.fails(at(now, (TOGETHER as f64 * rate) as u64, 2), true))
    }

    #[test]
    fn what_is_worth_it_is_shared_and_looked_at_again() {
        let mut trial = Trial::default();
        let (end, fails) = tried(&mut trial, 5, 0.95);
        assert!(!fails);
        assert!(trial.may_share(at(end + WORTH - 1, 0, 2), true));
        assert!(!trial.fails(at(end + WORTH, 0, 2), true));
        assert!(trial.fails(at(end + WORTH + TOGETHER, TOGETHER, 2), true), "it is not any more");
        let mut trial = Trial::default();
        let (end, fails) = tried(&mut trial, 5, 0.65);
        assert!(!fails);
        assert!(!tried(&mut trial, end + WORTH, 0.65).1, "a worker was alone meanwhile");
    }

    #[test]
    fn what_is_not_is_kept_for_longer_each_time() {
        let mut trial = Trial::default();
        let mut now = 0;
        for keep in [KEEP, 2 * KEEP, 4 * KEEP] {
            let (end, fails) = tried(&mut trial, now, 0.55);
            assert!(fails);
            assert!(!trial.may_share(at(end + keep - 1, 0, 2), true));
            assert!(!trial.may_share(at(end + keep - 1, 0, 2), false));
            now = end + keep;
            assert!(!trial.may_share(at(now, 0, 1), true), "what it does alone is measured first");
        }
        assert_eq!(trial.keep, 8 * KEEP);
    }

    #[test]
    fn several_that_are_awake_share_without_a_trial() {
        let mut trial = Trial::default();
        assert!(trial.may_share(at(5, 0, 1), false) && !trial.goes_on());
        assert!(!trial.may_share(at(5, 0, 1), true));
        assert!(trial.may_share(at(ALONE, 0, 1), true) && trial.goes_on());
    }

    #[test]
    fn what_nobody_takes_is_taken_back() {
        let trials = Trials::default();
        assert!(trials.look(|trial| trial.may_share(at(ALONE, 0, 1), true)) && trials.going_on());
        assert!(trials.look(|trial| trial.fails(at(ALONE + PATIENCE, 9, 1), false)));
        assert!(!trials.going_on());
    }

    #[test]
    fn samples_are_what_all_have_published() {
        let all = [Done::default(), Done::default()];
        let before = Sample::new(0, &all);
        all[0].publish(5, 1);
        all[1].publish(7, 1);
        let after = Sample::new(3, &all);
        assert_eq!((after.time, after.work), (3, 12));
        assert!(after.rate(before) > 0.0 && after.is_behind(before, 1));
    }
}
