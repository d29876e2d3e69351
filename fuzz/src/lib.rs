//! The readers of weights by themselves, without the program around them, so that fuzzing them builds in a minute.
//!
//! `cargo +nightly fuzz run tf_v2` (or `tf_v1`, `pickle`, `file`) in the project's folder; `-- -max_total_time=60` ends it.

#[path = "../../src/ml/checkpoint/mod.rs"]
pub mod checkpoint;
#[path = "../../src/fsio.rs"]
pub mod fsio;
