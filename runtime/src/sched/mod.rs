//! Scheduling: workers, their run queues and timers, what they share.

pub(crate) mod blocking;
mod ending;
pub(crate) mod hub;
pub(crate) mod queue;
mod random;
pub(crate) mod report;
pub(crate) mod timer;
pub(crate) mod trial;
pub mod worker;
