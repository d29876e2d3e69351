//! The command line's entry: joins the stage kinds to the engine.

#![deny(unsafe_code)]

use std::process::ExitCode;

use repro::{cli, stages};

fn main() -> ExitCode {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if closed::is_stdout() {
        cli::stdout_was_closed();
    }
    ExitCode::from(cli::main(&stages::registry()) as u8)
}

/// Whether standard output was closed when the process began (`repro runs >&-`). This is asked before Rust's own start,
/// which opens `/dev/null` in the place of what is closed: then what is printed would be lost without a word.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod closed {
    use std::sync::atomic::{AtomicBool, Ordering};

    static STDOUT: AtomicBool = AtomicBool::new(false);

    pub fn is_stdout() -> bool {
        STDOUT.load(Ordering::Relaxed)
    }

    extern "C" fn look() {
        // SAFETY: F_GETFD takes no argument and changes nothing, whatever the number stands for.
        #[expect(unsafe_code, reason = "std has no call for a file that may be closed")]
        let flags = unsafe { libc::fcntl(1, libc::F_GETFD) };
        STDOUT.store(flags == -1, Ordering::Relaxed);
    }

    // SAFETY: the C library calls the functions of this section before `main`, with arguments that `look` does not take,
    // and `look` needs nothing that is set up later.
    #[expect(unsafe_code, reason = "nothing else runs before Rust's own start")]
    #[used]
    #[unsafe(link_section = ".init_array")]
    static LOOK: extern "C" fn() = look;
}
