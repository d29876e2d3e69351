//! Verdicts of claims, each with its effect drawn as an interval on a line.

use maud::{Markup, html};

use super::text::{number, text};
use crate::page::model::{Card, Standing};

/// The width of the line, in CSS pixels.
const WIDTH: f64 = 320.0;

/// The verdicts, below a sentence that counts them.
pub(super) fn cards(cards: &[Card]) -> Markup {
    html! {
        @if cards.len() > 1 { p class="count" { (counted(cards)) } }
        ul class="cards" {
            @for card in cards {
                @let (class, sign, word) = spoken(card.verdict);
                li class={ "card " (class) } {
                    h3 {
                        span class="verdict" { span class="sign" aria-hidden="true" { (sign) } " " (word) }
                        " "
                        span class="that" { (text(&card.that)) }
                    }
                    @if let Some(effect) = card.effect { (line(effect)) }
                    @for sentence in &card.because { p { (text(sentence)) } }
                }
            }
        }
    }
}

fn spoken(verdict: Standing) -> (&'static str, char, &'static str) {
    match verdict {
        Standing::Holds => ("holds", '\u{2713}', "holds"),
        Standing::Fails => ("fails", '\u{2717}', "fails"),
        Standing::Undecided => ("undecided", '?', "undecided"),
    }
}

fn counted(cards: &[Card]) -> String {
    let count = |verdict| cards.iter().filter(|card| card.verdict == verdict).count();
    let [holds, fails, undecided] = [Standing::Holds, Standing::Fails, Standing::Undecided].map(count);
    let hold = if holds == 1 { "holds" } else { "hold" };
    let fail = if fails == 1 { "fails" } else { "fail" };
    let are = if undecided == 1 { "is" } else { "are" };
    format!("Of {} claims, {holds} {hold}, {fails} {fail}, and {undecided} {are} undecided.", cards.len())
}

/// The effect as a dot, its interval as a bar, and the value that was claimed as a broken line.
fn line((effect, (low, high), claimed): (f64, (f64, f64), f64)) -> Markup {
    if ![effect, low, high, claimed].iter().all(|value| value.is_finite()) {
        return html! {};
    }
    let (least, greatest) = (low.min(effect).min(claimed), high.max(effect).max(claimed));
    // The text of a value at an end is half beside it.
    let (left, right) = (40.0, WIDTH - 40.0);
    let spread = if greatest > least { greatest - least } else { 1.0 };
    let x = |value: f64| left + (value - least) / spread * (right - left);
    let at = |value: f64| format!("{:.1}", x(value));
    let says = format!(
        "Effect {}, interval from {} to {}; claimed {}",
        number(effect),
        number(low),
        number(high),
        number(claimed)
    );
    html! {
        svg class="effect" role="img" aria-label=(says) width=(WIDTH) height="58" viewBox={ "0 0 " (WIDTH) " 58" } {
            title { (says) }
            line class="axis" x1="8" x2=(WIDTH - 8.0) y1="30" y2="30" {}
            line class="claimed" x1=(at(claimed)) x2=(at(claimed)) y1="16" y2="44" {}
            text class="claimed" x=(at(claimed)) y="12" text-anchor="middle" { "claimed " (number(claimed)) }
            line class="interval" x1=(at(low)) x2=(at(high)) y1="30" y2="30" {}
            circle class="dot" cx=(at(effect)) cy="30" r="5" {}
            // Where the ends would run into each other, the interval stands as one text below its middle.
            @if x(high) - x(low) < 90.0 {
                @let middle = ((x(low) + x(high)) / 2.0).clamp(70.0, WIDTH - 70.0);
                text x=(format!("{middle:.1}")) y="56" text-anchor="middle" {
                    (number(effect)) " [" (number(low)) ", " (number(high)) "]"
                }
            } @else {
                @if x(effect) - x(low) > 42.0 { text x=(at(low)) y="56" text-anchor="middle" { (number(low)) } }
                @if x(high) - x(effect) > 42.0 { text x=(at(high)) y="56" text-anchor="middle" { (number(high)) } }
                text class="value" x=(at(effect)) y="56" text-anchor="middle" { (number(effect)) }
            }
        }
    }
}
