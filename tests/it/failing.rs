//! What this test binary does before its harness begins.
//!
//! Where the variable of the failpoints is set, it is the program with failpoints. So the tests break a process that is
//! built of the same library as the user's program, and that program has none of this in it.

pub use failpoints::VARIABLE;
use repro::fsio::{Point, set_failpoints};

#[path = "../failpoints/mod.rs"]
mod failpoints;

/// How a process takes a signal.
enum Taken {
    /// As the system does.
    ByDefault,
    /// Not at all, nor do the programs that it starts.
    Ignored,
    /// Not at all, but the programs that it starts take it as the system does.
    Passed,
}

/// Sets how this process takes a signal. Whether it was ignored before.
fn take(signal: libc::c_int, taken: Taken) -> bool {
    extern "C" fn pass(_: libc::c_int) {}
    let handler = match taken {
        Taken::ByDefault => libc::SIG_DFL,
        Taken::Ignored => libc::SIG_IGN,
        Taken::Passed => pass as *const () as libc::sighandler_t,
    };
    // SAFETY: the handler is the system's own, or a function that does nothing.
    #[expect(unsafe_code, reason = "std has no call for a signal")]
    let before = unsafe { libc::signal(signal, handler) };
    before == libc::SIG_IGN
}

/// Sets the signals as a terminal's programs have them. If the variable is set, this process is the program then, and never
/// starts the harness, which would read the arguments as its own.
extern "C" fn begin() {
    let is_program = std::env::var_os(VARIABLE).is_some();
    // A shell starts what follows `nohup` or precedes `&` with some signals ignored. The programs of the tests must not ignore
    // them: tests that end a program by such a signal would wait for ever. The harness itself still does.
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
        if take(signal, Taken::ByDefault) && !is_program {
            take(signal, Taken::Passed);
        }
    }
    if !is_program {
        return;
    }
    // As Rust's own start does it before `main`.
    take(libc::SIGPIPE, Taken::Ignored);
    failpoints::heed();
    let ended = std::panic::catch_unwind(|| repro::cli::main(&repro::stages::registry()) as i32);
    std::process::exit(ended.unwrap_or(101));
}

// SAFETY: the C library calls the functions of this section before `main`. Those of Rust's library, which keep the arguments,
// have a lower number and so come first.
#[expect(unsafe_code, reason = "a harness of tests has no other place before its own beginning")]
#[used]
#[unsafe(link_section = ".init_array")]
static BEGIN: extern "C" fn() = begin;
