//! Says which commit is built, where the sources are a checkout, and compiles the GPU's kernels (`src/ml/gpu/kernels`) to
//! PTX, where the feature `cuda` asks for them. Beside the PTX it leaves the translation unit, `kernels.cu`, and a line for each
//! kernel, `kernels.inc`: the emulation in `tests/emulation` is compiled of them.
//!
//! PTX of compute capability 8.0 runs on every GPU from Ampere on: the driver makes machine code of it when it is
//! loaded. Products and sums are not contracted, so that kernels round as the processor's bodies do.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::SystemTime;

#[path = "src/ml/gpu/kernels.rs"]
mod kernels;

/// What the program is made of. Where git knows a change of it, the commit alone does not say what was built.
const BUILT: [&str; 5] = ["src", "stages/names", "build.rs", "Cargo.toml", "Cargo.lock"];

const SOURCES: &str = "src/ml/gpu/kernels";
/// The list of the kernels.
const LIST: &str = "src/ml/gpu/kernels.rs";

fn main() -> ExitCode {
    for path in BUILT.iter().filter(|path| Path::new(path).exists()) {
        println!("cargo::rerun-if-changed={path}");
    }
    println!("cargo::rerun-if-env-changed=NVCC");
    println!("cargo::rerun-if-env-changed=REPRO_COMMIT");
    tell_version();
    let (Some(_), Some(out)) = (env::var_os("CARGO_FEATURE_CUDA"), env::var_os("OUT_DIR")) else {
        return ExitCode::SUCCESS;
    };
    compile_kernels(Path::new(&out))
}

/// Gives the sources `REPRO_VERSION`, as `0.1.0 (3db2fad81c07)`, and `REPRO_COMMIT`, where it is known: from the variable
/// of that name, for sources that were packed up, from the package, or from git.
fn tell_version() {
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let stated = env::var("REPRO_COMMIT").ok().filter(|commit| !commit.is_empty());
    let Some(commit) = stated.or_else(packaged).or_else(checked_out) else {
        println!("cargo::rustc-env=REPRO_VERSION={version}");
        return;
    };
    let (hash, mark) = commit.split_once(' ').map_or((commit.as_str(), String::new()), |(h, m)| (h, format!(", {m}")));
    let short: String = hash.chars().take(12).collect();
    println!("cargo::rustc-env=REPRO_VERSION={version} ({short}{mark})");
    println!("cargo::rustc-env=REPRO_COMMIT={commit}");
}

/// The commit that these sources were packed from, with ` changed` behind it where they were not those of the commit. None
/// where this is no package: `cargo package` puts a file with the commit into it.
fn packaged() -> Option<String> {
    let info: String = fs::read_to_string(".cargo_vcs_info.json").ok()?.split_whitespace().collect();
    let (_, rest) = info.split_once("\"sha1\":\"")?;
    let (commit, rest) = rest.split_once('"')?;
    Some(if rest.contains("\"dirty\":true") { format!("{commit} changed") } else { commit.to_owned() })
}

/// The commit that is checked out, with ` changed` behind it where what is built is not what was committed. None where
/// there is no git, or where git does not know these sources, as those of a package unpacked inside another checkout.
fn checked_out() -> Option<String> {
    git(&["ls-files", "--error-unmatch", "build.rs"])?;
    let commit = git(&["rev-parse", "HEAD"])?;
    // The log has a line for each change of HEAD and of the branch that it names; without one, their own files tell.
    // A path that is not there would let this script run each time.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for name in ["HEAD", "logs/HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        if let Some(path) = git(&["rev-parse", "--git-path", name]).filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let changed = git(&[&["status", "--porcelain", "--"], &BUILT[..]].concat())?;
    Some(if changed.is_empty() { commit } else { format!("{commit} changed") })
}

/// What git answers; none where it refuses or is missing.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("--no-optional-locks").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim_end().to_owned())
}

fn compile_kernels(out: &Path) -> ExitCode {
    let nvcc = env::var("NVCC").unwrap_or_else(|_| "nvcc".to_owned());
    let (ptx, made_by) = (out.join("kernels.ptx"), out.join("kernels.nvcc"));
    // This script runs at every change of the sources, of which few are kernels.
    if is_newer(&ptx, &["build.rs".as_ref(), LIST.as_ref(), SOURCES.as_ref()])
        && fs::read_to_string(&made_by).is_ok_and(|by| by == nvcc)
    {
        return ExitCode::SUCCESS;
    }
    let (unit, entries, fresh) = (out.join("kernels.cu"), out.join("kernels.inc"), out.join("kernels.ptx.new"));
    let written =
        fs::write(&unit, kernels::translation_unit()).and_then(|()| fs::write(&entries, kernels::entries("DEVICE")));
    if let Err(error) = written {
        return failed(&format!("their list could not be written into `{}`: {error}", out.display()));
    }
    let mut command = Command::new(&nvcc);
    command.args(["--ptx", "-std=c++17", "-O3", "-fmad=false", "-arch=compute_80", "-Werror=all-warnings"]);
    command.arg("-I").arg(SOURCES).arg(&unit).arg("-o").arg(&fresh);
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => return failed(&format!("{nvcc} ended with {status}")),
        Err(error) => return failed(&format!("{nvcc} could not be started: {error}")),
    }
    match fs::rename(&fresh, &ptx).and_then(|()| fs::write(&made_by, &nvcc)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&format!("their code could not be put into `{}`: {error}", out.display())),
    }
}

/// Whether `made` is there and newer than all of `sources`, folders with their files.
fn is_newer(made: &Path, sources: &[&Path]) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|of| of.modified()).ok();
    let newest = |path: &Path| -> Option<SystemTime> {
        let below = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
        below.chain([path.to_owned()]).map(|path| time(&path)).max()?
    };
    time(made).is_some_and(|made| sources.iter().all(|source| newest(source).is_some_and(|source| source < made)))
}

fn failed(why: &str) -> ExitCode {
    println!(
        "cargo::error=The GPU's kernels could not be compiled: {why}. The feature `cuda` needs the CUDA 13 toolkit."
    );
    ExitCode::FAILURE
}
