//! A list in one piece of memory that grows at its end, up to a fixed length, while others read it.
//!
//! Elements never move and are never removed, so readers need no lock: they see the elements that were
//! there when they asked for the slice, or later ones too.

use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// See the module text.
pub struct Slab<T> {
    /// Start of a vector's memory, of which the first `len` elements are initialised.
    base: NonNull<T>,
    capacity: usize,
    /// Written under the lock, after the elements.
    len: AtomicUsize,
    /// Held by whoever appends.
    appending: Mutex<()>,
}

// SAFETY: it owns its elements as a vector does; the lock orders those who append, and the length
// publishes what they have written.
unsafe impl<T: Send> Send for Slab<T> {}
// SAFETY: as above; readers get shared references only.
unsafe impl<T: Send + Sync> Sync for Slab<T> {}

/// There is no room for so many elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl<T> Slab<T> {
    /// These elements, with room for so many more.
    pub fn new(mut elements: Vec<T>, room: usize) -> Slab<T> {
        elements.reserve_exact(room);
        let (len, capacity) = (elements.len(), elements.capacity());
        let mut elements = std::mem::ManuallyDrop::new(elements);
        // A vector's pointer is never null.
        let base = NonNull::new(elements.as_mut_ptr()).unwrap_or(NonNull::dangling());
        Slab { base, capacity, len: AtomicUsize::new(len), appending: Mutex::new(()) }
    }

    /// Adds elements at the end.
    ///
    /// # Errors
    /// If there is no room for all of them; then none is added.
    pub fn append(&self, more: Vec<T>) -> Result<(), Full> {
        let _guard = self.appending.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let len = self.len.load(Ordering::Relaxed);
        if more.len() > self.room() {
            return Err(Full);
        }
        let count = more.len();
        for (i, element) in more.into_iter().enumerate() {
            // SAFETY: below the capacity, and nobody reads beyond `len`, which only the holder of the
            // lock moves.
            unsafe { self.base.as_ptr().add(len + i).write(element) };
        }
        // Pairs with the load in `deref`.
        self.len.store(len + count, Ordering::Release);
        Ok(())
    }

    /// How many elements there is room for.
    pub fn room(&self) -> usize {
        self.capacity - self.len.load(Ordering::Relaxed)
    }

    /// The place of the first element; the others follow it.
    pub(crate) fn base(&self) -> *const T {
        self.base.as_ptr()
    }
}

impl<T> Deref for Slab<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: so many elements are initialised, and nobody writes them any more. Pairs with the
        // store in `append`.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.len.load(Ordering::Acquire)) }
    }
}

impl<T> Drop for Slab<T> {
    fn drop(&mut self) {
        // SAFETY: the parts are those of the vector that it was made of, with more elements.
        drop(unsafe {
            Vec::from_raw_parts(self.base.as_ptr(), *self.len.get_mut(), self.capacity)
        });
    }
}

impl<T> From<Vec<T>> for Slab<T> {
    fn from(elements: Vec<T>) -> Slab<T> {
        Slab::new(elements, 0)
    }
}

impl<'a, T> IntoIterator for &'a Slab<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Slab<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.deref().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn grows_in_place_up_to_its_room() {
        let slab = Slab::new(vec!["a".to_owned()], 3);
        let first: *const String = &slab[0];
        assert_eq!(slab.append(vec!["b".to_owned(), "c".to_owned()]), Ok(()));
        assert_eq!(slab.append(vec!["d".to_owned(), "e".to_owned()]), Err(Full));
        assert_eq!(slab.append(vec!["d".to_owned()]), Ok(()));
        assert_eq!(slab.concat(), "abcd");
        assert_eq!(first, &raw const slab[0]);
    }

    #[test]
    fn others_read_while_it_grows() {
        let slab = Arc::new(Slab::new(Vec::<Box<usize>>::new(), 20_000));
        let reader = {
            let slab = slab.clone();
            std::thread::spawn(move || {
                while slab.len() < 20_000 {
                    let seen: &[Box<usize>] = &slab;
                    assert!(seen.last().is_none_or(|last| **last == seen.len() - 1));
                }
            })
        };
        (0..20_000).for_each(|i| assert_eq!(slab.append(vec![Box::new(i)]), Ok(())));
        assert!(reader.join().is_ok());
    }
}
