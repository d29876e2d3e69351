//! Figures of several measurements of the same.

/// The middle value, the upper of two; not a number where there is none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The least value; infinite where there is none.
pub fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// The greatest value; minus infinite where there is none.
pub fn greatest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// Bytes as mebibytes.
pub fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1 << 20) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_values_in_the_middle_the_upper_one_is_the_median() {
        assert_eq!([median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0, 3.0, 2.0]), least(&[2.0, 1.0])], [2.0, 3.0, 1.0]);
        assert_eq!((greatest(&[2.0, 1.0]), mebibytes(3 << 19)), (2.0, 1.5));
        assert!(median(&[]).is_nan());
    }
}
