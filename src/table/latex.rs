//! Tables in LaTeX, for the package `booktabs`.
//!
//! Invariants:
//! - a text is printed as it is: what LaTeX reads is escaped, and no two characters become one sign (`--`, `''`);
//! - the start of a row is never read as a part of the command before it: `\\` and `\midrule` take `[` and `*`.

use super::sheet::{Sheet, Shown};

pub(super) fn latex(sheet: &Sheet, notes: &[String]) -> String {
    let row = |texts: Vec<String>| {
        let cells: Vec<String> = texts.iter().map(|text| escape(text)).collect();
        // Spaces do not keep a command from what it takes.
        let taken = cells.first().is_some_and(|first| first.trim_start().starts_with(['[', '*']));
        format!("{}{} \\\\\n", if taken { "{}" } else { "" }, cells.join(" & "))
    };
    let columns: String = sheet.heads.iter().map(|head| if head.number { 'r' } else { 'l' }).collect();
    let header = row(sheet.heads.iter().map(|head| head.text.clone()).collect());
    let body: String = sheet.rows.iter().map(|r| row(r.cells.iter().map(Shown::figure).collect())).collect();
    let count = sheet.heads.len().max(1);
    let note = |note: &String| format!("\\multicolumn{{{count}}}{{l}}{{\\footnotesize {}}} \\\\\n", escape(note));
    let notes: String = notes.iter().map(note).collect();
    format!(
        "\\begin{{tabular}}{{{columns}}}\n\\toprule\n{header}\\midrule\n{body}\\bottomrule\n{notes}\\end{{tabular}}\n"
    )
}

fn escape(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::super::cell::Column;
    use super::super::frame::Table;
    use super::super::text::Style;
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
    fn no_row_begins_with_what_a_command_takes() {
        let rows = ["[1.0, 0.75]", "*", " [x]", "a[0]", ""].map(|text| vec![text.into(), "[y]".into()]);
        let table = Table::new(vec![Column::text("*x"), Column::text("[y]")], rows.into()).unwrap();
        assert_eq!(
            latex(&Sheet::new(&table, &Style::default()).unwrap(), &[]),
            "\\begin{tabular}{ll}\n\\toprule\n{}*x & [y] \\\\\n\\midrule\n{}[1.0, 0.75] & [y] \\\\\n\
             {}* & [y] \\\\\n{} [x] & [y] \\\\\na[0] & [y] \\\\\n & [y] \\\\\n\\bottomrule\n\\end{tabular}\n"
        );
    }
}
