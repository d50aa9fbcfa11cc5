//! The differential suite: one package under every engine and setting must show one behaviour.
//!
//! | Module | What |
//! |---|---|
//! | [`compare`] | the settings, running a package under them, comparing what was observed |
//! | [`generate`] | random verified programs from a seed |
//! | [`pairs`] | every instruction on every pair of kinds of operands |
//! | [`mutate`] | damaged packages that still verify |
//! | [`shrink`] | a small program that fails like a large one |
//! | [`child`] | a process that runs cases, so that a crash of the host can be told and named |
//! | [`suite`] | the loop over seeds with its threads, time limit and report |
//! | [`rng`] | the generator of random numbers, the same on every machine |
//!
//! Everything is determined by the seed. Real time decides only how many cases run.

pub mod child;
pub mod compare;
pub mod generate;
pub mod mutate;
pub mod pairs;
pub mod rng;
pub mod shrink;
pub mod suite;
