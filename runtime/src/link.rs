//! Linking: from verified classes to a [`crate::program::Program`].

/// Linked literals of one function.
#[derive(Debug, Default)]
pub struct Literals;
