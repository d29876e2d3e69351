//! A check and its line.

use serde::{Serialize, Serializer};

use crate::cli::exit::Exit;
use crate::cli::terminal::width;
use crate::table::{folded, padded};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// All is well.
    Ok,
    /// It works, but the user should know.
    Warn,
    /// Something does not work.
    Fail,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "FAIL",
        }
    }
}

/// A check that was made.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What was checked.
    pub name: String,
    /// How it ended.
    pub level: Level,
    /// What was seen.
    pub seen: String,
    /// What to do; empty where nothing is to do.
    pub advice: String,
    /// The exit code if it fails.
    #[serde(serialize_with = "code")]
    pub exit: Exit,
}

fn code<S: Serializer>(exit: &Exit, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(*exit as u8)
}

impl Check {
    /// A check that is well.
    pub fn ok(name: &str, seen: impl Into<String>) -> Self {
        let name = name.to_owned();
        Check { name, level: Level::Ok, seen: seen.into(), advice: String::new(), exit: Exit::Success }
    }

    /// Something that the user should know.
    pub fn warn(name: &str, seen: impl Into<String>, advice: impl Into<String>) -> Self {
        Check { level: Level::Warn, advice: advice.into(), ..Check::ok(name, seen) }
    }

    /// Something that does not work, with the exit code that a run would end with.
    pub fn fail(name: &str, seen: impl Into<String>, advice: impl Into<String>, exit: Exit) -> Self {
        Check { level: Level::Fail, advice: advice.into(), exit, ..Check::ok(name, seen) }
    }
}

/// The widest line where the output is no terminal.
const WIDE: usize = 100;

/// All checks, a line each, with what to do below. The last line counts them.
pub fn text(checks: &[Check]) -> String {
    let names = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let room = width().unwrap_or(WIDE).saturating_sub(names + 8).max(20);
    let space = " ".repeat(names + 8);
    let mut out = String::new();
    for check in checks {
        let head = format!("{}  {}  ", padded(check.level.word(), 4, false), padded(&check.name, names, false));
        let advice = (!check.advice.is_empty()).then(|| format!("-> {}", check.advice));
        let lines =
            folded(&check.seen, room).into_iter().chain(advice.into_iter().flat_map(|text| folded(&text, room)));
        for (at, line) in lines.enumerate() {
            out += if at == 0 { &head } else { &space };
            out += line.trim_end();
            out.push('\n');
        }
    }
    let count = |level| checks.iter().filter(|check| check.level == level).count();
    format!("{out}\n{} ok, {} warn, {} FAIL", count(Level::Ok), count(Level::Warn), count(Level::Fail))
}

/// A number of bytes in words.
pub fn size(bytes: u64) -> String {
    let gibibytes = bytes as f64 / f64::from(1 << 30);
    if gibibytes >= 1.0 {
        format!("{gibibytes:.1} GiB")
    } else {
        format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
    }
}
