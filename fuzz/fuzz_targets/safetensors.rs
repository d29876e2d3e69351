//! A safetensors file: the input is its header, before values of 4 KiB.
#![no_main]

use libfuzzer_sys::fuzz_target;
use repro_fuzz::ml::checkpoint::fuzz;

fuzz_target!(|data: &[u8]| fuzz::safetensors(data));
