//! Tables in Markdown, as GitHub reads it.
//!
//! A cell is read as text of one line, so that only what starts something within a line is escaped: emphasis, code,
//! links, pictures, footnotes, HTML, entities, formulas and addresses.

use super::frame::Table;
use super::text::{Style, is_number, padded, texts, widths};

pub(super) fn markdown(table: &Table, style: &Style) -> String {
    let escaped = |row: &Vec<String>| -> Vec<String> { row.iter().map(|text| escape(text)).collect() };
    let texts: Vec<Vec<String>> = texts(table, style).iter().map(escaped).collect();
    // A rule needs three characters.
    let widths: Vec<usize> = widths(&texts).into_iter().map(|width| width.max(3)).collect();
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let row = |texts: &Vec<String>| {
        line(texts.iter().enumerate().map(|(c, text)| padded(text, widths[c], is_number(table, c))).collect())
    };
    let rule = |c: usize| {
        let dashes = "-".repeat(widths[c] - 1);
        if is_number(table, c) { format!("{dashes}:") } else { format!("{dashes}-") }
    };
    let mut lines: Vec<String> = texts.iter().map(row).collect();
    lines.insert(1, line((0..widths.len()).map(rule).collect()));
    let notes: String = style.notes.iter().map(|note| format!("\n{}\n", escape(note))).collect();
    lines.concat() + &notes
}

/// A text of one line as Markdown shows it, in a cell or anywhere within a line.
pub fn escape(text: &str) -> String {
    let count = |c: char| text.chars().filter(|&other| other == c).count();
    // What needs a partner stays where it has none.
    let paired = |c: char| count(c) > 1;
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let rest = &text[at + c.len_utf8()..];
        let after = rest.chars().next().unwrap_or(' ');
        let special = match c {
            '\\' | '|' | '`' | '*' | '<' => true,
            // Within a word it binds, as in `mean_iou`.
            '_' => paired(c) && !(before.is_alphanumeric() && after.is_alphanumeric()),
            '~' | '$' => paired(c),
            '[' => rest.contains("](") || rest.contains("][") || rest.starts_with('^'),
            '&' => is_entity(rest),
            // `http://` and `www.` begin an address.
            ':' => rest.starts_with("//"),
            '.' => text[..at].to_lowercase().ends_with("www"),
            _ => false,
        };
        if special {
            out.push('\\');
        }
        out.push(c);
        before = c;
    }
    out
}

/// Whether `&` and this are an entity, as `&lt;` and `&#60;`.
fn is_entity(rest: &str) -> bool {
    let name = rest.split_once(';').map_or("", |(name, _)| name.strip_prefix('#').unwrap_or(name));
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::super::cell::{Cell, Column};
    use super::*;

    #[test]
    fn a_cell_may_be_of_any_length() {
        let (short, long) = ("a".to_owned(), "ä".repeat(70_000));
        let rows = [&short, &long].map(|text| vec![Cell::Text(text.clone())]);
        let table = Table::new(vec![Column::text("name")], rows.into()).unwrap();
        let text = markdown(&table, &Style::default());
        assert!(text.lines().all(|line| line.chars().count() == 70_004), "the lines are not as long as each other");
    }

    #[test]
    fn what_markdown_reads_is_escaped_and_all_else_stays() {
        for (text, escaped) in [
            ("mean_iou of a_b", "mean_iou of a_b"),
            ("_a_ __b__", "\\_a\\_ \\_\\_b\\_\\_"),
            ("*a* base*", "\\*a\\* base\\*"),
            ("`rm` a|b \\", "\\`rm\\` a\\|b \\\\"),
            ("<b>x</b> <5", "\\<b>x\\</b> \\<5"),
            ("&lt; &#60; a & b; c", "\\&lt; \\&#60; a & b; c"),
            ("[x](y) ![p](q) [a][b] [^1] ]", "\\[x](y) !\\[p](q) \\[a][b] \\[^1] ]"),
            ("[1.0, 0.75] a[0]", "[1.0, 0.75] a[0]"),
            ("~~gone~~ ~1", "\\~\\~gone\\~\\~ \\~1"),
            ("$x$, 5 %", "\\$x\\$, 5 %"),
            ("http://a.b www.c.d a:b", "http\\://a.b www\\.c.d a:b"),
            ("# 1. - + > (x)", "# 1. - + > (x)"),
        ] {
            assert_eq!(escape(text), escaped);
        }
    }

    #[test]
    fn wide_characters_are_aligned() {
        let rows = ["漢字", "e\u{301}", "abcd"].map(|text| vec![text.into(), 1_i64.into()]);
        let table = Table::new(vec![Column::text("name"), Column::int("n")], rows.into()).unwrap();
        assert_eq!(
            markdown(&table, &Style::default()),
            "| name |   n |\n| ---- | --: |\n| 漢字 |   1 |\n| e\u{301}    |   1 |\n| abcd |   1 |\n"
        );
    }
}
