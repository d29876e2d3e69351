//! Effective receptive fields: how much each input position moves the centre of the output (Luo, Li, Urtasun, Zemel:
//! "Understanding the effective receptive field in deep convolutional neural networks", NeurIPS 2016).

use candle_core::{Device, Tensor};

use super::error::{Error, Result};
use super::models::{Network, Site};
use super::ops::{activation, nchw, read};

/// The absolute gradient of the sum over channels of the output's centre by each input position, summed over the
/// input's channels. Sums are taken in `f64`, in the order of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// The height in input positions.
    pub height: usize,
    /// The width in input positions.
    pub width: usize,
    /// The values, row by row.
    pub values: Vec<f64>,
    /// The input position behind the output's centre: row, column.
    pub centre: (usize, usize),
}

/// The map of one image: the influence of the positions at `by` on the centre at `of`. ReLUs, biases and edges take part as
/// they do in the network.
///
/// # Shapes
/// `image` `[1, 3, H, W]`; the map has the size of the tensor at `by`.
pub fn map(network: &Network, image: &Tensor, of: Site<'_>, by: Site<'_>) -> Result<Map> {
    let tape = network.forward_train(image, 0)?;
    let missing = || Error::Model(format!("The network has no place {of:?}."));
    let shape = nchw("The output of a receptive field", tape.at(network, of).ok_or_else(missing)?)?;
    let seed = centre(shape, network.device())?;
    Map::of(&network.gradient_at(tape, of, &seed, by)?, (shape[2], shape[3]))
}

/// The map of the dilated convolution of the block `block` alone: its pre-filter and its 3x3 filter, and neither batch
/// norm nor ReLU, so that no image matters. It has `4 d + 5` positions each way, 21 for a dilation `d` of 4: room for the
/// filters of every type, and for the whole cells of `d x d` that GroupInteraction mixes.
pub fn conv(network: &Network, block: &str) -> Result<Map> {
    let conv = network.dilated(block)?;
    let side = 4 * conv.dilation() + 5;
    let seed = centre([1, conv.outputs(), side, side], network.device())?;
    Map::of(&conv.linear_gradient(&seed)?, (side, side))
}

/// The gradient of the sum over channels of the centre, by a tensor of the shape `[1, C, H, W]`.
fn centre([n, channels, height, width]: [usize; 4], device: &Device) -> Result<Tensor> {
    let mut seed = vec![0.0_f32; n * channels * height * width];
    seed.iter_mut().skip(height / 2 * width + width / 2).step_by(height * width).for_each(|value| *value = 1.0);
    activation::enter(&Tensor::from_vec(seed, (n, channels, height, width), &Device::Cpu)?, device)
}

impl Map {
    /// The map of a gradient `[1, C, H, W]` by an input, of the centre of an output of the size `output`.
    pub fn of(gradient: &Tensor, output: (usize, usize)) -> Result<Self> {
        let [_, channels, height, width] = nchw("The gradient of a receptive field", gradient)?;
        let mut values = vec![0.0_f64; height * width];
        read("a receptive field", gradient, |gradient| {
            for channel in gradient.chunks_exact(height * width).take(channels) {
                values.iter_mut().zip(channel).for_each(|(sum, g)| *sum += f64::from(g.abs()));
            }
        })?;
        // Strides are powers of two; the last position of the output may stand for less than a whole stride.
        let stride = |input: usize, output: usize| input.div_ceil(output).next_power_of_two();
        let behind = |input: usize, output: usize| (output / 2 * stride(input, output)).min(input - 1);
        Ok(Map { height, width, values, centre: (behind(height, output.0), behind(width, output.1)) })
    }

    /// Adds the map of another image of the same size.
    pub fn add(&mut self, other: &Map) {
        self.values.iter_mut().zip(&other.values).for_each(|(sum, value)| *sum += value);
    }

    /// The map times a number.
    pub fn scaled(mut self, factor: f64) -> Self {
        self.values.iter_mut().for_each(|value| *value *= factor);
        self
    }

    /// The mass of the square of `radius` positions around the centre, and its area within the map.
    fn square(&self, radius: usize) -> (f64, usize) {
        let (cy, cx) = self.centre;
        let rows = cy.saturating_sub(radius)..(cy + radius + 1).min(self.height);
        let columns = cx.saturating_sub(radius)..(cx + radius + 1).min(self.width);
        let mass = rows.clone().map(|y| columns.clone().map(|x| self.values[y * self.width + x]).sum::<f64>()).sum();
        (mass, rows.len() * columns.len())
    }
}

/// The figures of a map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// The share of positions with exactly no influence inside the smallest box that holds all with some: gridding.
    pub dead: f64,
    /// The share of the map's area of the smallest centred square that holds 20, 30, 50 and 99 % of the mass.
    pub areas: [f64; 4],
    /// The root of the mean squared distance from the centre of mass, weighted by mass, in input positions.
    pub radius: f64,
}

/// The parts of the mass whose squares are measured, in percent.
pub const PARTS: [u32; 4] = [20, 30, 50, 99];

impl Figures {
    /// The figures with their names.
    pub fn named(&self) -> Vec<(String, f64)> {
        let areas = PARTS.iter().zip(self.areas).map(|(part, area)| (format!("area {part}%"), area));
        std::iter::once(("dead".to_owned(), self.dead))
            .chain(areas)
            .chain([("radius".to_owned(), self.radius)])
            .collect()
    }
}

/// The figures of a map; all zero where nothing has any influence.
pub fn figures(map: &Map) -> Figures {
    let total = map.square(map.height.max(map.width)).0;
    if total == 0.0 {
        return Figures { dead: 0.0, areas: [0.0; 4], radius: 0.0 };
    }
    let positions = || (0..map.values.len()).map(|at| (at / map.width, at % map.width, map.values[at]));
    let alive = || positions().filter(|(_, _, value)| *value != 0.0);
    let span = |of: fn((usize, usize, f64)) -> usize| {
        let (low, high) = alive().map(of).fold((usize::MAX, 0), |(low, high), at| (low.min(at), high.max(at)));
        high - low + 1
    };
    let box_area = (span(|p| p.0) * span(|p| p.1)) as f64;
    let area = |part: u32| {
        let wanted = total * f64::from(part) / 100.0;
        let found = (0..map.height.max(map.width)).map(|radius| map.square(radius)).find(|(mass, _)| *mass >= wanted);
        found.map_or(1.0, |(_, area)| area as f64 / map.values.len() as f64)
    };
    let mean = |of: fn(usize, usize) -> f64| positions().map(|(y, x, m)| m * of(y, x)).sum::<f64>() / total;
    let (my, mx) = (mean(|y, _| y as f64), mean(|_, x| x as f64));
    let spread: f64 = positions().map(|(y, x, m)| m * ((y as f64 - my).powi(2) + (x as f64 - mx).powi(2))).sum();
    Figures { dead: 1.0 - alive().count() as f64 / box_area, areas: PARTS.map(area), radius: (spread / total).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::spec::{Choice, ModelSpec};
    use crate::ml::weights::{Scheme, initialise};

    fn map_of(height: usize, width: usize, value: impl Fn(usize, usize) -> f64) -> Map {
        let values = (0..height * width).map(|at| value(at / width, at % width)).collect();
        Map { height, width, values, centre: (height / 2, width / 2) }
    }

    #[test]
    fn a_grid_has_dead_positions_and_a_flat_field_has_none() {
        // The taps of a 3x3 convolution with dilation 4: nine in a box of 9 x 9.
        let grid = map_of(21, 21, |y, x| f64::from(u8::from([6, 10, 14].contains(&y) && [6, 10, 14].contains(&x))));
        let figures = figures(&grid);
        assert!((figures.dead - 72.0 / 81.0).abs() < 1e-12);
        // One ninth lies in the centre; everything within 4 positions of it.
        assert_eq!(figures.areas, [81.0 / 441.0; 4]);
        assert!((figures.radius - (2.0 * 16.0 * 2.0 / 3.0_f64).sqrt()).abs() < 1e-12);
        assert_eq!(super::figures(&map_of(5, 7, |_, _| 0.5)).dead, 0.0);
        assert_eq!(super::figures(&map_of(5, 7, |_, _| 0.0)).radius, 0.0);
    }

    fn network(prefilter: &str) -> Network {
        let spec = ModelSpec::new(Choice::new("Tiny"), 3, Choice::new(prefilter));
        initialise(&spec, &Device::Cpu, Scheme::Stable, 3).unwrap()
    }

    fn pixels() -> Vec<f32> {
        (0..3 * 65 * 65).map(|i| ((i * 7919 % 257) as f32) - 128.0).collect()
    }

    fn image(pixels: Vec<f32>) -> Tensor {
        Tensor::from_vec(pixels, (1, 3, 65, 65), &Device::Cpu).unwrap()
    }

    #[test]
    fn the_map_is_the_gradient_that_differences_give() {
        let network = network("Average");
        for of in [Site::Logits, Site::Output("group5/block2"), Site::Output("group4/block1")] {
            let centre = |pixels: Vec<f32>| -> f64 {
                let tape = network.forward_train(&image(pixels), 0).unwrap();
                let output = tape.at(&network, of).unwrap();
                let [_, c, h, w] = nchw("output", output).unwrap();
                let values: Vec<f32> = output.flatten_all().unwrap().to_vec1().unwrap();
                (0..c).map(|channel| f64::from(values[(channel * h + h / 2) * w + w / 2])).sum()
            };
            let map = map(&network, &image(pixels()), of, Site::Image).unwrap();
            assert_eq!((map.centre, map.values.len()), ((32, 32), 65 * 65));
            let mut checked = 0;
            for (y, x) in [(32, 32), (30, 35), (24, 40), (33, 31)] {
                let mut expected = 0.0;
                for channel in 0..3 {
                    let moved = |by: f32| {
                        let mut pixels = pixels();
                        pixels[(channel * 65 + y) * 65 + x] += by;
                        centre(pixels)
                    };
                    expected += ((moved(0.5) - moved(-0.5)) / 1.0).abs();
                }
                let found = map.values[y * 65 + x];
                assert!(
                    (found - expected).abs() < 0.05 * expected.max(1e-4),
                    "{of:?} ({y}, {x}): {found} and {expected}"
                );
                checked += usize::from(expected > 1e-6);
            }
            assert!(checked > 0, "no position has any influence on {of:?}");
        }
    }

    #[test]
    fn a_part_is_what_the_whole_is_made_of() {
        let network = network("Aggregation");
        let tape = || network.forward_train(&image(pixels()), 0).unwrap();
        let (last, first, before) =
            (Site::Output("group5/block2"), Site::Input("group4/block1"), Site::Output("group3/block1"));
        let seed = centre(nchw("output", tape().at(&network, last).unwrap()).unwrap(), network.device()).unwrap();
        let part = network.gradient_at(tape(), last, &seed, first).unwrap();
        let found = network.gradient_at(tape(), before, &part, Site::Image).unwrap();
        let whole = network.gradient_at(tape(), last, &seed, Site::Image).unwrap();
        let values = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(values(&found), values(&whole));
        let map = map(&network, &image(pixels()), last, first).unwrap();
        assert_eq!(map, Map::of(&part, (9, 9)).unwrap());
        assert!(map.values.iter().any(|value| *value > 0.0));
        let followed = super::map(&network, &image(pixels()), Site::Logits, Site::Input("group5/block1")).unwrap();
        assert_eq!((followed.height, followed.centre), (9, (4, 4)));
    }

    #[test]
    fn types_that_start_as_regular_have_its_map() {
        let map = |prefilter| conv(&network(prefilter), "group5/block1").unwrap();
        let regular = map("Regular");
        assert_eq!((regular.height, figures(&regular).dead), (21, 1.0 - 9.0 / 81.0));
        for prefilter in ["Decompose", "GroupInteraction", "SeparableShared"] {
            let same = map(prefilter);
            assert_eq!(figures(&same).dead, figures(&regular).dead, "{prefilter}");
            let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-6 * b;
            assert!(same.values.iter().zip(&regular.values).all(near), "{prefilter}");
        }
        assert!(figures(&map("Average")).dead < figures(&regular).dead);
        let error = conv(&network("Regular"), "group3/block1").unwrap_err();
        assert!(error.to_string().contains("`group3/block1`"), "{error}");
    }
}
