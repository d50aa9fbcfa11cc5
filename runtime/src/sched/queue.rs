//! The run queue of one worker, which nobody else touches.
//!
//! Processes of normal priority go in the order in which they came. Those of high priority go before them and
//! those of low priority behind, but nobody starves: see [`RunQueue::pop`].
//!
//! A process that does not keep up with its messages is *eager*: it gets every second slice at most, in turns with
//! those of normal priority. Otherwise many senders would run before their one receiver does, and what they have
//! sent would wait in memory that no cache has any more. Nobody else waits for more than twice as long.
//!
//! Where only few are in the queue, a process that was woken by a message goes on with the *turn* of the sender, that is
//! with what is left of its slice, instead of going to the end. So two that talk need not wait for the slices of others
//! at each word, and the others wait for no more than a slice.

use super::random::Random;
use crate::value::Pid;
use std::collections::VecDeque;

/// Goes in the order in which it came.
pub(crate) const NORMAL: u8 = 0;
/// Goes before those of normal priority, most of the time.
pub(crate) const HIGH: u8 = 1;
/// Goes behind them.
pub(crate) const LOW: u8 = 2;
/// Has normal priority and does not keep up with its messages.
pub(crate) const EAGER: u8 = 3;

/// A process becomes eager if it has so many messages in its mailbox at the end of a slice.
const MANY: usize = 64;

/// An eager process that waits stays so if its last slice had so many reductions.
const LONG: u64 = 128;

/// The queue in which a process belongs after a slice of `used` reductions, at the end of which it had `messages` and
/// was `preempted`, or waits. `before`: the one in which it was.
#[inline]
pub(crate) fn belongs(before: u8, messages: usize, used: u64, preempted: bool) -> u8 {
    let eager = match preempted {
        true => messages >= MANY,
        false => before == EAGER && used >= LONG,
    };
    match before {
        NORMAL | EAGER if eager => EAGER,
        NORMAL | EAGER => NORMAL,
        other => other,
    }
}

/// So many others may be in the queue if a turn is to go on.
const FEW: usize = 4;

/// A turn goes on if this part of a slice is left.
const LEAST_PART: i64 = 16;

/// A process to run next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Picked {
    pub(crate) pid: Pid,
    /// It goes on with the turn of another one, of which so many reductions are left.
    pub(crate) left: Option<i64>,
}

/// See the module text.
#[derive(Debug, Default)]
pub(crate) struct RunQueue {
    /// The one that goes on with the turn, and the place in `normal` where it belongs if it does not.
    next: Option<(Pid, usize)>,

    normal: VecDeque<Pid>,
    eager: VecDeque<Pid>,
    high: VecDeque<Pid>,
    low: VecDeque<Pid>,
    /// Was the last one that had normal priority eager?
    was_eager: bool,
    /// How often there was a choice between priorities.
    choices: u32,
}

impl RunQueue {
    /// Puts a process at the end of those like it.
    #[inline]
    pub(crate) fn push(&mut self, pid: Pid, priority: u8) {
        let queue = match priority {
            NORMAL => &mut self.normal,
            EAGER => &mut self.eager,
            HIGH => &mut self.high,
            _ => &mut self.low,
        };
        queue.push_back(pid);
    }

    /// Puts a process into the queue that was woken by a message of the one that runs.
    #[inline]
    pub(crate) fn push_woken(&mut self, pid: Pid, priority: u8) {
        let few = self.next.is_none() && self.normal.len() <= FEW && self.eager.is_empty();
        if few && priority == NORMAL && self.high.is_empty() && self.low.is_empty() {
            self.next = Some((pid, self.normal.len()));
        } else {
            self.push(pid, priority);
        }
    }

    /// Is nothing in it?
    pub(crate) fn is_empty(&self) -> bool {
        self.next.is_none()
            && self.normal.is_empty()
            && self.eager.is_empty()
            && self.high.is_empty()
            && self.low.is_empty()
    }

    /// How many there are that another worker may have.
    #[inline]
    pub(crate) fn to_spare(&self) -> usize {
        self.normal.len()
    }

    /// Takes half of what another worker may have.
    pub(crate) fn spare(&mut self) -> impl Iterator<Item = Pid> {
        let half = self.normal.len() / 2;
        self.normal.drain(..half)
    }

    /// The process to run next. `turn`: what is left of the last slice, of so many reductions in all.
    #[inline]
    pub(crate) fn pick(&mut self, (left, all): (i64, i64)) -> Option<Picked> {
        if let Some((pid, place)) = self.next.take() {
            if left * LEAST_PART >= all {
                return Some(Picked { pid, left: Some(left) });
            }
            self.normal.insert(place, pid);
        }
        self.pop(None).map(|pid| Picked { pid, left: None })
    }

    /// The next process, whatever is left of a turn. `random` chooses among those of normal priority.
    #[inline]
    pub(crate) fn pop(&mut self, random: Option<&mut Random>) -> Option<Pid> {
        if let Some((pid, place)) = self.next.take() {
            self.normal.insert(place, pid);
        }
        if self.high.is_empty() && self.low.is_empty() {
            return self.pop_normal(random);
        }
        self.choices = self.choices.wrapping_add(1);
        match self.choices {
            choice if choice.is_multiple_of(64) => {
                let low = self.low.pop_front();
                low.or_else(|| self.pop_normal(random)).or_else(|| self.high.pop_front())
            }
            choice if choice.is_multiple_of(8) => {
                let normal = self.pop_normal(random);
                normal.or_else(|| self.low.pop_front()).or_else(|| self.high.pop_front())
            }
            _ => {
                let high = self.high.pop_front();
                high.or_else(|| self.pop_normal(random)).or_else(|| self.low.pop_front())
            }
        }
    }

    #[inline]
    fn pop_normal(&mut self, random: Option<&mut Random>) -> Option<Pid> {
        if let Some(random) = random {
            let all = self.normal.len() + self.eager.len();
            let chosen = if all > 1 { random.below(all as u64) as usize } else { 0 };
            return match chosen.checked_sub(self.normal.len()) {
                None => self.normal.remove(chosen),
                Some(chosen) => self.eager.remove(chosen),
            };
        }
        if !self.eager.is_empty() {
            self.was_eager = !self.was_eager || self.normal.is_empty();
            if self.was_eager {
                return self.eager.pop_front();
            }
        }
        self.normal.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(all: &[(u8, u32)]) -> RunQueue {
        let mut queue = RunQueue::default();
        for (priority, slot) in all {
            queue.push(Pid { slot: *slot, generation: 0 }, *priority);
        }
        queue
    }

    fn popped(queue: &mut RunQueue) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop(None)).map(|pid| pid.slot).collect()
    }

    #[test]
    fn eager_ones_take_turns_with_the_others() {
        let mut all =
            queue(&[(NORMAL, 1), (NORMAL, 2), (NORMAL, 3), (EAGER, 11), (EAGER, 12), (EAGER, 13)]);
        assert_eq!(popped(&mut all), [11, 1, 12, 2, 13, 3]);
        assert!(all.is_empty());
        let mut all = queue(&[(EAGER, 11), (EAGER, 12), (NORMAL, 1)]);
        assert_eq!((all.to_spare(), popped(&mut all)), (1, vec![11, 1, 12]));
    }

    #[test]
    fn a_turn_goes_on_while_something_is_left_of_it() {
        let pid = |slot| Pid { slot, generation: 0 };
        let mut all = queue(&[(NORMAL, 1), (NORMAL, 2)]);
        all.push_woken(pid(3), NORMAL);
        all.push_woken(pid(4), NORMAL);
        assert_eq!(all.pick((125, 2000)), Some(Picked { pid: pid(3), left: Some(125) }));
        assert_eq!(popped(&mut all), [1, 2, 4]);
        let mut all = queue(&[(NORMAL, 1)]);
        all.push_woken(pid(2), NORMAL);
        all.push_woken(pid(3), NORMAL);
        assert!(!all.is_empty());
        assert_eq!(all.pick((124, 2000)), Some(Picked { pid: pid(1), left: None }));
        assert_eq!(popped(&mut all), [2, 3]);
        let many: Vec<_> = (0..=FEW as u32).map(|slot| (NORMAL, slot)).collect();
        for others in [&many[..], &[(EAGER, 0)], &[(LOW, 0)]] {
            let mut all = queue(others);
            all.push_woken(pid(9), NORMAL);
            assert_eq!(all.pick((2000, 2000)).map(|picked| picked.left), Some(None));
        }
    }

    #[test]
    fn nobody_starves() {
        let mut all = queue(&[(NORMAL, 1), (LOW, 2)]);
        let high = Pid { slot: 0, generation: 0 };
        let mut seen = Vec::new();
        for _ in 0..128 {
            all.push(high, HIGH);
            seen.extend(all.pop(None).map(|pid| pid.slot));
        }
        assert_eq!(seen.iter().position(|slot| *slot == 1), Some(7));
        assert_eq!(seen.iter().position(|slot| *slot == 2), Some(15));
    }

    #[test]
    fn who_does_not_keep_up_with_messages_is_eager_until_it_does() {
        assert_eq!(belongs(NORMAL, MANY, 2000, true), EAGER);
        assert_eq!(belongs(NORMAL, MANY - 1, 2000, true), NORMAL);
        assert_eq!(belongs(NORMAL, 0, 2000, false), NORMAL);
        assert_eq!(belongs(EAGER, 0, LONG, false), EAGER);
        assert_eq!(belongs(EAGER, 0, LONG - 1, false), NORMAL);
        assert_eq!(belongs(HIGH, MANY, 2000, true), HIGH);
    }

    #[test]
    fn chance_chooses_among_all_of_normal_priority() {
        let mut random = Random::new(3);
        let mut seen = [0; 3];
        for _ in 0..300 {
            let mut all = queue(&[(NORMAL, 0), (NORMAL, 1), (EAGER, 2)]);
            seen[all.pop(Some(&mut random)).map_or(0, |pid| pid.slot) as usize] += 1;
        }
        assert!(seen.iter().all(|count| *count > 50), "{seen:?}");
    }
}
