//! Confusion matrices as tables whose rows are normalised. The script sorts them by a class.

use maud::{Markup, html};

use super::data::Data;
use super::text::{plain, short, text};
use crate::figure::Confusion;

/// The classes that a matrix shows. Of more, those with the most pixels are shown, and all others are one class.
const CLASSES: usize = 60;

/// A matrix with its caption.
pub(super) fn confusion(matrix: &Confusion, caption: &str, data: &mut Data) -> Markup {
    let (classes, pixels, others) = summed(matrix);
    let totals: Vec<u64> = pixels.iter().map(|row| row.iter().sum()).collect();
    let share = |row: usize, column: usize| match totals[row] {
        0 => None,
        total => Some(pixels[row][column] as f64 / total as f64),
    };
    let markup = html! {
        figure class="confusion" {
            div class="scroll" tabindex="0" role="group" aria-label={ "Table: " (plain(&matrix.title)) } {
                table data-confusion=(data.confusions.len()) {
                    caption { (text(&matrix.title)) }
                    thead {
                        tr {
                            td class="corner" { span { "true \u{2193}" } " " span { "predicted \u{2192}" } }
                            @for class in &classes { th scope="col" { span { (short(class, 24)) } } }
                        }
                    }
                    tbody {
                        @for (row, class) in classes.iter().enumerate() {
                            tr {
                                th scope="row" { (short(class, 24)) }
                                @for column in 0..classes.len() {
                                    @let share = share(row, column);
                                    td class={ "h" (shade(share)) } { (percent(share)) }
                                }
                            }
                        }
                    }
                }
            }
            figcaption {
                (text(caption))
                " Each row shows, in percent of the pixels of a true class, as which classes they were predicted."
                @if others > 0 {
                    " The " (classes.len() - 1) " classes with the most pixels are shown; the other " (others)
                    " are summed up."
                }
                @if totals.contains(&0) { " A row without numbers is a class that does not occur." }
            }
        }
    };
    data.confusions.push(pixels);
    markup
}

/// The names and pixels that are shown, and how many classes the last of them stands for.
fn summed(matrix: &Confusion) -> (Vec<String>, Vec<Vec<u64>>, usize) {
    let count = matrix.pixels.len();
    let name = |class: usize| matrix.classes.get(class).cloned().unwrap_or_else(|| class.to_string());
    let at = |row: usize, column: usize| matrix.pixels[row].get(column).copied().unwrap_or(0);
    if count <= CLASSES {
        let pixels = (0..count).map(|row| (0..count).map(|column| at(row, column)).collect()).collect();
        return ((0..count).map(name).collect(), pixels, 0);
    }
    let mut kept: Vec<usize> = (0..count).collect();
    kept.sort_by_key(|&class| std::cmp::Reverse(matrix.pixels[class].iter().sum::<u64>()));
    kept.truncate(CLASSES - 1);
    kept.sort_unstable();
    let place: Vec<usize> = (0..count).map(|class| kept.binary_search(&class).unwrap_or(kept.len())).collect();
    let mut pixels = vec![vec![0; CLASSES]; CLASSES];
    for row in 0..count {
        for column in 0..count {
            pixels[place[row]][place[column]] += at(row, column);
        }
    }
    let names = kept.iter().map(|&class| name(class)).chain(["others".to_owned()]).collect();
    (names, pixels, count - kept.len())
}

/// Which of eleven shades a share has.
fn shade(share: Option<f64>) -> usize {
    // The square root tells small confusions apart, which are what one looks for.
    share.map_or(0, |share| (share.sqrt() * 10.0).round() as usize)
}

fn percent(share: Option<f64>) -> String {
    match share {
        None | Some(0.0) => String::new(),
        Some(share) if share < 0.005 => "<1".to_owned(),
        Some(share) => format!("{:.0}", share * 100.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_classes_those_with_the_most_pixels_are_shown() {
        let pixels = |row: usize, column: usize| if row == column { 1000 - row as u64 } else { 1 };
        let matrix = Confusion {
            title: String::new(),
            classes: (0..100).map(|class| format!("c{class}")).collect(),
            pixels: (0..100).map(|row| (0..100).map(|column| pixels(row, column)).collect()).collect(),
        };
        let (names, pixels, others) = summed(&matrix);
        assert_eq!((names.len(), others), (60, 41));
        assert_eq!((names[58].as_str(), names[59].as_str()), ("c58", "others"));
        let total: u64 = matrix.pixels.iter().flatten().sum();
        assert_eq!(pixels.iter().flatten().sum::<u64>(), total);
        assert_eq!([percent(None), percent(Some(0.001)), percent(Some(0.874))], ["", "<1", "87"]);
    }
}
