//! An archive of any format, all of it unpacked. Nothing may appear beside its folder, nor more than is allowed in it.
#![no_main]

use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use repro_fuzz::fsio;
use repro_fuzz::ml::data::{archive, bounds};

fuzz_target!(|data: &[u8]| {
    let folder = PathBuf::from(std::env::var_os("FUZZ_SCRATCH").expect("a folder")).join(std::process::id().to_string());
    fsio::remove_dir_all(&folder).expect("a folder of our own");
    fsio::write_synced(&folder.join("a"), data).expect("a file of our own");
    let _ = archive::extract(&folder.join("a"), "a", None, &folder.join("out"), &|name| Some(name.to_owned()));
    let files = fsio::walk(&folder).expect("a folder of our own");
    assert!(files.iter().all(|name| name == "a" || name.starts_with("out/")));
    let sizes = files.iter().map(|name| fsio::stat(&folder.join(name)).expect("a file").bytes);
    assert!(sizes.sum::<u64>() <= bounds::unpacked(data.len() as u64) + data.len() as u64);
});
