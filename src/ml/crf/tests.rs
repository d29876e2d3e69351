//! Dense CRFs against 64-bit references written straight from the definitions, against pydensecrf, and what must hold
//! of any.

use std::collections::BTreeMap;

use super::simplex::Simplex;
use super::*;
use crate::ml::metrics::Confusion;
use crate::ml::ops::loss::argmax;
use crate::rng::Rng;

/// A square matrix by rows.
type Matrix = Vec<Vec<f64>>;

/// An image of two colours with a slanting edge, and some noise.
fn image(height: usize, width: usize) -> Rgb {
    let mut rng = Rng::new(5, "colours", 0);
    Rgb::from_fn(height, width, |y, x| {
        let side = if right(x, y, width) { 60.0 } else { 150.0 };
        [0.0, 15.0, 40.0].map(|hue| (side + hue + y as f32 / 4.0 + rng.range(-3.0, 3.0)) as u8)
    })
}

fn right(x: usize, y: usize, width: usize) -> bool {
    3 * x + y > 2 * width
}

fn tensor(values: Vec<f32>, classes: usize, (height, width): (usize, usize)) -> Tensor {
    Tensor::from_vec(values, (1, classes, height, width), &Device::Cpu).unwrap()
}

fn random(count: usize) -> Vec<f32> {
    let mut rng = Rng::new(6, "logits", 0);
    (0..count).map(|_| rng.range(-2.0, 2.0)).collect()
}

/// What a CRF makes of logits, by class and pixel.
fn refine(crf: &Crf, logits: Vec<f32>, image: &Rgb) -> Vec<f32> {
    let classes = logits.len() / image.pixels().len();
    let refined = crf.refine(&tensor(logits, classes, image.size()), image).unwrap();
    assert_eq!(refined.dims(), [1, classes, image.height(), image.width()]);
    refined.flatten_all().unwrap().to_vec1().unwrap()
}

fn classes(probabilities: &[f32], image: &Rgb) -> Vec<u8> {
    argmax(&tensor(probabilities.to_vec(), probabilities.len() / image.pixels().len(), image.size())).unwrap()
}

/// Kernels wide enough for small images.
fn small() -> Crf {
    Crf { smoothness_xy: 1.5, appearance_xy: 8.0, appearance_rgb: 12.0, ..Crf::default() }
}

/// Both kernels' features of each pixel, in deviations.
fn features(crf: &Crf, image: &Rgb) -> (Vec<[f64; 2]>, Vec<[f64; 5]>) {
    let width = image.width();
    let at = |p: usize, deviation: f32| [p % width, p / width].map(|x| x as f64 / f64::from(deviation));
    let near = (0..image.pixels().len()).map(|p| at(p, crf.smoothness_xy)).collect();
    let alike = image.pixels().iter().enumerate().map(|(p, rgb)| {
        let ([x, y], [r, g, b]) = (at(p, crf.appearance_xy), rgb.map(|v| f64::from(v) / f64::from(crf.appearance_rgb)));
        [x, y, r, g, b]
    });
    (near, alike.collect())
}

/// The Gaussian of every pair's distance.
fn exact<const D: usize>(features: &[[f64; D]]) -> Matrix {
    let gauss = |a: &[f64; D], b: &[f64; D]| (-0.5 * (0..D).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>()).exp();
    features.iter().map(|a| features.iter().map(|b| gauss(a, b)).collect()).collect()
}

/// What the lattice computes, in 64 bits, a point at a time over a map of vertices.
fn by_lattice<const D: usize, const V: usize>(features: &[[f64; D]]) -> Matrix {
    let simplices: Vec<Simplex<V>> = features.iter().map(|&feature| Simplex::around(feature)).collect();
    let corners = |p: usize| -> [([i32; V], f64); V] {
        std::array::from_fn(|colour| (simplices[p].vertex(colour), f64::from(simplices[p].weights[colour])))
    };
    let empty: BTreeMap<[i32; V], f64> = (0..features.len()).flat_map(corners).map(|(key, _)| (key, 0.0)).collect();
    let mut matrix = vec![vec![0.0; features.len()]; features.len()];
    for from in 0..features.len() {
        let mut values = empty.clone();
        corners(from).iter().for_each(|(key, weight)| *values.get_mut(key).unwrap() += weight);
        for axis in 0..V {
            let step = |key: &[i32; V], way: i32| {
                let mut key = key.map(|x| x - way);
                key[axis] += way * V as i32;
                values.get(&key).copied().unwrap_or(0.0)
            };
            values = values.iter().map(|(key, own)| (*key, own + 0.5 * (step(key, 1) + step(key, -1)))).collect();
        }
        for (to, row) in matrix.iter_mut().enumerate() {
            row[from] = corners(to).iter().map(|(key, weight)| weight * values[key]).sum();
        }
    }
    matrix
}

fn normalised(kernel: Matrix, normalization: Normalization) -> Matrix {
    let sums: Vec<f64> = kernel.iter().map(|row| row.iter().sum()).collect();
    let divisor = |i: usize, j: usize| match normalization {
        Normalization::Pixel => sums[i],
        Normalization::Symmetric => (sums[i] * sums[j]).sqrt(),
    };
    let row = |(i, row): (usize, &Vec<f64>)| row.iter().enumerate().map(|(j, k)| k / divisor(i, j)).collect();
    kernel.iter().enumerate().map(row).collect()
}

/// Mean-field inference over kernels as matrices.
fn mean_field(crf: &Crf, kernels: [Matrix; 2], logits: &[f32]) -> Vec<f64> {
    let area = kernels[0].len();
    let kernels = kernels.map(|kernel| normalised(kernel, crf.normalization));
    let unary: Vec<f64> = logits.iter().map(|&x| f64::from(x)).collect();
    let softmax = |energies: Vec<f64>| {
        let sums: Vec<f64> = (0..area).map(|p| energies.iter().skip(p).step_by(area).map(|x| x.exp()).sum()).collect();
        energies.iter().enumerate().map(|(i, x)| x.exp() / sums[i % area]).collect::<Vec<f64>>()
    };
    let mut q = softmax(unary.clone());
    for _ in 0..crf.iterations {
        let mut next = unary.clone();
        for (kernel, weight) in kernels.iter().zip([crf.smoothness_weight, crf.appearance_weight]) {
            for (i, x) in next.iter_mut().enumerate() {
                let plane = &q[i / area * area..(i / area + 1) * area];
                *x += f64::from(weight) * kernel[i % area].iter().zip(plane).map(|(k, q)| k * q).sum::<f64>();
            }
        }
        q = softmax(next);
    }
    q
}

fn worst(found: &[f32], expected: &[f64]) -> f64 {
    found.iter().zip(expected).map(|(f, e)| (f64::from(*f) - e).abs()).fold(0.0, f64::max)
}

fn filtered(lattice: &Lattice, values: &[f32]) -> Vec<f32> {
    let values: Vec<Lane> = values.iter().map(|&x| [x; 8]).collect();
    let mut field = Field::default();
    lattice.gather(&values, 1, &mut field);
    (0..values.len()).map(|p| sliced(lattice, &field, p)).collect()
}

fn sliced(lattice: &Lattice, field: &Field, point: usize) -> f32 {
    let mut row = [Lane::default()];
    lattice.slice(field, point, &mut row);
    row[0][0]
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

#[test]
fn the_lattice_filters_as_its_definition_says() {
    let image = image(9, 13);
    let (near, alike) = features(&small(), &image);
    let values = random(near.len());
    let check = |lattice: &Lattice, matrix: Matrix| {
        let expected: Vec<f64> =
            matrix.iter().map(|row| row.iter().zip(&values).map(|(k, x)| k * f64::from(*x)).sum()).collect();
        let size = expected.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        assert!(worst(&filtered(lattice, &values), &expected) < 1e-6 * size);
    };
    check(&Lattice::new::<2, 3>(near.len(), |p| near[p]), by_lattice::<2, 3>(&near));
    check(&Lattice::new::<5, 6>(alike.len(), |p| alike[p]), by_lattice::<5, 6>(&alike));
}

#[test]
fn blurring_the_other_way_is_the_adjoint() {
    let (_, alike) = features(&small(), &image(9, 13));
    let lattice = Lattice::new::<5, 6>(alike.len(), |p| alike[p]);
    let (a, b) = (random(2 * alike.len()), random(3 * alike.len()));
    let (a, b) = (&a[alike.len()..], &b[2 * alike.len()..]);
    let mut field = Field::default();
    lattice.splat(&b.iter().map(|&x| [x; 8]).collect::<Vec<_>>(), 1, &mut field);
    lattice.blur((0..6).rev(), 1, &mut field);
    let back: Vec<f32> = (0..b.len()).map(|p| sliced(&lattice, &field, p)).collect();
    let (forth, back) = (dot(&filtered(&lattice, a), b), dot(a, &back));
    assert!((forth - back).abs() < 1e-5 * forth.abs(), "{forth} {back}");
}

#[test]
fn kernels_are_normalised() {
    let (_, alike) = features(&small(), &image(9, 13));
    let make = |normalization: Normalization| {
        normalization.apply(Lattice::new::<5, 6>(alike.len(), |p| alike[p]), alike.len(), 2.5)
    };
    let means = filtered(&make(Normalization::Pixel), &vec![1.0; alike.len()]);
    assert!(means.iter().all(|mean| (mean - 2.5).abs() < 1e-5), "{means:?}");
    let expected = normalised(by_lattice::<5, 6>(&alike), Normalization::Symmetric);
    let expected: Vec<f64> = expected.iter().map(|row| 2.5 * row.iter().sum::<f64>()).collect();
    assert!(worst(&filtered(&make(Normalization::Symmetric), &vec![1.0; alike.len()]), &expected) < 1e-5);
}

/// The lattice only approximates the Gaussian: how far weighted means of values in 0..1 are off.
#[test]
fn the_lattice_is_near_the_gaussian() {
    let image = image(24, 32);
    let (near, alike) = features(&small(), &image);
    let values: Vec<f32> = (0..near.len()).map(|p| f32::from(u8::from(p % 32 > 12 && p / 32 > 7))).collect();
    let error = |lattice: Lattice, gaussian: Matrix| {
        let lattice = Normalization::Pixel.apply(lattice, values.len(), 1.0);
        let gaussian = normalised(gaussian, Normalization::Pixel);
        let expected: Vec<f64> =
            gaussian.iter().map(|row| row.iter().zip(&values).map(|(k, x)| k * f64::from(*x)).sum()).collect();
        worst(&filtered(&lattice, &values), &expected)
    };
    let near = error(Lattice::new::<2, 3>(near.len(), |p| near[p]), exact(&near));
    let alike = error(Lattice::new::<5, 6>(alike.len(), |p| alike[p]), exact(&alike));
    assert!(near < 0.04 && alike < 0.07, "{near} {alike}");
}

/// Equal to the lattice's own definition; of the Gaussian, which the lattice approximates, 2 % of random decisions are
/// others (differences of 0.045 in probability), and none where the logits lean to a side (0.007).
#[test]
fn inference_agrees_with_sums_over_all_pairs() {
    let (image, area) = (image(12, 14), 12 * 14);
    let random = random(5 * area);
    let lean = |i: usize| if usize::from(right(i % area % 14, i % area / 14, 14)) == i / area { 1.5 } else { 0.0 };
    let leaning: Vec<f32> = random.iter().enumerate().map(|(i, x)| x + lean(i)).collect();
    for (logits, gap, most) in [(random, 0.06, area / 25), (leaning, 0.01, 0)] {
        for normalization in [Normalization::Pixel, Normalization::Symmetric] {
            let crf = Crf { normalization, iterations: 5, ..small() };
            let (near, alike) = features(&crf, &image);
            let found = refine(&crf, logits.clone(), &image);
            let same = mean_field(&crf, [by_lattice::<2, 3>(&near), by_lattice::<5, 6>(&alike)], &logits);
            assert!(worst(&found, &same) < 2e-6, "against the lattice's definition: {}", worst(&found, &same));

            let exact = mean_field(&crf, [exact(&near), exact(&alike)], &logits);
            assert!(worst(&found, &exact) < gap, "against the Gaussian: {}", worst(&found, &exact));
            let exact: Vec<f32> = exact.iter().map(|&q| q as f32).collect();
            let pairs = classes(&found, &image).into_iter().zip(classes(&exact, &image));
            let others = pairs.filter(|(ours, exact)| ours != exact).count();
            assert!(others <= most, "{others} of {area} pixels differ");
        }
    }
}

/// The first two classes' probabilities by pydensecrf 1.0rc3 (`addPairwiseGaussian(sxy=1.5, compat=0.7)`,
/// `addPairwiseBilateral(sxy=4, srgb=6, compat=1.1)`, `inference(4)`), which computes in 32 bits.
#[test]
fn inference_agrees_with_pydensecrf() {
    #[rustfmt::skip]
    let expected = [
        (Normalization::Pixel, [
            0.105537, 0.108341, 0.287591, 0.649611, 0.103468, 0.294723, 0.289897, 0.590663, 0.060572, 0.412326,
            0.332658, 0.384838, 0.685006, 0.142686, 0.341881, 0.344931, 0.09691, 0.136739, 0.31414, 0.449607,
            0.809169, 0.193872, 0.231421, 0.33932, 0.713778, 0.381606, 0.255329, 0.616035, 0.860014, 0.187453,
            0.663824, 0.662664, 0.113767, 0.264849, 0.684026, 0.126225, 0.104223, 0.280088, 0.598921, 0.346412,
            0.375571, 0.578743, 0.227497, 0.081451, 0.336199, 0.605365, 0.293437, 0.709688, 0.095845, 0.308293,
            0.083132, 0.688109, 0.116497, 0.377804, 0.205859, 0.346475, 0.657269, 0.283374, 0.071699, 0.698379,
        ]),
        (Normalization::Symmetric, [
            0.104856, 0.107011, 0.287541, 0.648507, 0.103828, 0.293687, 0.290015, 0.588393, 0.060196, 0.411326,
            0.333387, 0.387843, 0.683827, 0.144268, 0.343431, 0.34471, 0.098303, 0.137307, 0.315653, 0.452201,
            0.812114, 0.194933, 0.234771, 0.340247, 0.708991, 0.379033, 0.255922, 0.616499, 0.860171, 0.187101,
            0.667317, 0.66717, 0.115445, 0.266297, 0.682833, 0.121645, 0.106268, 0.283577, 0.604272, 0.350175,
            0.377116, 0.575526, 0.22952, 0.082519, 0.339089, 0.606888, 0.300424, 0.710082, 0.096927, 0.308723,
            0.082678, 0.689918, 0.11852, 0.378149, 0.210372, 0.343694, 0.656387, 0.283437, 0.071919, 0.697129,
        ]),
    ];
    let image = Rgb::from_fn(5, 6, |y, x| {
        let side = if x + y < 5 { 40 } else { 52 };
        [side + x, side + 20 + y, 90 - side + (x * y) % 3].map(|level| level as u8)
    });
    let logit =
        |i: usize| ((7 * (i / 30) + 5 * (i / 6 % 5) + 3 * (i % 6) + (i % 6) * (i / 6 % 5) * (i / 30)) % 11) as f32;
    let logits: Vec<f32> = (0..90).map(|i| logit(i) / 4.0).collect();
    for (normalization, expected) in expected {
        let crf = Crf {
            iterations: 4,
            smoothness_weight: 0.7,
            smoothness_xy: 1.5,
            appearance_weight: 1.1,
            appearance_xy: 4.0,
            appearance_rgb: 6.0,
            normalization,
        };
        let found = refine(&crf, logits.clone(), &image);
        assert!(worst(&found[..60], &expected) < 2e-6, "{normalization:?}: {}", worst(&found[..60], &expected));
    }
}

#[test]
fn a_noisy_mask_is_cleaned() {
    let image = image(40, 50);
    let truth: Vec<u8> = (0..2000).map(|p| u8::from(right(p % 50, p / 50, 50))).collect();
    let mut rng = Rng::new(9, "noise", 0);
    let noisy: Vec<f32> = truth.iter().map(|&t| if t == 1 { 0.8 } else { -0.8 } + 1.5 * rng.normal()).collect();
    let logits: Vec<f32> = noisy.iter().map(|x| -x).chain(noisy.iter().copied()).collect();
    let score = |probabilities: &[f32]| {
        let mut confusion = Confusion::new(2);
        confusion.add(&truth, &classes(probabilities, &image)).unwrap();
        confusion.mean_iou().unwrap().value
    };
    let (before, after) = (score(&logits), score(&refine(&Crf::default(), logits.clone(), &image)));
    assert!(before < 0.6 && after > 0.95, "{before} {after}");
}

#[test]
fn what_is_sure_or_undecided_stays() {
    let image = image(10, 12);
    let undecided = refine(&Crf::default(), vec![0.3; 4 * 120], &image);
    assert!(undecided.iter().all(|&q| q == 0.25), "{undecided:?}");
    // A checkerboard, which the messages, together at most 7, cannot overrule.
    let sure = |class: usize, p: usize| if (p % 12 + p / 12) % 2 == class { 20.0 } else { 0.0 };
    let logits: Vec<f32> = (0..240).map(|i| sure(i / 120, i % 120)).collect();
    assert_eq!(classes(&refine(&Crf::default(), logits.clone(), &image), &image), classes(&logits, &image));
}

#[test]
fn no_iteration_or_no_weight_gives_the_softmax() {
    let image = image(6, 7);
    let logits = random(3 * 42);
    let plain = refine(&Crf { iterations: 0, ..Crf::default() }, logits.clone(), &image);
    for p in 0..42 {
        let sum: f64 = (0..3).map(|c| f64::from(logits[c * 42 + p]).exp()).sum();
        (0..3).for_each(|c| {
            assert!((f64::from(plain[c * 42 + p]) - f64::from(logits[c * 42 + p]).exp() / sum).abs() < 1e-6)
        });
    }
    let alone = Crf { smoothness_weight: 0.0, appearance_weight: 0.0, ..Crf::default() };
    assert_eq!(refine(&alone, logits, &image), plain);
}

#[test]
fn classes_in_another_order_give_the_same_bits() {
    let image = image(15, 11);
    let planes: Vec<Vec<f32>> = random(19 * 165).chunks(165).map(<[f32]>::to_vec).collect();
    let order = Rng::new(1, "order", 0).permutation(19);
    let shuffled: Vec<f32> = order.iter().flat_map(|&c| planes[c as usize].clone()).collect();
    let (plain, shuffled) = (refine(&small(), planes.concat(), &image), refine(&small(), shuffled, &image));
    for (at, &class) in order.iter().enumerate() {
        assert_eq!(shuffled[at * 165..(at + 1) * 165], plain[class as usize * 165..(class as usize + 1) * 165]);
    }
}

#[test]
fn threads_change_no_bit() {
    let image = image(60, 70);
    let logits = random(9 * 4200);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| refine(&small(), logits.clone(), &image))
    };
    let one = with(1);
    assert!([2, 3, 8].iter().all(|&threads| with(threads) == one));
}

#[test]
fn any_size_goes() {
    for (height, width) in [(1, 1), (1, 9), (9, 1), (2, 2)] {
        for count in [1, 2, 8, 9] {
            let q = refine(&small(), random(count * height * width), &image(height, width));
            for p in 0..height * width {
                let sum: f32 = q.iter().skip(p).step_by(height * width).sum();
                assert!((sum - 1.0).abs() < 1e-5, "{height}x{width}, {count} classes: {sum}");
            }
        }
    }
}

#[test]
fn what_cannot_be_is_an_error() {
    let image = image(4, 5);
    let error = |crf: Crf, logits: &Tensor| crf.refine(logits, &image).unwrap_err().to_string();
    let good = tensor(random(40), 2, (4, 5));
    assert!(error(Crf::default(), &tensor(random(40), 2, (5, 4))).contains("[1, classes, 4, 5]"));
    assert!(error(Crf::default(), &good.squeeze(0).unwrap()).contains("[1, classes, 4, 5]"));
    assert!(error(Crf::default(), &tensor(vec![f32::NAN; 20], 1, (4, 5))).contains("not all finite"));
    assert!(error(Crf { appearance_rgb: 0.0, ..Crf::default() }, &good).contains("appearance_rgb"));
    assert!(error(Crf { smoothness_weight: -1.0, ..Crf::default() }, &good).contains("smoothness_weight"));
}
