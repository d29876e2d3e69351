//! A pipeline's file, its profile and a `--set`: read, checked, expanded, and what is at fault put into words.
#![no_main]

use libfuzzer_sys::fuzz_target;
use repro_fuzz::pipelines;

fuzz_target!(|data: &[u8]| pipelines::read(data));
