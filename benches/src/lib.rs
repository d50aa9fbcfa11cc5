//! What the benches measure: the workloads, their sizes, and how a run is timed.
//!
//! `workload.rs` is the table of workloads; the programs are in `workloads/`. `measure.rs` runs one in
//! this process. The criterion benches and the comparison with other systems (`bin/peers`) use both.
#![forbid(unsafe_code)]

pub mod measure;
pub mod workload;

pub use measure::{Prepared, Sample};
pub use workload::{Scale, WORKLOADS, Workload};
