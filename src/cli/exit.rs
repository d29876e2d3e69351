//! The one table of exit codes. Scripts rely on it; a number never changes its meaning.

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done; of `repro diff`: no difference.
    Success = 0,
    /// `repro diff` found a difference.
    Different = 1,
    /// The command line, the pipeline or a name in it is wrong; nothing was computed.
    Usage = 2,
    /// A stage failed.
    Stage = 3,
    /// The data or weights given by the user are missing or at fault, a data root that is no folder or that nobody named
    /// included.
    Data = 4,
    /// The disk, the store or standard output refused: full, closed, unreadable, from a newer version.
    Storage = 5,
    /// A requested device is missing, lacks an operation, or fails.
    Device = 6,
    /// The arithmetic went wrong, as a loss that is not finite.
    Numeric = 7,
    /// `repro claims` found a claim that fails, or with `--strict` one that is undecided.
    Claim = 8,
    /// A bug in this program.
    Bug = 101,
    /// Stopped by Ctrl-C, SIGTERM or SIGHUP; what was finished is kept.
    Interrupted = 130,
}

/// Every code with its meaning, for `repro --help` and the README.
pub const CODES: &[(Exit, &str)] = &[
    (Exit::Success, "done; of `repro diff`: no difference"),
    (Exit::Different, "`repro diff` found a difference"),
    (Exit::Usage, "the command line or the pipeline is wrong; nothing was computed"),
    (Exit::Stage, "a stage failed"),
    (Exit::Data, "the data or weights given are missing or at fault"),
    (Exit::Storage, "the disk, the store or standard output refused: full, closed, unreadable, from a newer version"),
    (Exit::Device, "a requested device is missing, lacks an operation, or fails"),
    (Exit::Numeric, "the arithmetic went wrong, as a loss that is not finite"),
    (Exit::Claim, "`repro claims`: a claim fails; with `--strict`: or is undecided"),
    (Exit::Bug, "a bug in repro"),
    (Exit::Interrupted, "stopped by Ctrl-C, SIGTERM or SIGHUP; what was finished is kept"),
];

/// The table as lines of text.
pub fn help() -> String {
    let lines: Vec<String> = CODES.iter().map(|(code, meaning)| format!("  {:>3}  {meaning}", *code as u8)).collect();
    format!("Exit codes:\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_once_in_the_table_and_keeps_its_number() {
        let numbers: Vec<u8> = CODES.iter().map(|(code, _)| *code as u8).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 101, 130]);
    }
}
