//! Tables with a layout in LaTeX, for `\input` in a paper. The package `booktabs` is all that they need.
//!
//! Invariants:
//! - a table fits the width of the text that its layout states, or the file and the printed table say that it does not;
//! - numbers stand in columns: what follows a value in some cells has its space in the others;
//! - what the file sets, as the size of letters, ends with the table.

use super::super::layout::Layout;
use super::super::sheet::{Head, Row, Sheet, Shown};
use super::super::text::line;
use super::escape::{guarded, mark, sentence, typeset};
use super::fit::Widths;
use super::metrics;

/// What stands between a value and its spread.
const PM: &str = "~$\\pm$~";

/// The table in the form that fits.
pub fn paper(sheet: &Sheet, layout: &Layout, notes: &[String]) -> String {
    let tails: Vec<Tail> = (0..sheet.heads.len()).map(|column| Tail::of(sheet, column)).collect();
    let columns = sheet.heads.iter().enumerate().map(|(column, head)| {
        let cells = sheet.rows.iter().map(|row| width(&row.cells[column], &tails[column]));
        let header = metrics::text(&head.text, false) + head.mark.as_deref().map_or(0.0, metrics::mark);
        cells.fold(header, f64::max)
    });
    let group = |group: &str| metrics::text(group, false);
    let titles = sheet.rows.iter().filter_map(|row| row.opens.as_deref());
    let title = titles.map(group).fold(0.0, f64::max);
    let fit = Widths { sheet, columns: columns.collect(), group, title }.fit(layout.width_pt);
    let (width, limit) = (fit.width.ceil(), layout.width_pt);
    let too_wide = (fit.width > limit).then(|| {
        format!(
            "The table does not fit: it is about {width} pt wide, {} pt over the text width of {limit} pt.",
            (fit.width - limit).ceil()
        )
    });
    let mut out =
        "% Needs \\usepackage{booktabs}. Widths are estimated by the metrics of Computer Modern at 10 pt.\n".to_owned();
    out += &match &too_wide {
        Some(sentence) => format!("% {sentence}\n"),
        None => format!("% The table fits: it is at most {width} pt wide, and the text {limit} pt.\n"),
    };
    let caption = layout.caption.as_deref().map(line).filter(|caption| !caption.trim().is_empty());
    let floats = caption.is_some() || layout.label.is_some();
    out += if floats { "\\begin{table}\n\\centering\n" } else { "\\par\\begingroup\\setlength{\\parindent}{0pt}\n" };
    if let Some(caption) = caption {
        out += &format!("\\caption{{{}}}\n", sentence(&caption));
    }
    if let Some(label) = &layout.label {
        // Without a caption, a label names the section: it is still there to be found.
        out += &format!("\\label{{{label}}}\n");
    }
    if floats {
        out += "\\par\\smallskip\n";
    }
    if let Some(command) = fit.size.command() {
        out += &format!("{command}\n");
    }
    out += &format!("\\setlength{{\\tabcolsep}}{{{}pt}}\n", fit.space);
    let parts: Vec<String> = fit.parts.iter().map(|part| tabular(sheet, &tails, part)).collect();
    out += &parts.join("\\par\\medskip\n");
    for note in too_wide.iter().chain(notes) {
        out += &format!("\\par\\smallskip\n{{\\raggedright\\footnotesize {}\\par}}\n", sentence(&line(note)));
    }
    out + if floats { "\\end{table}\n" } else { "\\par\\endgroup\n" }
}

/// What follows the values of a column: the widest spread and the widest mark.
#[derive(Default)]
struct Tail {
    spread: Option<String>,
    mark: Option<String>,
}

impl Tail {
    fn of(sheet: &Sheet, column: usize) -> Self {
        let cells = || sheet.rows.iter().map(|row| &row.cells[column]).filter(|cell| cell.number);
        Tail {
            spread: widest(cells().filter_map(|cell| cell.spread.as_ref()), |text| metrics::text(text, true)),
            mark: widest(cells().filter_map(|cell| cell.mark.as_ref()), metrics::mark),
        }
    }
}

/// The first of the widest.
fn widest<'a>(texts: impl Iterator<Item = &'a String>, width: impl Fn(&str) -> f64) -> Option<String> {
    let mut found: Option<&String> = None;
    for text in texts {
        if found.is_none_or(|found| width(text) > width(found)) {
            found = Some(text);
        }
    }
    found.cloned()
}

/// The width of a cell at 10 pt, in points.
fn width(cell: &Shown, tail: &Tail) -> f64 {
    let spread = |spread: &String| metrics::text("±", false) + metrics::text(&format!("  {spread}"), true);
    let minus = if is_negative(cell) { metrics::text("−", false) } else { 0.0 };
    let value = metrics::text(&cell.value, cell.bold) + minus;
    let spreads = [cell.spread.as_ref(), tail.spread.as_ref().filter(|_| cell.number)];
    let marks = [cell.mark.as_ref(), tail.mark.as_ref().filter(|_| cell.number)];
    let widest = |widths: [Option<f64>; 2]| widths.into_iter().flatten().fold(0.0, f64::max);
    value
        + widest(spreads.map(|text| text.map(spread)))
        + widest(marks.map(|text| text.map(|text| metrics::mark(text))))
}

fn is_negative(cell: &Shown) -> bool {
    cell.number && cell.value.starts_with('-')
}

/// A part of the table: its header, and what its columns have of each row.
fn tabular(sheet: &Sheet, tails: &[Tail], part: &[usize]) -> String {
    let columns: String = part.iter().map(|&column| if sheet.heads[column].number { 'r' } else { 'l' }).collect();
    let header = |head: &Head| typeset(&head.text) + &head.mark.as_deref().map_or(String::new(), mark);
    let headers: Vec<String> = part.iter().map(|&column| header(&sheet.heads[column])).collect();
    let mut out = format!("\\begin{{tabular}}{{@{{}}{columns}@{{}}}}\n\\toprule\n");
    out += &groups(sheet, part);
    out += &format!("{} \\\\\n\\midrule\n", guarded(&headers.join(" & ")));
    for (number, row) in sheet.rows.iter().enumerate() {
        out += &opening(row, number, part.len());
        let cells: Vec<String> = part.iter().map(|&column| cell(&row.cells[column], &tails[column])).collect();
        out += &format!("{} \\\\\n", guarded(&cells.join(" & ")));
    }
    out + "\\bottomrule\n\\end{tabular}\n"
}

/// The line of groups with a rule below each, where columns are in groups.
fn groups(sheet: &Sheet, part: &[usize]) -> String {
    let spans = sheet.spans(part);
    if spans.iter().all(|(group, _)| group.is_none()) {
        return String::new();
    }
    let (mut cells, mut rules, mut at) = (Vec::new(), String::new(), 0);
    for (group, count) in spans {
        let Some(group) = group else {
            cells.extend((0..count).map(|_| String::new()));
            at += count;
            continue;
        };
        // A group at an edge of the table has no space outside of it.
        let (left, right) = (at == 0, at + count == part.len());
        let edge = |is: bool| if is { "@{}" } else { "" };
        let columns = format!("{}c{}", edge(left), edge(right));
        cells.push(format!("\\multicolumn{{{count}}}{{{columns}}}{{{}}}", typeset(group)));
        let trim = match (left, right) {
            (true, true) => "",
            (true, false) => "(r)",
            (false, true) => "(l)",
            (false, false) => "(lr)",
        };
        rules += &format!("\\cmidrule{trim}{{{}-{}}}", at + 1, at + count);
        at += count;
    }
    let spaced = |cell: &String| if cell.is_empty() { String::new() } else { format!(" {cell}") };
    let line = cells.iter().map(spaced).collect::<Vec<_>>().join(" &");
    format!("{} \\\\\n{rules}\n", line.trim_start())
}

/// What stands above a row that opens a group.
fn opening(row: &Row, number: usize, columns: usize) -> String {
    let Some(title) = &row.opens else { return String::new() };
    let rule = if number > 0 { "\\midrule\n" } else { "" };
    match title.trim().is_empty() {
        true => rule.to_owned(),
        false => format!("{rule}\\multicolumn{{{columns}}}{{@{{}}l@{{}}}}{{{}}} \\\\\n", typeset(title)),
    }
}

fn cell(shown: &Shown, tail: &Tail) -> String {
    let value = match shown.value.strip_prefix('-') {
        Some(rest) if shown.number => format!("$-${}", typeset(rest)),
        _ => typeset(&shown.value),
    };
    let mut figure = value;
    if let Some(spread) = &shown.spread {
        figure += PM;
        figure += &typeset(spread);
    }
    if shown.bold && !figure.trim().is_empty() {
        figure = format!("\\textbf{{{figure}}}");
    }
    if let (None, Some(widest), true) = (&shown.spread, &tail.spread, shown.number) {
        figure += &format!("\\phantom{{{PM}{}}}", typeset(widest));
    }
    match (&shown.mark, &tail.mark) {
        (Some(text), _) => figure + &mark(text),
        (None, Some(widest)) if shown.number => figure + &format!("\\phantom{{{}}}", mark(widest)),
        _ => figure,
    }
}
