//! The logits of a mirrored image, in the places of those of the image itself.
//!
//! If an image is mirrored in its own size, its logits lie where those of the image lie only if the width is 1 more than a
//! multiple of the output stride. At 500 columns they lie 3 pixels beside them. So the mirrored image is moved by a few
//! columns, on a wider canvas of zeros, until its logits fall on the same pixels. The canvas has a width of 1 more than
//! a multiple of the output stride: there the logits lie on every 8th pixel from the first one on, whatever the
//! conventions of the network.

use candle_core::{Device, Tensor};

use super::error::Result;
use super::models::{Network, Places};
use super::ops::{activation, fuse, nchw};

/// The logits of the mirrored images, mirrored back: those of each pixel lie where [`Network::forward`] puts them.
///
/// # Shapes
/// `images` `[N, 3, H, W]` -> `[N, classes, H / 8, W / 8]`, the shape of the logits of `images`.
///
/// # Errors
/// As those of [`Network::forward`].
pub fn logits(network: &Network, images: &Tensor) -> Result<Tensor> {
    let [_, _, _, width] = nchw("The images", images)?;
    let canvas = Canvas::new(width, network.grid().along(width));
    if canvas.is_the_image(width) {
        return fuse::mirrored(&network.forward(&fuse::mirrored(images)?)?);
    }
    let mirrored = columns(images, &canvas.columns(width))?;
    columns(&network.forward(&mirrored)?, &canvas.logits())
}

/// A canvas on which a mirrored image lies. Its column `q` shows the image's column `at - q`.
#[derive(Debug)]
struct Canvas {
    width: usize,
    at: usize,
    places: Places,
}

impl Canvas {
    /// The canvas of an image of `width` columns whose logits lie at `places`: the narrowest one that holds the image, and
    /// has a logit for each of them.
    fn new(width: usize, places: Places) -> Self {
        let last = places.last().max(width - 1);
        let at = places.first + (last - places.first).next_multiple_of(places.step);
        Canvas { width: at.next_multiple_of(places.step) + 1, at, places }
    }

    /// Whether the canvas is as wide as the image, which is mirrored in place.
    fn is_the_image(&self, width: usize) -> bool {
        self.width == width && self.at == width - 1
    }

    /// The column of the image in each column of the canvas; none where there is none.
    fn columns(&self, width: usize) -> Vec<Option<usize>> {
        (0..self.width).map(|q| self.at.checked_sub(q).filter(|column| *column < width)).collect()
    }

    /// The logit of the canvas for each logit of the image.
    fn logits(&self) -> Vec<Option<usize>> {
        let Places { first, step, count } = self.places;
        (0..count).map(|i| Some((self.at - first) / step - i)).collect()
    }
}

/// These columns of `x`, zeros where there is none.
///
/// # Shapes
/// `[N, C, H, W]` -> `[N, C, H, columns]`.
fn columns(x: &Tensor, columns: &[Option<usize>]) -> Result<Tensor> {
    let [n, channels, height, width] = activation::sizes("An image to be mirrored", x)?;
    let values: Vec<f32> = x.flatten_all()?.to_vec1()?;
    let pick = |row: &[f32]| columns.iter().map(|column| column.map_or(0.0, |at| row[at])).collect::<Vec<f32>>();
    let picked: Vec<f32> = values.chunks_exact(width).flat_map(pick).collect();
    activation::enter(&Tensor::from_vec(picked, (n, channels, height, columns.len()), &Device::Cpu)?, x.device())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::conventions::Geometry;
    use crate::ml::spec::{Choice, HeadSpec, ModelSpec};
    use crate::ml::weights::{Scheme, initialise};
    use crate::rng::Rng;

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    /// A network whose filters are all symmetric: it sees a mirrored image as it sees the image.
    fn symmetric(geometry: Geometry) -> Network {
        let spec = ModelSpec {
            head: HeadSpec::LargeFov { rate: 1 },
            geometry,
            ..ModelSpec::new(Choice::new("Tiny"), 3, Choice::new("Regular"))
        };
        let plain = initialise(&spec, &Device::Cpu, Scheme::Stable, 7).unwrap();
        let inventory = plain.parameters().inventory();
        Network::build(&spec, &Device::Cpu, |parameter| {
            let (id, _) = inventory.iter().find(|(_, other)| other.name == parameter.name).unwrap();
            let mut values = values(&plain.parameters().view(id).unwrap());
            if let [_, _, _, taps] = *parameter.shape.as_slice() {
                for row in values.chunks_exact_mut(taps) {
                    let mirrored: Vec<f32> = row.iter().rev().copied().collect();
                    row.iter_mut().zip(mirrored).for_each(|(value, other)| *value = (*value + other) / 2.0);
                }
            }
            Ok(values)
        })
        .unwrap()
    }

    fn images(width: usize) -> Tensor {
        let mut rng = Rng::new(1, "pixels", width as u64);
        let pixels: Vec<f32> = (0..3 * 9 * width).map(|_| rng.range(-110.0, 140.0)).collect();
        Tensor::from_vec(pixels, (1, 3, 9, width), &Device::Cpu).unwrap()
    }

    /// Away from the borders, which the two see otherwise, mirroring changes nothing, at whatever width.
    #[test]
    fn a_symmetric_network_gives_the_same_logits_at_every_width() {
        for geometry in [Geometry::TENSORFLOW, Geometry::CAFFE, Geometry::TORCHVISION] {
            same_logits(&symmetric(geometry));
        }
    }

    fn same_logits(network: &Network) {
        // What a logit sees reaches over less than 130 pixels to either side.
        const SEEN: usize = 130;
        for width in 337..=345 {
            let images = images(width);
            let places = network.grid().along(width);
            let plain = network.forward(&images).unwrap();
            let mirrored = logits(network, &images).unwrap();
            assert_eq!(mirrored.dims(), plain.dims(), "{width}");
            assert_eq!(plain.dims()[3], places.count, "{width}");
            let [plain, mirrored] = [values(&plain), values(&mirrored)];
            let scale = plain.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
            let mut compared = 0;
            for (at, (plain, mirrored)) in plain.iter().zip(&mirrored).enumerate() {
                let pixel = places.first + at % places.count * places.step;
                if (SEEN..width - SEEN).contains(&pixel) {
                    assert!((plain - mirrored).abs() < 1e-4 * scale, "{width}, pixel {pixel}: {plain} {mirrored}");
                    compared += 1;
                }
            }
            assert!(compared >= 3 * 2 * 9, "{width}: {compared}");
        }
    }

    #[test]
    fn the_image_is_mirrored_in_place_where_its_own_logits_stay_in_their_places() {
        let network = symmetric(Geometry::TENSORFLOW);
        for width in [1, 9, 97] {
            let images = images(width);
            let in_place = fuse::mirrored(&network.forward(&fuse::mirrored(&images).unwrap()).unwrap()).unwrap();
            assert_eq!(values(&logits(&network, &images).unwrap()), values(&in_place));
        }
        for width in (2..9).chain(98..105) {
            assert_eq!(logits(&network, &images(width)).unwrap().dims()[3], width.div_ceil(8), "{width}");
        }
    }

    #[test]
    fn a_canvas_shows_every_column_and_has_every_logit() {
        for (width, first, count) in [(500, 3, 63), (500, 0, 63), (375, 0, 48), (97, 0, 13), (2, 1, 1), (8, 3, 1)] {
            let canvas = Canvas::new(width, Places { first, step: 8, count });
            let mut shown: Vec<usize> = canvas.columns(width).into_iter().flatten().collect();
            assert!(shown.is_sorted_by(|a, b| a > b), "{canvas:?}");
            shown.reverse();
            assert_eq!(shown, (0..width).collect::<Vec<_>>(), "{canvas:?}");
            assert_eq!(canvas.width % 8, 1);
            for (i, logit) in canvas.logits().into_iter().flatten().enumerate() {
                assert!(8 * logit < canvas.width, "{canvas:?}");
                assert_eq!(canvas.at - 8 * logit, first + 8 * i, "{canvas:?}");
            }
        }
    }
}
