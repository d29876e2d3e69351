//! Tables. The script lets their rows be sorted and filtered.

use maud::{Markup, html};

use super::data::Data;
use super::text::{plain, text};
use crate::page::model::{Cell, Grid};

/// A table in a box of its own, which scrolls where the screen is narrow. `of` is the title of its section.
pub(super) fn table(grid: &Grid, of: &str, data: &mut Data) -> Markup {
    // A row that is longer than the heads would have columns without any.
    let columns = grid.heads.len().max(grid.rows.iter().map(Vec::len).max().unwrap_or(0));
    let numbers = |column: usize| -> Vec<Option<f64>> {
        grid.rows.iter().map(|row| row.get(column)?.number.filter(|number| number.is_finite())).collect()
    };
    let by_column: Vec<Vec<Option<f64>>> = (0..columns).map(numbers).collect();
    let numeric: Vec<bool> = by_column.iter().map(|column| column.iter().any(Option::is_some)).collect();
    let number = data.tables.len();
    data.tables.push(by_column.into_iter().enumerate().filter(|(column, _)| numeric[*column]).collect());
    let class = |column: usize| numeric[column].then_some("number");
    let label = if grid.caption.is_empty() { of } else { &grid.caption };
    let nothing = Cell::default();
    html! {
        div class="table" {
            div class="scroll" tabindex="0" role="group" aria-label={ "Table: " (plain(label)) } {
                table data-table=(number) {
                    @if !grid.caption.is_empty() { caption { (text(&grid.caption)) } }
                    thead {
                        tr {
                            @for column in 0..columns {
                                @let head = grid.heads.get(column).map_or("", String::as_str);
                                // A head without words heads nothing.
                                @if head.trim().is_empty() {
                                    td {}
                                } @else {
                                    th scope="col" class=[class(column)] { (text(head)) }
                                }
                            }
                        }
                    }
                    tbody {
                        @for row in &grid.rows {
                            tr {
                                @for column in 0..columns {
                                    @let cell = row.get(column).unwrap_or(&nothing);
                                    @if column == 0 && !numeric[0] {
                                        th scope="row" { (shown(cell)) }
                                    } @else {
                                        td class=[class(column)] { (shown(cell)) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            @for note in &grid.notes { p class="note" { (text(note)) } }
        }
    }
}

fn shown(cell: &Cell) -> Markup {
    if cell.best {
        return html! { strong { (text(&cell.text)) } };
    }
    text(&cell.text)
}
