//! TensorFlow V1: the input is a whole checkpoint.
#![no_main]

use libfuzzer_sys::fuzz_target;
use repro_fuzz::ml::checkpoint::fuzz;

fuzz_target!(|data: &[u8]| fuzz::tensorflow_v1(data));
