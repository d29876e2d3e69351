//! The pickle of a PyTorch state, with one storage of 64 KiB.
#![no_main]

use libfuzzer_sys::fuzz_target;
use repro_fuzz::ml::checkpoint::fuzz;

fuzz_target!(|data: &[u8]| fuzz::pickle(data));
