//! The GPU, its driver and NVIDIA's libraries.

use std::path::Path;

use super::checks::Check;
use crate::cli::exit::Exit;
use crate::fsio;
use crate::ml::device::numeric_profile;
use crate::stage::DeviceSpec;

/// Where the driver's kernel module states its version.
const DRIVER: &str = "/proc/driver/nvidia/version";

/// The devices of the driver: that of all, and those of each GPU.
const CONTROL: &str = "/dev/nvidiactl";

/// What is checked of GPUs. A device that was asked for must work; without one, a GPU that cannot be used is a warning.
pub fn checks(wanted: Option<DeviceSpec>) -> Vec<Check> {
    let mut checks = vec![driver()];
    let number = wanted.and_then(DeviceSpec::gpu);
    if !cfg!(feature = "cuda") && number.is_none() {
        return checks;
    }
    let number = number.unwrap_or(0);
    let name = format!("cuda:{number}");
    checks.push(match numeric_profile(Some(number)) {
        Ok(profile) => {
            let facts = ["GPU", "capability", "multiprocessors", "cuDNN", "cuBLAS", "NCCL"];
            let told = facts.iter().filter_map(|fact| Some(format!("{fact} {}", profile.get(*fact)?)));
            Check::ok(&name, told.collect::<Vec<_>>().join(", "))
        }
        Err(error) if wanted.is_some() => Check::fail(&name, error.to_string(), error.hint(), Exit::Device),
        Err(error) => Check::warn(&name, error.to_string(), error.hint()),
    });
    checks
}

/// The driver, as far as files tell.
fn driver() -> Check {
    let text = fsio::read_to_string(Path::new(DRIVER)).ok();
    let version = text.as_deref().and_then(|text| text.lines().next()).map(str::trim);
    let gpus = (0..64).filter(|number| fsio::exists(Path::new(&format!("/dev/nvidia{number}")))).count();
    match version {
        None if gpus == 0 => {
            Check::ok("driver", "no NVIDIA driver and no GPU; `--device cpu` computes on the processor")
        }
        None => Check::warn(
            "driver",
            format!("{gpus} devices of GPUs, but no `{DRIVER}`"),
            "Install NVIDIA's driver, or start the container with its GPUs, as by `--gpus all`.",
        ),
        Some(version) if gpus == 0 || !fsio::exists(Path::new(CONTROL)) => Check::warn(
            "driver",
            format!("{version}, but no device `/dev/nvidia0`"),
            "Start the container with its GPUs, as by `--gpus all`, or ask the scheduler for one.",
        ),
        Some(version) if !cfg!(feature = "cuda") => Check::warn(
            "driver",
            format!("{version}, {gpus} GPUs, which this program was not built for"),
            "To use them, build with `cargo build --release --features cuda`. README.md says what that needs.",
        ),
        Some(version) => Check::ok("driver", format!("{version}, {gpus} GPUs")),
    }
}
