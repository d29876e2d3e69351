//! Curves without the points that no screen can tell apart.

use crate::figure::{Curve, Curves};

/// The curves with at most two points of a line for each of `columns` parts of the horizontal axis: the least and the
/// greatest, so that no peak is lost.
pub(super) fn thinned(curves: &Curves, columns: usize) -> Curves {
    let mut curves = curves.clone();
    for curve in &mut curves.curves {
        let Curve { raw, smooth, band, dots, .. } = curve;
        for points in [raw, smooth, dots] {
            *points = line(points, columns);
        }
        *band = area(band, columns);
    }
    curves
}

/// The points of a line, thinned.
pub(super) fn line(points: &[(f64, f64)], columns: usize) -> Vec<(f64, f64)> {
    if points.len() <= 2 * columns {
        return points.to_vec();
    }
    let mut out: Vec<(f64, f64)> = Vec::with_capacity(2 * columns + 2);
    for part in parts(points, |point| point.0, columns) {
        let (mut least, mut greatest) = (0, 0);
        for (at, point) in part.iter().enumerate() {
            if point.1 < part[least].1 {
                least = at;
            }
            if point.1 > part[greatest].1 {
                greatest = at;
            }
        }
        out.push(part[least.min(greatest)]);
        if least != greatest {
            out.push(part[least.max(greatest)]);
        }
    }
    // The ends show how far a training got.
    if let (Some(first), Some(last)) = (points.first(), points.last()) {
        if out.first() != Some(first) {
            out.insert(0, *first);
        }
        if out.last() != Some(last) {
            out.push(*last);
        }
    }
    out
}

fn area(band: &[(f64, f64, f64)], columns: usize) -> Vec<(f64, f64, f64)> {
    if band.len() <= columns {
        return band.to_vec();
    }
    let sum = |part: &[(f64, f64, f64)]| {
        part.iter().fold((part[0].0, part[0].1, part[0].2), |sum, &(_, least, greatest)| {
            (sum.0, sum.1.min(least), sum.2.max(greatest))
        })
    };
    parts(band, |point| point.0, columns).map(sum).collect()
}

/// The points of each part of the axis that has some; points come by step.
fn parts<T>(points: &[T], step: impl Fn(&T) -> f64, columns: usize) -> impl Iterator<Item = &[T]> {
    let first = points.first().map_or(0.0, &step);
    let width = (points.last().map_or(0.0, &step) - first) / columns as f64;
    let column = move |point: &T| ((step(point) - first) / width) as usize;
    points.chunk_by(move |a, b| column(a).min(columns - 1) == column(b).min(columns - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_and_ends_stay() {
        let points: Vec<(f64, f64)> =
            (0..20_000).map(|step| (f64::from(step), if step == 12_345 { 9.0 } else { f64::from(step % 7) })).collect();
        let thin = line(&points, 300);
        assert!(thin.len() <= 602, "{}", thin.len());
        assert!(thin.contains(&(12_345.0, 9.0)) && thin[0] == points[0] && thin.last() == points.last());
        assert!(thin.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(line(&points[..600], 300), points[..600]);
        let band: Vec<_> = points.iter().map(|&(x, y)| (x, -y, y)).collect();
        let thin = area(&band, 300);
        assert!(thin.len() <= 300 && thin.iter().any(|point| point.2 == 9.0 && point.1 == -9.0));
        // Steps that are all equal.
        assert!(line(&vec![(5.0, 1.0); 2000], 300).len() <= 2);
    }
}
