//! A vector that many threads read without locks while it grows.
//!
//! Elements never move and are never removed, so `get` hands out plain references. Buckets double
//! in size; a bucket is made when its first element is.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

const FIRST_BITS: u32 = 5;
const BUCKETS: usize = 26;

/// See the module text.
#[derive(Debug)]
pub struct AppendVec<T> {
    buckets: [OnceLock<Box<[OnceLock<T>]>>; BUCKETS],
    len: AtomicUsize,
}

fn locate(index: usize) -> (usize, usize) {
    let shifted = index + (1 << FIRST_BITS);
    let bucket = usize::BITS - 1 - shifted.leading_zeros() - FIRST_BITS;
    (bucket as usize, shifted - (1 << (bucket + FIRST_BITS)))
}

impl<T> AppendVec<T> {
    /// An empty vector.
    pub fn new() -> Self {
        AppendVec { buckets: [const { OnceLock::new() }; BUCKETS], len: AtomicUsize::new(0) }
    }

    /// Adds an element and returns its index.
    pub fn push(&self, element: T) -> usize {
        self.push_with(|_| element)
    }

    /// Adds the element that `make` builds from its index, and returns the index.
    pub fn push_with(&self, make: impl FnOnce(usize) -> T) -> usize {
        let index = self.len.fetch_add(1, Ordering::Relaxed);
        let (bucket, at) = locate(index);
        let cells = self.buckets[bucket].get_or_init(|| {
            (0..1usize << (bucket as u32 + FIRST_BITS)).map(|_| OnceLock::new()).collect()
        });
        let fresh = cells[at].set(make(index)).is_ok();
        debug_assert!(fresh, "each index is handed out once");
        index
    }

    /// The element at `index`, if it is there yet.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&T> {
        let (bucket, at) = locate(index);
        self.buckets.get(bucket)?.get()?.get(at)?.get()
    }

    /// How many indices were handed out.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// Is it empty?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Default for AppendVec<T> {
    fn default() -> Self {
        AppendVec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_stay_where_they_are() {
        let vec = AppendVec::new();
        for i in 0..10_000 {
            assert_eq!(vec.push(i * 3), i);
        }
        assert!((0..10_000).all(|i| vec.get(i) == Some(&(i * 3))));
        assert_eq!(vec.get(10_000), None);
    }
}
