//! What `repro bench`, the stage kind `Cost` and the benchmarks in `benches/` share: work to measure, the processes that do
//! it, and what else the machine does meanwhile.
//!
//! Nothing of it is part of any result but a measurement.

pub mod figures;
pub mod load;
pub mod peak;
pub mod worker;
pub mod workload;
