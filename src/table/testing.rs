//! Tables to test with.

use super::cell::{Cell, Column, ColumnKind};
use super::frame::Table;
use super::layout::{Layout, LayoutColumn};
use super::text::Style;

/// A table with each kind, null, and what is hard to write.
pub fn sample() -> Table {
    let columns = vec![Column::text("class"), Column::int("pixels"), Column::float("iou"), Column::bool("seen")];
    let rows = vec![
        vec!["dog".into(), 12_i64.into(), 0.625.into(), true.into()],
        vec!["a|b, \"c\"\n_%".into(), Cell::Null, f64::NAN.into(), false.into()],
        vec![Cell::Null, (-3_i64).into(), 0.1_f64.into(), Cell::Null],
        vec!["".into(), 0_i64.into(), Cell::Null, true.into()],
    ];
    Table::new(columns, rows).unwrap()
}

/// A table of random shape and content.
pub fn random(index: u64) -> Table {
    let mut state = index;
    // SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
    let mut bits = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    };
    let columns: Vec<Column> = (0..1 + bits() % 5)
        .map(|i| Column::new(format!("column {i}"), ColumnKind::ALL[bits() as usize % ColumnKind::ALL.len()]))
        .collect();
    let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 5e-324];
    let mut cell = |kind| match (bits() % 6, kind) {
        (0, _) => Cell::Null,
        (_, ColumnKind::Text) => (0..bits() % 6).map(|_| char::from((bits() % 127) as u8)).collect::<String>().into(),
        (_, ColumnKind::Int) => (bits() as i64).into(),
        (1, ColumnKind::Float) => special[bits() as usize % special.len()].into(),
        (2, ColumnKind::Float) => f64::from(bits() as i16).into(),
        (_, ColumnKind::Float) => Some(f64::from_bits(bits())).filter(|value| !value.is_nan()).into(),
        (_, ColumnKind::Bool) => (bits() % 2 == 0).into(),
    };
    let rows = (0..index % 6).map(|_| columns.iter().map(|column| cell(column.kind)).collect()).collect();
    Table::new(columns, rows).unwrap()
}

/// A small table of a paper with its style: groups of rows and columns, a spread, the best and a mark.
pub fn laid_out() -> (Table, Style) {
    let texts = ["source", "method", "dagger"].map(Column::text);
    let figures = ["miou", "std", "car", "dog"].map(Column::float);
    let columns = texts.into_iter().chain(figures).chain([Column::bool("best")]).collect();
    let row = |source: &str, method: &str, dagger: &str, figures: [Option<f64>; 4], best: bool| -> Vec<Cell> {
        let texts = [source, method, dagger].map(Cell::from);
        texts.into_iter().chain(figures.map(Cell::from)).chain([best.into()]).collect()
    };
    let rows = vec![
        row("Published", "Regular", "", [Some(75.1), None, Some(90.25), None], false),
        row("Reproduced", "Regular", "", [Some(74.9), Some(1.25), Some(f64::NAN), Some(0.0)], false),
        row("Reproduced", "Average", "†", [Some(75.31), Some(0.4), Some(89.0), Some(-0.5)], true),
    ];
    let miou = LayoutColumn {
        spread: Some("std".into()),
        bold: Some("best".into()),
        mark: Some("dagger".into()),
        ..LayoutColumn::named("miou", "mIoU")
    };
    let layout = Layout {
        columns: vec![
            LayoutColumn::named("method", "Method"),
            miou,
            LayoutColumn::of("car").within("IoU"),
            LayoutColumn::of("dog").within("IoU"),
        ],
        row_group: Some("source".into()),
        caption: Some("Ours & theirs.".into()),
        label: Some("tab:ours".into()),
        ..Layout::default()
    };
    let digits = ["miou", "car", "dog"].map(|name| (name.to_owned(), 1)).into();
    let notes = vec!["† differs from Regular (p < 0.05).".to_owned()];
    (Table::new(columns, rows).unwrap(), Style { digits, notes, layout: Some(layout) })
}
