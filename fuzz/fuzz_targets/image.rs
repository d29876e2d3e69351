//! A photograph or a label of any sort.
#![no_main]

use libfuzzer_sys::fuzz_target;
use repro_fuzz::ml::data::{labels, photo};

fuzz_target!(|data: &[u8]| {
    let _ = labels::Coding::CityscapesLabelIds.decode(data, "x");
    let _ = photo::decode(data, "x");
});
