//! A photograph or a label of any sort. What both decoders of JPEG know, they must agree on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use repro_fuzz::ml::data::planes::{Planes, Window};
use repro_fuzz::ml::data::{labels, photo};

fuzz_target!(|data: &[u8]| {
    let _ = labels::Coding::CityscapesLabelIds.decode(data, "x");
    let Ok(image) = photo::decode(data, "x") else { return };
    let choose = |(height, width): (usize, usize)| Window { rows: height / 3..height / 2 + 1, columns: 0..width };
    let part = photo::decode_part(data, "x", &choose).expect("a part of what can be decoded");
    assert!(part == Planes::of(&image, choose(image.size())));
});
