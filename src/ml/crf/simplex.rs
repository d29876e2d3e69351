//! Where a feature stands in the permutohedral lattice.
//!
//! The lattice of dimension D is made of the integer points of D + 1 coordinates that sum to zero and are all equal
//! modulo D + 1; that common remainder is a vertex's colour. It cuts the hyperplane into equal simplices with one vertex
//! of each colour, and the one around a point is found by rounding and sorting (Adams, Baek and Davis: "Fast
//! high-dimensional filtering using the permutohedral lattice", Computer Graphics Forum 2010, sections 3 and 4).
//!
//! Invariants:
//! - the weights are not negative, sum to 1, and the vertices weighed by them give the feature's place;
//! - arithmetic is in `f64`: in `f32` a place far from the origin is only known to a thousandth of a simplex.

/// The simplex around a feature of `V - 1` coordinates.
#[derive(Debug, Clone)]
pub struct Simplex<const V: usize> {
    /// The vertex of colour 0.
    origin: [i32; V],
    /// For each coordinate how many others reach further beyond the origin.
    rank: [usize; V],
    /// The barycentric weight of the vertex of each colour.
    pub weights: [f32; V],
}

impl<const V: usize> Simplex<V> {
    /// The simplex around `feature`, whose unit is the standard deviation of the filter.
    pub fn around<const D: usize>(feature: [f64; D]) -> Self {
        const { assert!(V == D + 1, "a simplex has one vertex more than dimensions") }
        let place: [f64; V] = elevate(feature);
        let steps = place.map(|x| (x / V as f64).round());
        let mut origin = steps.map(|step| step as i32 * V as i32);
        let beyond = |origin: &[i32; V], i: usize| place[i] - f64::from(origin[i]);

        let mut rank = [0_i32; V];
        for i in 0..V {
            for j in i + 1..V {
                rank[if beyond(&origin, i) < beyond(&origin, j) { i } else { j }] += 1;
            }
        }
        // Where the rounded point misses the hyperplane, the coordinates that were rounded furthest go back by one step.
        let excess = steps.iter().sum::<f64>() as i32;
        let rank = std::array::from_fn(|i| {
            let shifted = rank[i] + excess;
            let wrapped = shifted.rem_euclid(V as i32);
            origin[i] += wrapped - shifted;
            wrapped as usize
        });

        let mut sorted = [0.0; V];
        for i in 0..V {
            sorted[rank[i]] = beyond(&origin, i) / V as f64;
        }
        let weights = std::array::from_fn(|colour| match colour {
            0 => 1.0 - (sorted[0] - sorted[V - 1]),
            _ => sorted[V - 1 - colour] - sorted[V - colour],
        });
        Simplex { origin, rank, weights: weights.map(|weight| weight.max(0.0) as f32) }
    }

    /// The coordinates of the vertex of a colour.
    pub fn vertex(&self, colour: usize) -> [i32; V] {
        std::array::from_fn(|i| {
            let wrap = if self.rank[i] + colour < V { 0 } else { V };
            self.origin[i] + colour as i32 - wrap as i32
        })
    }
}

/// A feature's place in the hyperplane, scaled so that splatting, blurring with (1/4, 1/2, 1/4) and slicing together
/// have the deviation 1 of the feature's unit.
fn elevate<const D: usize, const V: usize>(feature: [f64; D]) -> [f64; V] {
    let deviation = libm::sqrt(2.0 / 3.0) * V as f64;
    let mut place = [0.0; V];
    let mut sum = 0.0;
    for j in (1..V).rev() {
        let scaled = feature[j - 1] * deviation / libm::sqrt((j * (j + 1)) as f64);
        place[j] = sum - j as f64 * scaled;
        sum += scaled;
    }
    place[0] = sum;
    place
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn check<const D: usize, const V: usize>(spread: f32) {
        let mut rng = Rng::new(3, "features", D as u64);
        for _ in 0..2000 {
            let feature: [f64; D] = std::array::from_fn(|_| f64::from(rng.range(-spread, spread)));
            let place: [f64; V] = elevate(feature);
            let simplex = Simplex::<V>::around(feature);
            assert!((simplex.weights.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            assert!(simplex.weights.iter().all(|weight| (0.0..=1.0).contains(weight)));
            let mut mean = [0.0; V];
            for colour in 0..V {
                let vertex = simplex.vertex(colour);
                assert_eq!(vertex.iter().sum::<i32>(), 0, "a vertex lies in the hyperplane");
                assert!(vertex.iter().all(|x| x.rem_euclid(V as i32) == colour as i32), "a vertex has one colour");
                assert!(place.iter().zip(vertex).all(|(x, v)| (x - f64::from(v)).abs() <= V as f64 + 1e-9));
                for (mean, x) in mean.iter_mut().zip(vertex) {
                    *mean += f64::from(simplex.weights[colour]) * f64::from(x);
                }
            }
            for (x, mean) in place.iter().zip(mean) {
                assert!((x - mean).abs() < 1e-6 * (1.0 + x.abs()), "{x} {mean}");
            }
        }
    }

    #[test]
    fn vertices_and_weights_give_the_place() {
        check::<1, 2>(10.0);
        check::<2, 3>(1e3);
        check::<5, 6>(0.1);
        check::<5, 6>(100.0);
    }

    #[test]
    fn the_origin_is_a_vertex() {
        let simplex = Simplex::<6>::around([0.0; 5]);
        assert_eq!((simplex.vertex(0), simplex.weights), ([0; 6], [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]));
    }
}
