//! How wide a text is in Computer Modern, the letters that LaTeX sets where nothing else is asked for.
//!
//! Invariants:
//! - an estimate is an upper bound, so that a table that is said to fit does fit: widths are those of the fonts' metrics,
//!   rounded up, kerning counts only where it moves letters apart, and ligatures count as their letters;
//! - it is linear in the size: [`Size::factor`] is the largest that any letter of the smaller fonts has.

use unicode_width::UnicodeWidthChar as _;

/// A size of letters in LaTeX.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// 10 pt.
    Normal,
    /// 9 pt.
    Small,
    /// 8 pt.
    Footnote,
    /// 7 pt.
    Script,
}

impl Size {
    /// From the largest to the smallest.
    pub const ALL: [Size; 4] = [Size::Normal, Size::Small, Size::Footnote, Size::Script];

    /// The command that turns to it; none for the size that a document has anyway.
    pub fn command(self) -> Option<&'static str> {
        match self {
            Size::Normal => None,
            Size::Small => Some("\\small"),
            Size::Footnote => Some("\\footnotesize"),
            Size::Script => Some("\\scriptsize"),
        }
    }

    /// The widest that any letter of the fonts `cmr9`, `cmbx9` and so on is, as a share of the same letter at 10 pt. Smaller
    /// fonts are wider than they are high: at 7 pt it is not 0.7.
    pub fn factor(self) -> f64 {
        match self {
            Size::Normal => 1.0,
            Size::Small => 0.928,
            Size::Footnote => 0.856,
            Size::Script => 0.816,
        }
    }
}

/// The widths of the printable ASCII characters in `cmr10`, in thousandths of 10 pt. `<`, `>`, `{`, `|`, `}` and `\` are
/// from `cmsy10` and `cmmi10`; `_` is a rule.
#[rustfmt::skip]
const ROMAN: [u16; 95] = [
    334, 278, 500, 834, 500, 834, 778, 278, 389, 389, 500, 778, 278, 334, 278, 500, 500, 500, 500,
    500, 500, 500, 500, 500, 500, 500, 278, 278, 778, 778, 778, 473, 778, 750, 709, 723, 764, 681,
    653, 785, 750, 362, 514, 778, 625, 917, 750, 778, 681, 778, 737, 556, 723, 750, 750, 1028, 750,
    750, 612, 278, 500, 278, 500, 360, 500, 500, 556, 445, 556, 445, 306, 500, 556, 278, 306, 528,
    278, 834, 556, 500, 556, 528, 392, 395, 389, 556, 528, 723, 528, 528, 445, 500, 278, 500, 500,
];

/// The same in `cmbx10`.
#[rustfmt::skip]
const BOLD: [u16; 95] = [
    384, 350, 603, 959, 575, 959, 895, 320, 448, 448, 575, 895, 320, 384, 320, 575, 575, 575, 575,
    575, 575, 575, 575, 575, 575, 575, 320, 320, 895, 895, 895, 544, 895, 870, 819, 831, 882, 756,
    724, 905, 900, 437, 595, 902, 692, 1092, 900, 864, 787, 864, 863, 639, 800, 885, 870, 1189, 870,
    870, 703, 320, 603, 320, 575, 414, 575, 560, 639, 512, 639, 528, 352, 575, 639, 320, 352, 607,
    320, 959, 639, 575, 639, 607, 474, 454, 448, 639, 607, 831, 607, 607, 512, 575, 320, 575, 575,
];

/// What a space is wider behind the end of a sentence.
const SENTENCE: u16 = 112;

/// The width of a text at 10 pt, in points.
pub fn text(text: &str, bold: bool) -> f64 {
    let mut sum = 0;
    let mut before = ' ';
    for c in text.chars() {
        let sentence = c == ' ' && ".?!:)']\"".contains(before);
        sum += u64::from(character(c, bold) + kern(before, c, bold) + if sentence { SENTENCE } else { 0 });
        before = c;
    }
    sum as f64 / 100.0
}

/// The width of a mark behind a figure at 10 pt, in points. Raised letters shrink less than those of the line, and half a
/// point stands behind them.
pub fn mark(mark: &str) -> f64 {
    match mark {
        "†" | "‡" => 4.7,
        _ => 0.89 * text(mark, false) + 0.7,
    }
}

fn character(c: char, bold: bool) -> u16 {
    if let ' '..='~' = c {
        return if bold { BOLD } else { ROMAN }[c as usize - ' ' as usize];
    }
    match c {
        '–' | '†' | '‡' | '·' => 575,
        '±' | '−' | '×' | '≤' | '≥' | '≠' | '≈' => 778,
        _ if c.width() == Some(0) => 0,
        // No letter of these fonts is wider, with or without an accent.
        _ if c.is_lowercase() && bold => 900,
        _ if c.is_lowercase() => 780,
        _ => 1200,
    }
}

/// By how much two letters stand apart.
fn kern(a: char, b: char, bold: bool) -> u16 {
    let roman = match (a, b) {
        ('a' | 'b' | 'g' | 'o' | 'p', 'j') => 56,
        ('b' | 'o' | 'p', 'c' | 'd' | 'e' | 'o' | 'q') | ('I', 'I') => 28,
        ('f', '!' | '\'' | ')' | '?' | ']') => 78,
        ('\'', '!' | '?') => 112,
        _ => 0,
    };
    if bold { roman + roman / 2 } else { roman }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The widths that LaTeX measured: `\setbox0\hbox{…}\showthe\wd0`, and the same in `\textbf`.
    #[test]
    fn no_text_is_wider_than_estimated_and_the_estimate_is_close() {
        for (words, roman, bold) in [
            ("75.3", 17.778, 20.444),
            ("IoU of classes", 59.333, 68.663),
            ("diningtable", 48.889, 56.222),
            ("Average (learned: false). Yes: it is!", 153.556, 177.975),
            ("Regular, 20 000 steps; AVAILABLE WAX To", 199.722, 229.842),
            ("a_b & 5 % #1 $x$ {y} <>|", 120.820, 138.782),
            ("boopcoqeaj IIf!", 67.444, 78.479),
            ("__\\\\", 17.2, 19.779),
        ] {
            for (estimate, measured) in [(text(words, false), roman), (text(words, true), bold)] {
                let excess = estimate / measured - 1.0;
                assert!((0.0..0.04).contains(&excess), "{words}: {estimate} where LaTeX has {measured}");
            }
        }
    }

    #[test]
    fn sizes_shrink() {
        assert!(Size::ALL.windows(2).all(|pair| pair[0].factor() > pair[1].factor()));
        assert!(mark("†") > 4.1 && mark("a") > 4.4 && mark("") < 1.0);
    }
}
