//! An array of NumPy's in an archive that is sound.
#![no_main]

use libfuzzer_sys::fuzz_target;
use repro_fuzz::ml::checkpoint::fuzz;

fuzz_target!(|data: &[u8]| fuzz::array(data));
