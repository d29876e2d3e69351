//! The noncentral t distribution: that of a t statistic where the hypothesis is wrong.
//!
//! `T = (Z + d) / S` with `Z` normal and `S` the root of a chi-square over its degrees of freedom v. So the share below t is
//! the mean of `Phi(t S - d)` over `S`. With `S = e^u` the density of u is smooth and vanishes fast on both sides, so that the
//! trapezoid rule is exact to the last digits (Trefethen, Weideman: "The exponentially convergent trapezoidal rule", 2014).

/// The share of the noncentral t distribution below `t`. The degrees of freedom are above 0.
pub(super) fn below(t: f64, freedom: f64, noncentrality: f64) -> f64 {
    // The density of u spreads by 1 / sqrt(2 v), the normal share changes within 1 / (t S), which is about 1 / d.
    let step = (1.0 / (2.0 * freedom).sqrt()).min(1.0 / (1.0 + noncentrality.abs())) / 8.0;
    // The logarithm of the density, which is largest at 0 and 0 there.
    let density = |u: f64| freedom * (u - ((2.0 * u).exp() - 1.0) / 2.0);
    let (mut share, mut all) = (0.0, 0.0);
    for side in [1.0, -1.0] {
        // 0 is counted on one side only.
        let first = if side > 0.0 { 0_u32 } else { 1 };
        for at in first.. {
            let u = side * f64::from(at) * step;
            let log = density(u);
            if log < -46.0 {
                break;
            }
            let weight = libm::exp(log);
            share += weight * normal(t * libm::exp(u) - noncentrality);
            all += weight;
        }
    }
    share / all
}

/// The share of the normal distribution below `z`.
fn normal(z: f64) -> f64 {
    libm::erfc(-z / std::f64::consts::SQRT_2) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_mpmath() {
        for [t, freedom, noncentrality, share] in MPMATH {
            let ours = below(t, freedom, noncentrality);
            assert!((ours - share).abs() < 1e-12, "t {t}, v {freedom}, d {noncentrality}: {ours} is not {share}");
        }
    }

    /// `mpmath.quad` over the density of `S`, with 40 digits.
    const MPMATH: [[f64; 4]; 12] = [
        [12.706_204_736, 1.0, 0.0, 0.974_999_999_999_657_7],
        [12.706_204_736, 1.0, 10.0, 0.432_693_433_591_791_35],
        [127.32, 1.0, 50.0, 0.694_541_686_514_611],
        [4.302_652_73, 2.0, 3.0, 0.612_610_649_831_057_8],
        [2.776_445_105, 4.0, 2.5, 0.522_766_064_363_223_3],
        [2.776_445_105, 4.0, -1.0, 0.997_203_326_659_437_8],
        [2.26, 9.37, 3.1, 0.211_544_116_933_642_22],
        [1.96, 1448.0, 2.8, 0.200_515_397_924_132_06],
        [1.96, 1e6, 2.8, 0.200_454_282_055_179_65],
        [3.2, 38.0, 4.1, 0.193_487_830_122_962_56],
        [-2.0, 10.0, 0.5, 0.012_138_466_792_307_751],
        [8.6, 4.0, 12.0, 0.109_728_418_846_223_65],
    ];
}
