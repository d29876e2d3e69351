//! Tables in Markdown, as GitHub reads it.
//!
//! A cell is read as text of one line, so that only what starts something within a line is escaped: emphasis, code,
//! links, pictures, footnotes, HTML, entities, formulas and addresses.

use super::sheet::{Head, Row, Sheet, Shown};
use super::text::{line, padded, widths};

pub(super) fn markdown(sheet: &Sheet, caption: Option<&str>, notes: &[String]) -> String {
    let texts: Vec<Vec<String>> =
        std::iter::once(sheet.heads.iter().map(header).collect()).chain(sheet.rows.iter().flat_map(rows)).collect();
    // A rule needs three characters.
    let widths: Vec<usize> = widths(&texts).into_iter().map(|width| width.max(3)).collect();
    let joined = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let row = |texts: &Vec<String>| {
        joined(texts.iter().enumerate().map(|(c, text)| padded(text, widths[c], sheet.heads[c].number)).collect())
    };
    let rule = |c: usize| {
        let dashes = "-".repeat(widths[c] - 1);
        if sheet.heads[c].number { format!("{dashes}:") } else { format!("{dashes}-") }
    };
    let mut lines: Vec<String> = texts.iter().map(row).collect();
    lines.insert(1, joined((0..widths.len()).map(rule).collect()));
    let caption = caption.map_or(String::new(), |caption| format!("{}\n\n", paragraph(caption)));
    let notes: String = notes.iter().map(|note| format!("\n{}\n", escape(&line(note)))).collect();
    caption + &lines.concat() + &notes
}

/// A header with its group, which has no row of its own in Markdown: "IoU: car".
fn header(head: &Head) -> String {
    let text = match &head.group {
        Some(group) => escape(&format!("{group}: {}", head.text)),
        None => escape(&head.text),
    };
    marked(text, &head.mark)
}

/// The lines of a row: the title of the group that it opens, and its cells.
fn rows(row: &Row) -> Vec<Vec<String>> {
    let cells = row.cells.iter().map(cell).collect();
    match row.opens.as_deref().map(str::trim).filter(|title| !title.is_empty()) {
        Some(title) => {
            let rest = row.cells.iter().skip(1).map(|_| String::new());
            vec![std::iter::once(format!("**{}**", escape(title))).chain(rest).collect(), cells]
        }
        None => vec![cells],
    }
}

fn cell(shown: &Shown) -> String {
    let mut text = escape(&shown.figure());
    let inner = text.trim();
    if shown.bold && !inner.is_empty() {
        text = format!("**{inner}**");
    }
    marked(text, &shown.mark)
}

/// A text and the mark behind it.
fn marked(text: String, mark: &Option<String>) -> String {
    match mark {
        // A letter or a digit would be read as a part of the value.
        Some(mark) if mark.starts_with(char::is_alphanumeric) => text + &format!("<sup>{}</sup>", escape(mark)),
        Some(mark) => text + &escape(mark),
        None => text,
    }
}

/// A text of one line as Markdown shows it where it begins a paragraph.
fn paragraph(text: &str) -> String {
    let text = line(text);
    let escaped = escape(text.trim());
    // At the start of a line these begin a heading, a list, a quotation or a rule.
    let number = escaped.trim_start_matches(|c: char| c.is_ascii_digit());
    match escaped.chars().next() {
        Some('#' | '-' | '+' | '>' | '=' | '_' | '~') => format!("\\{escaped}"),
        _ if number.len() < escaped.len() && number.starts_with(['.', ')']) => {
            let digits = &escaped[..escaped.len() - number.len()];
            format!("{digits}\\{number}")
        }
        _ => escaped,
    }
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
    use proptest::prelude::*;

    use super::super::cell::{Cell, Column};
    use super::super::frame::Table;
    use super::super::layout::{Layout, LayoutColumn};
    use super::super::testing::laid_out;
    use super::super::text::Style;
    use super::*;

    fn shown(table: &Table) -> String {
        markdown(&Sheet::new(table, &Style::default()).unwrap(), None, &[])
    }

    #[test]
    fn a_cell_may_be_of_any_length() {
        let (short, long) = ("a".to_owned(), "ä".repeat(70_000));
        let rows = [&short, &long].map(|text| vec![Cell::Text(text.clone())]);
        let table = Table::new(vec![Column::text("name")], rows.into()).unwrap();
        let text = shown(&table);
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
            shown(&table),
            "| name |   n |\n| ---- | --: |\n| 漢字 |   1 |\n| e\u{301}    |   1 |\n| abcd |   1 |\n"
        );
    }

    #[test]
    fn groups_spreads_the_best_and_marks_are_shown() {
        let (table, mut style) = laid_out();
        let text = |style: &Style| markdown(&Sheet::new(&table, style).unwrap(), style.caption(), &style.notes);
        assert_eq!(
            text(&style),
            "Ours & theirs.\n\n\
             | Method         |            mIoU | IoU: car | IoU: dog |\n\
             | -------------- | --------------: | -------: | -------: |\n\
             | **Published**  |                 |          |          |\n\
             | Regular        |            75.1 |     90.2 |        – |\n\
             | **Reproduced** |                 |          |          |\n\
             | Regular        |      74.9 ± 1.2 |      NaN |      0.0 |\n\
             | Average        | **75.3 ± 0.4**† |     89.0 |     -0.5 |\n\n\
             † differs from Regular (p \\< 0.05).\n"
        );
        style.layout.as_mut().unwrap().transposed = true;
        style.layout.as_mut().unwrap().caption = None;
        assert_eq!(
            text(&style),
            "| Method  | Published: Regular | Reproduced: Regular | Reproduced: Average |\n\
             | ------- | -----------------: | ------------------: | ------------------: |\n\
             | mIoU    |               75.1 |          74.9 ± 1.2 |     **75.3 ± 0.4**† |\n\
             | **IoU** |                    |                     |                     |\n\
             | car     |               90.2 |                 NaN |                89.0 |\n\
             | dog     |                  – |                 0.0 |                -0.5 |\n\n\
             † differs from Regular (p \\< 0.05).\n"
        );
    }

    #[test]
    fn a_mark_of_letters_is_no_part_of_the_figure_and_a_caption_begins_no_heading() {
        let shown = |mark: &str, value: &str| {
            cell(&Shown { value: value.into(), bold: true, mark: Some(mark.into()), ..Shown::default() })
        };
        assert_eq!(shown("1", "75.3"), "**75.3**<sup>1</sup>");
        assert_eq!(shown("*", "a|b "), "**a\\|b**\\*");
        assert_eq!(shown("†", " "), " †");
        let texts = ["# a", "- a", "12. a", "1) a", "a # b", "> a", "12 a", "---", " +"];
        let escaped = ["\\# a", "\\- a", "12\\. a", "1\\) a", "a # b", "\\> a", "12 a", "\\---", "\\+"];
        assert_eq!(texts.map(paragraph), escaped);
    }

    proptest! {
        #[test]
        fn every_line_of_a_table_has_all_cells(
            texts in prop::collection::vec("\\PC{0,20}|[|\\\\`*<a\n]{0,9}", 5),
            (bold, transposed) in (any::<bool>(), any::<bool>()),
        ) {
            let columns = ["a", "b", "mark"].map(Column::text).into_iter().chain([Column::bool("best")]).collect();
            let row = |at: usize| [0, 1, 2].map(|to| texts[(at + to) % 5].as_str().into()).into_iter().chain([bold.into()]);
            let table = Table::new(columns, (0..3).map(|at| row(at).collect()).collect()).unwrap();
            let column = LayoutColumn {
                bold: Some("best".into()),
                mark: Some("mark".into()),
                ..LayoutColumn::named("a", texts[0].clone()).within(texts[1].clone())
            };
            let columns = vec![LayoutColumn::named("b", texts[2].clone()), column.clone(), column];
            let layout = Layout { columns, row_group: Some("mark".into()), transposed, ..Layout::default() };
            let style = Style { layout: Some(layout), ..Style::default() };
            let sheet = Sheet::new(&table, &style).unwrap();
            for line in markdown(&sheet, None, &[]).lines() {
                let bars = line.replace("\\\\", "").replace("\\|", "").matches('|').count();
                prop_assert_eq!(bars, sheet.heads.len() + 1, "{}", line);
            }
        }
    }
}
