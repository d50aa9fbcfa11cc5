//! Scheduling: workers, their run queues and timers.

pub mod worker;
