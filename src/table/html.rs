//! Tables in HTML: a page of its own, which fetches nothing.
//!
//! Invariants:
//! - whatever the cells hold is shown as text: what HTML reads is escaped everywhere;
//! - groups of columns, groups of rows and row labels are marked up as what they are, for readers that speak.

use super::sheet::{Head, Row, Sheet, Shown};
use super::text::line;

/// How the page looks: lines as in a printed table, and digits that stand in columns.
const STYLE: &str = "\
body { font-family: sans-serif; margin: 2em; }
table { border-collapse: collapse; border-top: 2px solid; border-bottom: 2px solid; }
caption { text-align: left; padding-bottom: 0.5em; }
th, td { padding: 0.2em 0.6em; text-align: left; font-weight: normal; white-space: pre-wrap; }
thead th { vertical-align: bottom; }
thead tr:last-child th, thead th[rowspan], thead th[scope=colgroup] { border-bottom: 1px solid; }
th[scope=colgroup] { text-align: center; }
th[scope=rowgroup] { font-style: italic; }
tbody + tbody { border-top: 1px solid; }
.number { text-align: right; white-space: pre; font-variant-numeric: tabular-nums; }
";

pub(super) fn html(sheet: &Sheet, caption: Option<&str>, notes: &[String]) -> String {
    let notes: String = notes.iter().map(|note| element("p", note)).collect();
    page(caption.unwrap_or("Table"), &format!("{}{notes}", table(sheet, caption)))
}

/// A page with this title and these elements.
pub(super) fn page(title: &str, elements: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n{}\
         <style>\n{STYLE}</style>\n</head>\n<body>\n{elements}</body>\n</html>\n",
        element("title", title)
    )
}

/// An element that holds a text of one line.
pub(super) fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>\n", escape(&line(text)))
}

/// The element of a table.
pub(super) fn table(sheet: &Sheet, caption: Option<&str>) -> String {
    let caption = caption.map_or(String::new(), |caption| element("caption", caption));
    format!("<table>\n{caption}{}{}</table>\n", head(sheet), body(sheet))
}

/// The header: one row, or two where columns are in groups.
fn head(sheet: &Sheet) -> String {
    let class = |column: usize| if sheet.heads[column].number { " class=\"number\"" } else { "" };
    let header = |column: usize, rows: &str| {
        let Head { text, mark, .. } = &sheet.heads[column];
        format!("<th scope=\"col\"{rows}{}>{}{}</th>\n", class(column), escape(text), raised(mark))
    };
    if !sheet.is_grouped() {
        let headers: String = (0..sheet.heads.len()).map(|column| header(column, "")).collect();
        return format!("<thead>\n<tr>\n{headers}</tr>\n</thead>\n");
    }
    let all: Vec<usize> = (0..sheet.heads.len()).collect();
    let (mut upper, mut lower, mut at) = (String::new(), String::new(), 0);
    for (group, count) in sheet.spans(&all) {
        let columns = at..at + count;
        at += count;
        match group {
            Some(group) => {
                upper += &format!("<th scope=\"colgroup\" colspan=\"{count}\">{}</th>\n", escape(group));
                lower.extend(columns.map(|column| header(column, "")));
            }
            None => upper.extend(columns.map(|column| header(column, " rowspan=\"2\""))),
        }
    }
    format!("<thead>\n<tr>\n{upper}</tr>\n<tr>\n{lower}</tr>\n</thead>\n")
}

/// The rows: a body for each group.
fn body(sheet: &Sheet) -> String {
    let mut out = "<tbody>\n".to_owned();
    for (number, row) in sheet.rows.iter().enumerate() {
        if let Some(title) = &row.opens {
            if number > 0 {
                out += "</tbody>\n<tbody>\n";
            }
            if !title.is_empty() {
                let columns = sheet.heads.len();
                out += &format!("<tr>\n<th scope=\"rowgroup\" colspan=\"{columns}\">{}</th>\n</tr>\n", escape(title));
            }
        }
        out += &format!("<tr>\n{}</tr>\n", cells(sheet, row));
    }
    out + "</tbody>\n"
}

fn cells(sheet: &Sheet, row: &Row) -> String {
    let cell = |(column, shown): (usize, &Shown)| {
        let (name, scope) = if column < sheet.leads { ("th", " scope=\"row\"") } else { ("td", "") };
        let class = if sheet.heads[column].number { " class=\"number\"" } else { "" };
        let figure = escape(&shown.figure());
        let figure = if shown.bold { format!("<strong>{figure}</strong>") } else { figure };
        format!("<{name}{scope}{class}>{figure}{}</{name}>\n", raised(&shown.mark))
    };
    row.cells.iter().enumerate().map(cell).collect()
}

fn raised(mark: &Option<String>) -> String {
    mark.as_ref().map_or(String::new(), |mark| format!("<sup>{}</sup>", escape(mark)))
}

/// A text as HTML shows it, within elements and in attributes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::cell::{Cell, Column};
    use super::super::frame::Table;
    use super::super::testing::{laid_out, random, sample};
    use super::super::text::Style;
    use super::*;

    fn page_of(table: &Table, style: &Style) -> String {
        html(&Sheet::new(table, style).unwrap(), style.caption(), &style.notes)
    }

    /// Holds that every element is closed in the order in which elements were opened, and that nothing is fetched.
    fn hold_well_formed(page: &str) {
        let mut open: Vec<&str> = Vec::new();
        for tag in page.split('<').skip(1).map(|rest| rest.split_once('>').expect("a tag ends").0) {
            let name = tag.split(' ').next().unwrap();
            match name.strip_prefix('/') {
                Some(closed) => assert_eq!(open.pop(), Some(closed), "{page}"),
                None if name != "meta" && name != "!DOCTYPE" => open.push(name),
                None => {}
            }
            assert!(!["script", "link", "img", "iframe", "base", "a"].contains(&name), "{page}");
        }
        assert!(open.is_empty(), "{open:?} stay open: {page}");
    }

    #[test]
    fn hostile_texts_stay_texts() {
        let hostile = "<script>alert(1)</script>\"'&amp;\u{1b}";
        let shown = "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;amp;\\u001b";
        let mut style = Style { notes: vec![hostile.to_owned()], ..Style::default() };
        let table = Table::new(vec![Column::text(hostile)], vec![vec![hostile.into()]]).unwrap();
        assert_eq!(page_of(&table, &style).matches(shown).count(), 3);
        hold_well_formed(&page_of(&table, &style));
        let column = super::super::layout::LayoutColumn {
            mark: Some(hostile.into()),
            group: Some(hostile.into()),
            ..super::super::layout::LayoutColumn::of(hostile)
        };
        style.layout = Some(super::super::layout::Layout {
            columns: vec![column],
            row_group: Some(hostile.into()),
            caption: Some(hostile.into()),
            ..Default::default()
        });
        let page = page_of(&table, &style);
        // The note, the header, its group, the cell, its mark, the row's group, the caption and the page's title.
        assert_eq!(page.matches(shown).count(), 8, "{page}");
        hold_well_formed(&page);
    }

    #[test]
    fn pages_are_well_formed() {
        for index in 0..20 {
            hold_well_formed(&page_of(&random(index), &Style::default()));
        }
        hold_well_formed(&page_of(&sample(), &Style::default()));
        let (table, mut style) = laid_out();
        hold_well_formed(&page_of(&table, &style));
        style.layout.as_mut().unwrap().transposed = true;
        hold_well_formed(&page_of(&table, &style));
    }

    #[test]
    fn groups_labels_and_the_best_are_marked_up() {
        let (table, style) = laid_out();
        let page = page_of(&table, &style);
        for part in [
            "<title>Ours &amp; theirs.</title>",
            "<caption>Ours &amp; theirs.</caption>",
            "<th scope=\"col\" rowspan=\"2\">Method</th>\n<th scope=\"col\" rowspan=\"2\" class=\"number\">mIoU</th>\n\
             <th scope=\"colgroup\" colspan=\"2\">IoU</th>\n</tr>\n<tr>\n<th scope=\"col\" class=\"number\">car</th>\n",
            "<tbody>\n<tr>\n<th scope=\"rowgroup\" colspan=\"4\">Published</th>\n</tr>\n<tr>\n<th scope=\"row\">Regular</th>\n",
            "<td class=\"number\"><strong>75.3 ± 0.4</strong><sup>†</sup></td>\n",
            "<td class=\"number\">–</td>\n",
        ] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
        let empty = Table::new(vec![Column::text("a")], Vec::new()).unwrap();
        assert!(super::tests::page_of(&empty, &Style::default()).contains("<tbody>\n</tbody>"));
        let null = Table::new(vec![Column::float("a")], vec![vec![Cell::Null]]).unwrap();
        assert!(super::tests::page_of(&null, &Style::default()).contains("<th scope=\"row\" class=\"number\">–</th>"));
    }
}
