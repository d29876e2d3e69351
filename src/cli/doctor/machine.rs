//! The program, the processor, the memory, the clock and the terminal.

use std::io::IsTerminal as _;
use std::path::Path;

use super::checks::{Check, size};
use crate::cli::exit::Exit;
use crate::cli::terminal::width;
use crate::fsio;
use crate::ml::cpu::isa::Isa;
use crate::program;

/// The memory below which a training of the paper's size does not fit, in bytes.
const LITTLE: u64 = 4 << 30;

/// When this program was written, in nanoseconds since 1970: no clock that is right says less.
const BORN: i128 = 1_735_689_600 * 1_000_000_000;

/// What is checked of the machine.
pub fn checks() -> Vec<Check> {
    let mut checks = vec![program(), processor(), memory(), clock(), temporary()];
    checks.extend([terminal(), locale()]);
    checks
}

fn program() -> Check {
    let cuda = if cfg!(feature = "cuda") { "with CUDA" } else { "without CUDA: it computes on the processor" };
    Check::ok("program", format!("repro {}, built {cuda}", program::VERSION))
}

fn processor() -> Check {
    let facts = fsio::machine();
    let name = facts.get("cpu").map_or("", String::as_str);
    let words = match Isa::detect() {
        Isa::Avx512 => "AVX-512",
        Isa::Avx2 => "AVX2 and FMA",
        Isa::Portable => {
            return Check::warn(
                "processor",
                format!("{name}, {} threads, neither AVX2 nor AVX-512", fsio::cores()),
                "The same results, several times slower. A virtual machine may hide what its host has.",
            );
        }
    };
    Check::ok("processor", format!("{name}, {} threads, {words}", fsio::cores()))
}

fn memory() -> Check {
    let read = |path: &str| fsio::read_to_string(Path::new(path)).ok();
    let info = read("/proc/meminfo").unwrap_or_default();
    let of = |label: &str| -> Option<u64> {
        let line = info.lines().find_map(|line| line.strip_prefix(label)?.strip_prefix(':'))?;
        Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? << 10)
    };
    let (Some(all), Some(free)) = (of("MemTotal"), of("MemAvailable")) else {
        return Check::ok("memory", "the system does not tell");
    };
    // A container may be given less than its machine has.
    let limit = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limit = limit.iter().find_map(|path| read(path)?.trim().parse::<u64>().ok()).filter(|limit| *limit < all);
    let given = limit.map_or(String::new(), |limit| format!(", of which a container's limit gives {}", size(limit)));
    let seen = format!("{} free of {}{given}", size(free), size(all));
    if free.min(limit.unwrap_or(free)) < LITTLE {
        let advice =
            "A small network trains in 1 GiB. For large ones, lower `batch` and `crop`, or state `recompute: 6`.";
        return Check::warn("memory", seen, advice);
    }
    Check::ok("memory", seen)
}

fn clock() -> Check {
    let now = fsio::now();
    let text = crate::store::rfc3339(now);
    if now < BORN {
        return Check::warn(
            "clock",
            text,
            "The clock is wrong. Set it: records of runs hold the time. No result depends on it.",
        );
    }
    Check::ok("clock", text)
}

fn temporary() -> Check {
    let folder = std::env::temp_dir();
    if !fsio::may_write(&folder) {
        let seen = format!("`{}` cannot be written", folder.display());
        return Check::fail("temp folder", seen, "Name another folder by the variable TMPDIR.", Exit::Storage);
    }
    let free = fsio::disk(&folder).map_or(0, |disk| disk.free);
    Check::ok("temp folder", format!("`{}`, {} free", folder.display(), size(free)))
}

fn terminal() -> Check {
    if !std::io::stdout().is_terminal() {
        return Check::ok("terminal", "output goes to a file or a pipe, so that no line is folded to a width");
    }
    let columns = width().map_or("its width is not told".to_owned(), |width| format!("{width} columns"));
    let colours = if std::env::var_os("NO_COLOR").is_some() { ", no colours (NO_COLOR)" } else { "" };
    Check::ok("terminal", format!("{columns}{colours}"))
}

fn locale() -> Check {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| {
        let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
        Some((*name, value))
    });
    match set {
        Some((name, value)) if !value.to_lowercase().replace('-', "").contains("utf8") && !value.contains("UTF") => {
            let advice = "Set LANG to a locale of UTF-8, as C.UTF-8, if `±` and `–` in tables look wrong. Files are not affected.";
            Check::warn("locale", format!("{name}={value}"), advice)
        }
        Some((name, value)) => Check::ok("locale", format!("{name}={value}")),
        None => Check::ok("locale", "not stated; texts are written as UTF-8"),
    }
}
