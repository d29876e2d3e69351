//! Whether output is coloured: decided here alone, for standard output and standard error apart.
//!
//! Invariants:
//! - the option `--color` comes first, then `NO_COLOR`, then `CLICOLOR_FORCE`, then `CLICOLOR`. Where none of them decides,
//!   a terminal gets colours, unless it is of the type `dumb` or of none;
//! - colour alone never tells anything: the same is also said in a word.

use std::io::{self, IsTerminal as _};
use std::sync::OnceLock;

use clap::ValueEnum;

/// When output is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal; `NO_COLOR`, `CLICOLOR` and `CLICOLOR_FORCE` are heeded.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What the command line asks for.
static ASKED: OnceLock<ColorWhen> = OnceLock::new();

/// Notes what the command line asks for; the first call counts.
pub fn set(when: ColorWhen) {
    let _ = ASKED.set(when);
}

/// What arguments ask for that cannot be parsed: errors of parsing are coloured, too.
pub fn asked(arguments: &[String]) -> ColorWhen {
    let mut when = ColorWhen::Auto;
    let mut left = arguments.iter().take_while(|argument| *argument != "--");
    while let Some(argument) = left.next() {
        let value = match argument.strip_prefix("--color=") {
            Some(value) => Some(value),
            None if argument == "--color" => left.next().map(String::as_str),
            None => None,
        };
        when = value.and_then(|value| ColorWhen::from_str(value, false).ok()).unwrap_or(when);
    }
    when
}

/// What decides beside the command line.
#[derive(Debug, Clone, Default)]
struct Surroundings {
    no_color: String,
    clicolor: String,
    clicolor_force: String,
    term: String,
    is_terminal: bool,
}

impl Surroundings {
    fn of(is_terminal: bool) -> Self {
        let get = |name: &str| std::env::var_os(name).unwrap_or_default().to_string_lossy().into_owned();
        Surroundings {
            no_color: get("NO_COLOR"),
            clicolor: get("CLICOLOR"),
            clicolor_force: get("CLICOLOR_FORCE"),
            term: get("TERM"),
            is_terminal,
        }
    }

    fn is_smart(&self) -> bool {
        self.is_terminal && !self.term.is_empty() && self.term != "dumb"
    }

    fn color(&self, when: ColorWhen) -> bool {
        match when {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto if !self.no_color.is_empty() => false,
            ColorWhen::Auto if !self.clicolor_force.is_empty() && self.clicolor_force != "0" => true,
            ColorWhen::Auto => self.clicolor != "0" && self.is_smart(),
        }
    }
}

fn when() -> ColorWhen {
    ASKED.get().copied().unwrap_or_default()
}

/// Whether standard output is coloured.
pub fn stdout() -> bool {
    Surroundings::of(io::stdout().is_terminal()).color(when())
}

/// Whether standard error is coloured.
pub fn stderr() -> bool {
    Surroundings::of(io::stderr().is_terminal()).color(when())
}

/// Whether standard output is a terminal on which lines can be drawn again.
pub fn redraws() -> bool {
    Surroundings::of(io::stdout().is_terminal()).is_smart()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_comes_first_and_then_the_variables_in_their_order() {
        let terminal = || Surroundings { term: "xterm".into(), is_terminal: true, ..Surroundings::default() };
        let pipe = || Surroundings { is_terminal: false, ..terminal() };
        let auto = |around: Surroundings| around.color(ColorWhen::Auto);
        assert!(auto(terminal()) && !auto(pipe()));
        assert!(!auto(Surroundings { no_color: "1".into(), ..terminal() }));
        assert!(!auto(Surroundings { no_color: "1".into(), clicolor_force: "1".into(), ..terminal() }));
        assert!(auto(Surroundings { clicolor_force: "1".into(), clicolor: "0".into(), ..pipe() }));
        assert!(!auto(Surroundings { clicolor_force: "0".into(), ..pipe() }));
        assert!(!auto(Surroundings { clicolor: "0".into(), ..terminal() }));
        assert!(!auto(Surroundings { term: "dumb".into(), ..terminal() }));
        assert!(!auto(Surroundings { term: String::new(), ..terminal() }));
        let off = Surroundings { no_color: "1".into(), ..pipe() };
        assert!(off.color(ColorWhen::Always) && !terminal().color(ColorWhen::Never));
    }

    #[test]
    fn the_option_is_found_wherever_it_stands() {
        let asked = |line: &str| super::asked(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(asked("run a.ron --color always"), ColorWhen::Always);
        assert_eq!(asked("--color=never run a.ron"), ColorWhen::Never);
        assert_eq!(asked("run --color always --color=auto"), ColorWhen::Auto);
        assert_eq!(
            [asked("run -- --color always"), asked("run --color"), asked("run --color=red")],
            [ColorWhen::Auto; 3]
        );
    }
}
