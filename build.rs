//! Compiles the GPU's kernels (`src/ml/ops/cuda/*.cu`) to PTX, where the feature `cuda` asks for them.
//!
//! PTX of compute capability 8.0 runs on every GPU from Ampere on: the driver makes machine code of it when it is
//! loaded. Products and sums are not contracted, so that kernels round as the processor's bodies do.

use std::env;
use std::path::Path;
use std::process::{Command, ExitCode};

const SOURCES: &str = "src/ml/ops/cuda/kernels";

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={SOURCES}");
    println!("cargo::rerun-if-env-changed=NVCC");
    let (Some(_), Some(out)) = (env::var_os("CARGO_FEATURE_CUDA"), env::var_os("OUT_DIR")) else {
        return ExitCode::SUCCESS;
    };
    let nvcc = env::var("NVCC").unwrap_or_else(|_| "nvcc".to_owned());
    let mut command = Command::new(&nvcc);
    command.args(["--ptx", "-std=c++17", "-O3", "-fmad=false", "-arch=compute_80", "-Werror=all-warnings"]);
    command.arg(format!("{SOURCES}/all.cu")).arg("-o").arg(Path::new(&out).join("kernels.ptx"));
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(status) => failed(&format!("{nvcc} ended with {status}")),
        Err(error) => failed(&format!("{nvcc} could not be started: {error}")),
    }
}

fn failed(why: &str) -> ExitCode {
    println!(
        "cargo::error=The GPU's kernels could not be compiled: {why}. The feature `cuda` needs the CUDA 13 toolkit."
    );
    ExitCode::FAILURE
}
