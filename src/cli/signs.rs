//! What lines on a terminal are drawn with.

/// The characters that lines are drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signs {
    /// Any character.
    Unicode,
    /// ASCII alone, where the language of the surroundings knows no more.
    Ascii,
}

impl Signs {
    /// Those that the language of the surroundings knows.
    pub fn known() -> Self {
        let variables = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter();
        let language = variables.filter_map(std::env::var_os).find(|value| !value.is_empty()).unwrap_or_default();
        let language = language.to_string_lossy().to_lowercase();
        if language.contains("utf-8") || language.contains("utf8") { Signs::Unicode } else { Signs::Ascii }
    }

    /// What stands between two facts of a line.
    pub fn dot(self) -> &'static str {
        match self {
            Signs::Unicode => " \u{b7} ",
            Signs::Ascii => ", ",
        }
    }

    /// The heights of a curve, from the lowest.
    pub fn levels(self) -> &'static [char] {
        match self {
            Signs::Unicode => &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
            Signs::Ascii => &['_', '.', '-', '=', '*', '#'],
        }
    }
}
