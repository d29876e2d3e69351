//! Texts in LaTeX.
//!
//! Invariants:
//! - a text is printed as it is: what LaTeX reads is escaped, and no two characters become one sign (`--`, `''`);
//! - the start of a row is never read as a part of the command before it: `\\` and `\midrule` take `[` and `*`.

/// A text as LaTeX prints it.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for c in text.chars() {
        // Two of these are one sign in print: a dash, a quotation mark.
        if c == before && matches!(c, '-' | '\'' | ',') {
            out += "{}";
        }
        before = c;
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                out.push('\\');
                out.push(c);
            }
            '\\' => out += "\\textbackslash{}",
            '~' => out += "\\textasciitilde{}",
            '^' => out += "\\textasciicircum{}",
            '<' => out += "\\textless{}",
            '>' => out += "\\textgreater{}",
            '|' => out += "\\textbar{}",
            '`' => out += "\\textasciigrave{}",
            '–' => out += "--",
            _ => out.push(c),
        }
    }
    out
}

/// A row that begins with nothing that the command before it takes. Spaces do not keep a command from that.
pub fn guarded(row: &str) -> String {
    if row.trim_start().starts_with(['[', '*']) { format!("{{}}{row}") } else { row.to_owned() }
}

/// Signs that LaTeX does not know as characters, or has only in a font of its own, as formulas.
const SIGNS: [(char, &str); 14] = [
    ('±', "$\\pm$"),
    ('−', "$-$"),
    ('×', "$\\times$"),
    ('·', "$\\cdot$"),
    ('≤', "$\\leq$"),
    ('≥', "$\\geq$"),
    ('≠', "$\\neq$"),
    ('≈', "$\\approx$"),
    ('→', "$\\rightarrow$"),
    ('∞', "$\\infty$"),
    ('Δ', "$\\Delta$"),
    ('σ', "$\\sigma$"),
    ('†', "$\\dagger$"),
    ('‡', "$\\ddagger$"),
];

/// A text as a paper prints it: escaped, with signs of mathematics as formulas.
pub fn typeset(text: &str) -> String {
    SIGNS.iter().fold(escape(text), |text, (sign, formula)| text.replace(*sign, formula))
}

/// A mark behind a figure.
pub fn mark(text: &str) -> String {
    match text {
        "†" => "$^{\\dagger}$".to_owned(),
        "‡" => "$^{\\ddagger}$".to_owned(),
        _ => format!("\\textsuperscript{{{}}}", typeset(text)),
    }
}

/// A sentence as a paper prints it, in which long words may be broken.
pub fn sentence(text: &str) -> String {
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn word(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    match characters.len() {
        0..=LONG => typeset(text),
        _ => characters
            .chunks(PIECE)
            .map(|piece| typeset(&String::from_iter(piece)))
            .collect::<Vec<_>>()
            .join("\\allowbreak{}"),
    }
}

/// The characters of the longest word that is not broken.
const LONG: usize = 30;

/// The characters between two places where a long word may be broken.
const PIECE: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_latex_reads_is_escaped_and_no_two_characters_become_one() {
        for (text, escaped) in [
            ("a_b & 5 % #1 $x$ {y}", "a\\_b \\& 5 \\% \\#1 \\$x\\$ \\{y\\}"),
            ("~^\\<|>", "\\textasciitilde{}\\textasciicircum{}\\textbackslash{}\\textless{}\\textbar{}\\textgreater{}"),
            ("a--b---c -1", "a-{}-b-{}-{}-c -1"),
            ("``it''s?`", "\\textasciigrave{}\\textasciigrave{}it'{}'s?\\textasciigrave{}"),
            ("漢é", "漢é"),
        ] {
            assert_eq!(escape(text), escaped);
        }
    }

    #[test]
    fn papers_have_formulas_for_signs_and_break_long_words() {
        assert_eq!(typeset("75 ± 1 ≥ a_b†"), "75 $\\pm$ 1 $\\geq$ a\\_b$\\dagger$");
        assert_eq!([mark("†"), mark("a$")], ["$^{\\dagger}$", "\\textsuperscript{a\\$}"]);
        assert_eq!(sentence("A -- b."), "A -{}- b.");
        let broken = format!("x {0}\\allowbreak{{}}{0}\\allowbreak{{}}{0}\\allowbreak{{}}aa", "a".repeat(10));
        assert_eq!(sentence(&format!("x {}", "a".repeat(32))), broken);
    }
}
