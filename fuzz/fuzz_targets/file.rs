//! A file of any format, as a user names it: archives, safetensors, and whatever is none of them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use repro_fuzz::ml::checkpoint::fuzz;

fuzz_target!(|data: &[u8]| fuzz::file(data));
