//! Tables to test with.

use super::cell::{Cell, Column, ColumnKind};
use super::frame::Table;

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
