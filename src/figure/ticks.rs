//! Axes: a range, the ticks on it, and their labels.
//!
//! Invariants:
//! - ticks are whole multiples of 1, 2 or 5 times a power of ten, and a label shows no more digits than these need: a step is
//!   `100` or `20k`, never `100.0`;
//! - no two ticks of an axis have the same label.

/// An axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// The least value that is shown.
    pub least: f64,
    /// The greatest value that is shown.
    pub greatest: f64,
    /// The ticks, from the least to the greatest: values and labels.
    pub ticks: Vec<(f64, String)>,
}

/// A power of ten, exactly as it is written.
fn power(exponent: i32) -> f64 {
    format!("1e{exponent}").parse().unwrap_or(1.0)
}

/// The smallest of 1, 2 and 5 times a power of ten that is not less than `least`, as factor and exponent.
fn step(least: f64) -> (f64, i32) {
    let mut exponent = -300;
    while exponent < 300 && 5.0 * power(exponent) < least {
        exponent += 1;
    }
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power(exponent) >= least);
    (factor.unwrap_or(5.0), exponent)
}

impl Axis {
    /// The axis that shows these values with about `count` ticks. It ends where values end, and starts at 0 where values start
    /// near it. Where it is `whole`, ticks are whole numbers.
    pub fn of(values: impl IntoIterator<Item = f64>, count: usize, whole: bool) -> Self {
        let (mut least, mut greatest) = values
            .into_iter()
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), value| (a.min(value), b.max(value)));
        if least > greatest {
            (least, greatest) = (0.0, 1.0);
        }
        if least >= 0.0 && least <= 0.4 * greatest {
            least = 0.0;
        }
        if least == greatest {
            let room = if whole || least == 0.0 { 1.0 } else { 0.1 * least.abs() };
            (least, greatest) = (if least == 0.0 { 0.0 } else { least - room }, least + room);
        }
        Axis::over(least, greatest, count, whole)
    }

    /// The axis from `least` to `greatest` with about `count` ticks.
    pub fn over(least: f64, greatest: f64, count: usize, whole: bool) -> Self {
        match step((greatest - least) / count.max(1) as f64) {
            (_, ..0) if whole => Axis::with(least, greatest, (1.0, 0)),
            step => Axis::with(least, greatest, step),
        }
    }

    /// The axis with ticks at the multiples of a step.
    fn with(least: f64, greatest: f64, (factor, exponent): (f64, i32)) -> Self {
        let value = |number: f64| match exponent {
            0.. => number * factor * power(exponent),
            // Divided, so that a tick is the number nearest to what its label says.
            _ => number * factor / power(-exponent),
        };
        let unit = factor * power(exponent);
        // An end that is a tick but for rounding is one.
        let (first, last) = ((least / unit - 1e-9).ceil() as i64, (greatest / unit + 1e-9).floor() as i64);
        let values: Vec<f64> = (first..=last.min(first.saturating_add(200))).map(|n| value(n as f64)).collect();
        let largest = values.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
        let label = |value: f64| label(value, exponent, largest, &values);
        Axis { least, greatest, ticks: values.iter().map(|&tick| (tick, label(tick))).collect() }
    }

    /// Ends the axis at ticks: values lie between them.
    pub fn rounded(self) -> Self {
        let [first, second, ..] = &self.ticks[..] else { return self };
        let (factor, exponent) = step((second.0 - first.0) * (1.0 - 1e-9));
        let unit = factor * power(exponent);
        let (least, greatest) = ((self.least / unit + 1e-9).floor(), (self.greatest / unit - 1e-9).ceil());
        Axis::with(least * unit, greatest * unit, (factor, exponent))
    }

    /// Where a value lies between the places of the ends.
    pub fn place(&self, value: f64, from: f64, to: f64) -> f64 {
        from + (to - from) * (value - self.least) / (self.greatest - self.least)
    }
}

/// What is written at a tick.
fn label(value: f64, exponent: i32, largest: f64, all: &[f64]) -> String {
    let shortened = |unit: f64| all.iter().all(|tick| (tick / unit).fract() == 0.0);
    let text = match exponent {
        _ if value == 0.0 => "0".to_owned(),
        9.. | ..=-5 => return scientific(value, exponent),
        _ if largest >= 1e6 && shortened(1e6) => format!("{}M", value / 1e6),
        _ if largest >= 1e4 && shortened(1e3) => format!("{}k", value / 1e3),
        ..0 => format!("{value:.*}", exponent.unsigned_abs() as usize),
        _ => format!("{value}"),
    };
    text.replace('-', "−")
}

/// A value as `2e−5`.
fn scientific(value: f64, exponent: i32) -> String {
    let factor = if exponent < 0 { value * power(-exponent) } else { value / power(exponent) };
    format!("{}e{exponent}", factor.round()).replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn steps_are_whole_and_short() {
        let steps = |most: f64| Axis::of([1.0, most], 5, true);
        assert_eq!(labels(&steps(100.0)), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(labels(&steps(20_000.0)), ["0", "5k", "10k", "15k", "20k"]);
        assert_eq!(labels(&steps(3.0)), ["0", "1", "2", "3"]);
        assert_eq!(labels(&steps(3e6)), ["0", "1M", "2M", "3M"]);
        assert_eq!(labels(&Axis::of([1.0], 5, true)), ["0", "1", "2"]);
        assert_eq!(labels(&Axis::of([400.0], 5, true)), ["399", "400", "401"]);
    }

    #[test]
    fn labels_have_the_digits_that_ticks_need() {
        assert_eq!(labels(&Axis::of([0.0, 0.3], 3, false)), ["0", "0.1", "0.2", "0.3"]);
        assert_eq!(labels(&Axis::of([-2.0, 2.0], 4, false)), ["−2", "−1", "0", "1", "2"]);
        assert_eq!(labels(&Axis::of([0.0, 4e-5], 2, false)), ["0", "2e−5", "4e−5"]);
        assert_eq!(labels(&Axis::of([7.0, 7.0], 4, false)), ["6.5", "7.0", "7.5"]);
        assert_eq!(labels(&Axis::of([f64::NAN], 2, false)), ["0", "0.5", "1.0"]);
        assert_eq!(labels(&Axis::of([], 2, false)), ["0", "0.5", "1.0"]);
    }

    #[test]
    fn ends_can_be_ticks() {
        let axis = Axis::of([0.03, 0.37], 4, false).rounded();
        assert_eq!((axis.least, axis.greatest), (0.0, 0.4));
        assert_eq!(labels(&axis), ["0", "0.1", "0.2", "0.3", "0.4"]);
    }
}
