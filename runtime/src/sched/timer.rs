//! Timers of one worker: a hierarchical wheel (G. Varghese and T. Lauck, "Hashed and hierarchical timing
//! wheels", 1987). Setting and cancelling take constant time, however many there are.
//!
//! Time is counted in ticks of 2^16 ns. A timer is kept at the level of the highest six bits in which its
//! tick differs from the present one; when the present tick reaches its place on a higher level, it moves
//! down. It never fires early, and fires at most a tick late by the wheel's own doing.
//!
//! Timers that are due at one look are given out in the order of their deadlines, and of setting if
//! these are equal.

/// Nanoseconds of a tick, as a power of two.
const TICK_BITS: u32 = 16;
const LEVEL_BITS: u32 = 6;
const SLOTS: usize = 1 << LEVEL_BITS;
const LEVELS: usize = 8;
const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Entry<T> {
    /// `None`: free.
    alarm: Option<T>,
    deadline: u64,
    /// Order of setting.
    order: u64,
    /// Which use of the entry; never 0, so that no key is.
    generation: u32,
    /// Its list, as level and slot.
    list: u16,
    /// Neighbours in its list; `next` also links free entries.
    before: u32,
    next: u32,
}

/// See the module text.
#[derive(Debug)]
pub(crate) struct Wheel<T> {
    entries: Vec<Entry<T>>,
    free: u32,
    /// First entries of the lists, by level and slot.
    lists: Box<[u32]>,
    /// Which lists of a level are not empty.
    occupied: [u64; LEVELS],
    /// Everything before this tick has fired.
    tick: u64,
    orders: u64,
    len: usize,
}

impl<T: Copy> Wheel<T> {
    /// A wheel without timers.
    pub(crate) fn new() -> Wheel<T> {
        Wheel {
            entries: Vec::new(),
            free: NONE,
            lists: Box::default(),
            occupied: [0; LEVELS],
            tick: 0,
            orders: 0,
            len: 0,
        }
    }

    /// Is there no timer?
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sets a timer; the key cancels it. Keys have 54 bits and are not 0.
    pub(crate) fn set(&mut self, deadline: u64, alarm: T) -> u64 {
        if self.lists.is_empty() {
            self.lists = vec![NONE; LEVELS * SLOTS].into_boxed_slice();
        }
        let index = match self.free {
            NONE => {
                self.entries.push(Entry {
                    alarm: None,
                    deadline: 0,
                    order: 0,
                    generation: 1,
                    list: 0,
                    before: NONE,
                    next: NONE,
                });
                (self.entries.len() - 1) as u32
            }
            index => {
                self.free = self.entries[index as usize].next;
                index
            }
        };
        self.orders += 1;
        self.len += 1;
        let order = self.orders;
        let entry = &mut self.entries[index as usize];
        entry.alarm = Some(alarm);
        entry.deadline = deadline;
        entry.order = order;
        let generation = entry.generation;
        self.link(index);
        u64::from(generation) << 32 | u64::from(index)
    }

    /// Cancels a timer; nothing happens if it has fired or was cancelled.
    pub(crate) fn cancel(&mut self, key: u64) {
        let index = key as u32;
        let set = self
            .entries
            .get(index as usize)
            .is_some_and(|entry| entry.alarm.is_some() && u64::from(entry.generation) == key >> 32);
        if set {
            self.unlink(index);
            self.release(index);
        }
    }

    fn link(&mut self, index: u32) {
        // Rounded up, so that nothing fires early.
        let deadline = self.entries[index as usize].deadline;
        let tick = (deadline >> TICK_BITS).saturating_add(1).max(self.tick);
        let differs = (tick ^ self.tick) | (SLOTS as u64 - 1);
        let level = ((63 - differs.leading_zeros()) / LEVEL_BITS).min(LEVELS as u32 - 1) as usize;
        let slot = (tick >> (level as u32 * LEVEL_BITS)) as usize % SLOTS;
        let list = level * SLOTS + slot;
        let first = std::mem::replace(&mut self.lists[list], index);
        if first != NONE {
            self.entries[first as usize].before = index;
        }
        self.occupied[level] |= 1 << slot;
        let entry = &mut self.entries[index as usize];
        entry.list = list as u16;
        entry.before = NONE;
        entry.next = first;
    }

    fn unlink(&mut self, index: u32) {
        let Entry { before, next, list, .. } = self.entries[index as usize];
        if next != NONE {
            self.entries[next as usize].before = before;
        }
        if before != NONE {
            self.entries[before as usize].next = next;
            return;
        }
        let list = usize::from(list);
        self.lists[list] = next;
        if next == NONE {
            self.occupied[list / SLOTS] &= !(1 << (list % SLOTS));
        }
    }

    fn release(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        entry.alarm = None;
        entry.generation = (entry.generation.wrapping_add(1) & 0x3F_FFFF).max(1);
        entry.next = self.free;
        self.free = index;
        self.len -= 1;
    }

    /// The next list that has anything: its tick, level and slot.
    fn next_list(&self) -> Option<(u64, usize, usize)> {
        (0..LEVELS).find_map(|level| {
            let bits = self.occupied[level];
            if bits == 0 {
                return None;
            }
            let shift = level as u32 * LEVEL_BITS;
            let present = (self.tick >> shift) as usize % SLOTS;
            let ahead = bits.rotate_right(present as u32).trailing_zeros();
            let slot = (present + ahead as usize) % SLOTS;
            // The highest level holds everything beyond it too, so its slots may be a turn ahead.
            let base = self.tick >> shift;
            Some(((base + u64::from(ahead)) << shift, level, slot))
        })
    }

    /// When to look again: no timer is due before. `None` if there is no timer.
    pub(crate) fn next_look(&self) -> Option<u64> {
        let (tick, _, _) = self.next_list()?;
        Some(tick.max(self.tick).saturating_mul(1 << TICK_BITS))
    }

    /// Takes out the timers that are due at `now`, in order.
    pub(crate) fn due(&mut self, now: u64) -> Vec<T> {
        let target = now >> TICK_BITS;
        let mut due: Vec<(u64, u64, T)> = Vec::new();
        while let Some((tick, level, slot)) = self.next_list() {
            if tick > target {
                break;
            }
            let list = level * SLOTS + slot;
            let mut index = std::mem::replace(&mut self.lists[list], NONE);
            self.occupied[level] &= !(1 << slot);
            self.tick = self.tick.max(tick);
            while index != NONE {
                let entry = &self.entries[index as usize];
                let next = entry.next;
                if (entry.deadline >> TICK_BITS) < self.tick {
                    if let Some(alarm) = entry.alarm {
                        due.push((entry.deadline, entry.order, alarm));
                    }
                    self.release(index);
                } else {
                    self.link(index);
                }
                index = next;
            }
        }
        if !self.is_empty() || target > self.tick {
            self.tick = self.tick.max(target);
        }
        due.sort_unstable_by_key(|(deadline, order, _)| (*deadline, *order));
        due.into_iter().map(|(_, _, alarm)| alarm).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: u64 = 1 << TICK_BITS;

    #[test]
    fn timers_fire_in_order_and_not_early() {
        let mut wheel = Wheel::new();
        let deadlines = [5 * TICK, 3 * TICK + 7, 100 * TICK, 3 * TICK, 5000 * TICK, 1 << 50, 0];
        for deadline in deadlines {
            wheel.set(deadline, deadline);
        }
        let mut sorted = deadlines.to_vec();
        sorted.sort_unstable();
        let mut fired = Vec::new();
        let mut looks = 0;
        while let Some(now) = wheel.next_look() {
            for deadline in wheel.due(now) {
                assert!(deadline <= now && now - deadline <= 2 * TICK, "{deadline} at {now}");
                fired.push(deadline);
            }
            looks += 1;
            assert!(looks < 100);
        }
        assert_eq!(fired, sorted);
        assert!(wheel.is_empty());
    }

    #[test]
    fn random_timers_agree_with_a_list() {
        let mut state = 1u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        let (mut wheel, mut list) = (Wheel::new(), Vec::new());
        let mut now = 0;
        for number in 0..20_000u64 {
            match random(10) {
                0..5 => {
                    let range = [TICK, 1 << 22, 1 << 30, 1 << 40][random(4) as usize];
                    let deadline = now + random(range);
                    list.push((deadline, number, wheel.set(deadline, number)));
                }
                5..7 if !list.is_empty() => {
                    let (_, _, key) = list.swap_remove(random(list.len() as u64) as usize);
                    wheel.cancel(key);
                    wheel.cancel(key);
                }
                _ => {
                    let range = [TICK, 1 << 24, 1 << 32][random(3) as usize];
                    now += random(range);
                    let fired = wheel.due(now);
                    let before = |(deadline, _, _): &(u64, u64, u64)| {
                        deadline >> TICK_BITS < now >> TICK_BITS
                    };
                    let mut expected: Vec<_> = list.iter().copied().filter(before).collect();
                    list.retain(|entry| !before(entry));
                    expected.sort_unstable();
                    let expected: Vec<u64> =
                        expected.into_iter().map(|(_, number, _)| number).collect();
                    assert_eq!(fired, expected);
                    if let Some(look) = wheel.next_look() {
                        assert!(list.iter().all(|(deadline, _, _)| look <= deadline + TICK));
                    }
                    assert_eq!(wheel.len, list.len());
                }
            }
        }
    }
}
