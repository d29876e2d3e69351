//! A list of samples, with labels and without.
#![no_main]

use libfuzzer_sys::fuzz_target;
use repro_fuzz::ml::data::list::{Form, parse, write};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for form in [Form::Labelled, Form::ImagesOnly] {
        if let Ok(samples) = parse(text, "x", form) {
            assert!(parse(&write(&samples), "x", form) == Ok(samples));
        }
    }
});
