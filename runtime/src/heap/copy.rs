//! Deep copies between spaces: messages, arguments of spawned processes, results.
//!
//! Sharing and cycles inside one copy are kept. Immortal literals and shared texts are not copied.

use super::collect::Mover;
use super::space::Space;
use super::{header, tag};
use crate::value::Value;

/// A value in a space of its own, on its way from one process to another.
#[derive(Debug)]
pub struct Parcel {
    /// The value; points into `space` or is immediate or immortal.
    pub value: Value,
    /// What the value needs.
    pub space: Space,
}

impl Parcel {
    /// A copy of `value`.
    #[inline]
    pub fn copy(value: Value) -> Parcel {
        let mut space = Space::new();
        let mut roots = [value];
        copy_into(&mut space, &mut roots);
        Parcel { value: roots[0], space }
    }
}

/// Copies what `roots` reach into the empty `space` and makes the roots point there.
#[inline]
pub fn copy_into(space: &mut Space, roots: &mut [Value]) {
    if roots.iter().any(|root| root.as_pointer().is_some_and(is_mortal)) {
        copy_graph(space, roots);
    }
}

/// Is it an object that must be copied?
fn is_mortal(object: *mut u8) -> bool {
    header(object).tag & tag::IMMORTAL == 0
}

/// No more is taken for a copy before it is known to need it.
const MAX_RESERVED: usize = 4 << 10;

fn copy_graph(space: &mut Space, roots: &mut [Value]) {
    let hint: usize = roots.iter().map(|root| super::collect::estimate(*root, 2)).sum();
    space.reserve(hint.clamp(16, MAX_RESERVED));
    let mut mover = Mover::<true>::new(space);
    for root in roots {
        *root = mover.value(*root);
    }
    mover.scan();
    mover.restore();
}
