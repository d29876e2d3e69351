//! What `repro bench` and the benchmarks in `benches/` share. Nothing of it is part of any result.

pub mod peak;
pub mod workload;
