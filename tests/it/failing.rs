//! What this test binary does before its harness begins.
//!
//! Where the variable of the failpoints is set, it is the program with failpoints. So the tests break a process that is
//! built of the same library as the user's program, and that program has none of this in it.

use std::process::Command;

use repro::fsio::{Point, set_failpoints};

#[path = "../failpoints/mod.rs"]
mod failpoints;

/// Makes a command that starts the program start this test binary, which is the program too, and breaks where `points` say.
pub fn at(command: &Command, points: &str) -> Command {
    let mut failing = Command::new(std::env::current_exe().unwrap());
    failing.args(command.get_args()).env(failpoints::VARIABLE, points);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => failing.env(name, value),
            None if name == failpoints::VARIABLE => &mut failing,
            None => failing.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        failing.current_dir(folder);
    }
    failing.stdin(std::process::Stdio::null());
    failing
}

/// Takes the signals as a terminal's programs do, and is the program, if the variable is set: then the harness, which would
/// take the arguments for its own, does not begin.
extern "C" fn begin() {
    // A shell starts what follows `nohup` or precedes `&` with some signals ignored, and the program keeps it so. Tests that
    // end it by these signals would wait for ever.
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
        handle(signal, libc::SIG_DFL);
    }
    if std::env::var_os(failpoints::VARIABLE).is_none() {
        return;
    }
    // As Rust's own start does it before `main`.
    handle(libc::SIGPIPE, libc::SIG_IGN);
    failpoints::heed();
    let ended = std::panic::catch_unwind(|| repro::cli::main(&repro::stages::registry()) as i32);
    std::process::exit(ended.unwrap_or(101));
}

fn handle(signal: libc::c_int, by: libc::sighandler_t) {
    // SAFETY: both ways of handling a signal are the system's, and call nothing of this program.
    #[expect(unsafe_code, reason = "std has no call for a signal")]
    unsafe {
        libc::signal(signal, by);
    }
}

// SAFETY: the C library calls the functions of this section before `main`. Those of Rust's library, which keep the arguments,
// have a lower number and so come first.
#[expect(unsafe_code, reason = "a harness of tests has no other place before its own beginning")]
#[used]
#[unsafe(link_section = ".init_array")]
static BEGIN: extern "C" fn() = begin;
