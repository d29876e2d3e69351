//! TensorFlow V2: the input is an index, beside a data file of 64 KiB.
#![no_main]

use libfuzzer_sys::fuzz_target;
use repro_fuzz::ml::checkpoint::fuzz;

fuzz_target!(|data: &[u8]| fuzz::tensorflow_v2(data));
