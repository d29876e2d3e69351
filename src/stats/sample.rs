//! Mean and variance of a sample.
//!
//! Equal values have themselves as mean and no variance at all: rounding must not make a spread out of nothing, since what does
//! not spread is told apart from what does.

/// The mean of a sample of at least one value.
pub(super) fn mean(sample: &[f64]) -> f64 {
    if equal(sample) { sample[0] } else { sample.iter().sum::<f64>() / sample.len() as f64 }
}

/// The variance of a sample of at least two values, from which it is drawn without knowing the mean.
pub(super) fn variance(sample: &[f64]) -> f64 {
    if equal(sample) {
        return 0.0;
    }
    let mean = mean(sample);
    sample.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (sample.len() as f64 - 1.0)
}

fn equal(sample: &[f64]) -> bool {
    sample.windows(2).all(|pair| pair[0] == pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_do_not_spread() {
        assert_eq!((mean(&[0.1; 3]), variance(&[0.1; 3])), (0.1, 0.0));
        assert_eq!((mean(&[1.0, 2.0, 6.0]), variance(&[1.0, 2.0, 6.0])), (3.0, 7.0));
    }
}
