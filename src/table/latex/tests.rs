//! The forms of tables in LaTeX as snapshots. `.ci/latex` compiles each of them.

use super::super::cell::{Cell, Column};
use super::super::frame::Table;
use super::super::layout::{Layout, LayoutColumn};
use super::super::render::format;
use super::super::testing::laid_out;
use super::super::text::Style;
use crate::ml::colors::VOC;

fn rendered(table: &Table, style: &Style) -> String {
    String::from_utf8((format("Latex").unwrap().render)(table, style).unwrap()).unwrap()
}

/// A table as the papers on VOC have: eight rows in two groups, the mean and 21 classes. The figures are made up.
fn classes() -> (Table, Style) {
    let names = VOC;
    let texts = ["group", "method"].map(Column::text);
    let columns = texts.into_iter().chain(["mIoU", "std"].map(Column::float));
    let columns = columns.chain(names.map(Column::float)).chain([Column::bool("best")]).collect();
    let methods = ["Regular", "Multigrid", "Group interaction", "Separable, shared"];
    let row = |number: usize| {
        let texts = [if number < 4 { "Published" } else { "Reproduced" }, methods[number % 4]].map(Cell::from);
        let figure = |class: usize| Cell::from(30.0 + ((7 * number + 13 * class) % 69) as f64 + 0.1 * class as f64);
        let std = if number < 4 { Cell::Null } else { Cell::from(0.3 + 0.1 * number as f64) };
        let means = [Cell::from(70.0 + 0.5 * number as f64), std];
        let figures = (0..names.len()).map(figure);
        texts.into_iter().chain(means).chain(figures).chain([Cell::from(number % 4 == 3)]).collect()
    };
    let mean = LayoutColumn { spread: Some("std".into()), bold: Some("best".into()), ..LayoutColumn::of("mIoU") };
    let layout = Layout {
        columns: [LayoutColumn::named("method", "Method"), mean]
            .into_iter()
            .chain(
                names.map(|name| LayoutColumn { digits: Some(1), ..LayoutColumn::of(name).within("IoU of classes") }),
            )
            .collect(),
        row_group: Some("group".into()),
        caption: Some("Mean IoU in percent, mean ± standard deviation over 5 seeds.".into()),
        label: Some("tab:classes".into()),
        ..Layout::default()
    };
    let style = Style { layout: Some(layout), ..Style::default() }.with("mIoU", 1);
    (Table::new(columns, (0..8).map(row).collect()).unwrap(), style)
}

#[test]
fn a_small_table_stays_as_it_is() {
    let (table, style) = laid_out();
    insta::assert_snapshot!("small", rendered(&table, &style));
}

#[test]
fn a_table_of_many_classes_is_set_in_parts() {
    let (table, style) = classes();
    insta::assert_snapshot!("classes", rendered(&table, &style));
}

#[test]
fn a_transposed_table_has_the_classes_below_each_other() {
    let (table, mut style) = classes();
    style.layout.as_mut().unwrap().transposed = true;
    insta::assert_snapshot!("transposed", rendered(&table, &style));
}

#[test]
fn without_a_caption_there_is_no_float() {
    let (table, mut style) = laid_out();
    let layout = style.layout.as_mut().unwrap();
    (layout.caption, layout.label) = (None, None);
    let text = rendered(&table, &style);
    assert!(!text.contains("{table}") && !text.contains("\\caption"));
    insta::assert_snapshot!("bare", text);
}

#[test]
fn hostile_texts_are_printed_as_they_are() {
    let hostile = "[*] a_b & 5 % #1 $x$ {y} ~^\\<|> --'',, \u{1b} \"é\" ?` ± † ≥";
    let columns = vec![Column::text(hostile), Column::float("x"), Column::text("mark")];
    let row = |text: &str, value: f64| vec![text.into(), value.into(), "a_{}".into()];
    let rows = vec![row(hostile, -1.0), row("*", f64::NEG_INFINITY), row("[1ex]", f64::NAN), row("", 1e30)];
    let figure = LayoutColumn {
        mark: Some("mark".into()),
        spread: Some("x".into()),
        digits: Some(0),
        ..LayoutColumn::of("x").within(hostile)
    };
    let layout = Layout {
        columns: vec![
            LayoutColumn::named(hostile, "[a]"),
            LayoutColumn { digits: None, spread: None, ..figure.clone() },
        ],
        row_group: Some(hostile.into()),
        caption: Some(format!("{hostile} {}", "caption".repeat(20))),
        label: Some("a_b:c".into()),
        width_pt: 4000.0,
        ..Layout::default()
    };
    let table = Table::new(columns, rows).unwrap();
    let notes = vec![format!("{hostile} {}", "x_".repeat(100))];
    let style = Style { notes, layout: Some(layout.clone()), ..Style::default() };
    insta::assert_snapshot!("hostile", rendered(&table, &style));
    let wide = Layout { width_pt: 345.0, columns: vec![LayoutColumn::of(hostile), figure], ..layout };
    let style = Style { layout: Some(wide), ..style };
    let text = rendered(&table, &style);
    assert!(text.contains("\n% The table does not fit: it is about "), "{text}");
    assert_eq!(text.matches("The table does not fit").count(), 2, "the file says it, and the printed table");
    insta::assert_snapshot!("too_wide", text);
}

#[test]
fn tables_without_rows_or_with_one_column_are_tables() {
    let layout = |columns: Vec<LayoutColumn>| Style {
        layout: Some(Layout { columns, ..Layout::default() }),
        ..Style::default()
    };
    let empty = Table::new(vec![Column::text("a"), Column::float("b")], Vec::new()).unwrap();
    let text = rendered(&empty, &layout(Vec::new()));
    assert!(text.contains("\\begin{tabular}{@{}lr@{}}\n\\toprule\na & b \\\\\n\\midrule\n\\bottomrule\n"), "{text}");
    let text = rendered(&empty, &layout(vec![LayoutColumn::of("b").within("G")]));
    assert!(text.contains("\\multicolumn{1}{@{}c@{}}{G} \\\\\n\\cmidrule{1-1}\nb \\\\\n"), "{text}");
    let none = Table::new(Vec::new(), Vec::new()).unwrap();
    assert_eq!(rendered(&none, &layout(Vec::new())), rendered(&none, &Style::default()));
}

#[test]
fn a_table_without_a_layout_that_is_too_wide_for_an_article_is_set_in_parts() {
    let (table, _) = classes();
    let text = rendered(&table, &Style::default());
    assert!(text.matches("\\begin{tabular}{@{}l").count() > 1 && text.contains("\n% The table fits: "), "{text}");
    insta::assert_snapshot!("without_layout", text);
    let narrow = |count: usize| {
        let columns = (0..count).map(|number| Column::float(format!("column {number}"))).collect();
        rendered(&Table::new(columns, Vec::new()).unwrap(), &Style::default())
    };
    // Each column takes about 52 pt with the space around it.
    assert!(narrow(6).starts_with("\\begin{tabular}{rrrrrr}\n") && narrow(7).starts_with("% Needs "));
    let note = |words: usize| Style { notes: vec!["word ".repeat(words)], ..Style::default() };
    let small = Table::new(vec![Column::text("a")], Vec::new()).unwrap();
    assert!(rendered(&small, &note(10)).starts_with("\\begin{tabular}{l}\n"));
    assert!(rendered(&small, &note(30)).starts_with("% Needs "), "the note would make the table too wide");
}
