//! The readers of weights by themselves, without the program around them, so that fuzzing them builds in a minute.
//!
//! `cargo +nightly fuzz run tf_v2 -- -max_total_time=60`, with cargo-fuzz installed, in the project's folder; likewise `tf_v1`,
//! `pickle`, `file`. What it finds becomes a test in `src/ml/checkpoint/hostile.rs`.

#[path = "../../src/ml/checkpoint/mod.rs"]
pub mod checkpoint;
#[path = "../../src/fsio.rs"]
pub mod fsio;
