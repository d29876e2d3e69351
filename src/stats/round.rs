//! Numbers for tables that are stored.

/// A number rounded to 12 significant digits.
///
/// Quantiles and p-values go through the system's logarithm and exponential, whose last bits differ between machines.
/// What is stored is rounded first, so that the stored bytes do not.
pub fn rounded(number: f64) -> f64 {
    if number.is_finite() { format!("{number:.11e}").parse().unwrap_or(number) } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twelve_digits_stay() {
        assert_eq!(rounded(1.0 / 3.0), 0.333_333_333_333);
        assert_eq!(rounded(-2.0e-9 / 3.0), -6.666_666_666_67e-10);
        assert_eq!(rounded(0.1 + 0.2), 0.3);
        assert_eq!(rounded(f64::INFINITY), f64::INFINITY);
        assert!(rounded(f64::NAN).is_nan());
    }
}
