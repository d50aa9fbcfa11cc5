//! See `idle_fewer.ionasm`.

pub use super::idle::run;
