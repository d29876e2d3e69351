//! Arrays of the oracle's numbers.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::tape::{Num, Tape};
use crate::rng::Rng;

/// An array with its shape; images are NCHW, filters OIHW.
#[derive(Debug, Clone)]
pub struct Array<'t> {
    pub shape: Vec<usize>,
    pub data: Vec<Num<'t>>,
}

/// Arrays by name.
pub type Values<'t> = BTreeMap<String, Array<'t>>;

impl<'t> Array<'t> {
    /// Variables with the values of `data`.
    pub fn variables(tape: &'t Tape, shape: &[usize], data: &[f32]) -> Self {
        assert_eq!(data.len(), shape.iter().product::<usize>());
        let data = data.iter().map(|&value| tape.variable(f64::from(value))).collect();
        Array { shape: shape.to_vec(), data }
    }

    /// Variables of 32 bits from -1 to 1.
    pub fn random(tape: &'t Tape, name: &str, shape: &[usize]) -> Self {
        let mut rng = Rng::new(7, name, 0);
        let data: Vec<f32> = (0..shape.iter().product()).map(|_| rng.range(-1.0, 1.0)).collect();
        Self::variables(tape, shape, &data)
    }

    pub fn tensor(&self) -> Tensor {
        let data: Vec<f32> = self.data.iter().map(|number| number.value as f32).collect();
        Tensor::from_vec(data, self.shape.as_slice(), &Device::Cpu).unwrap()
    }

    pub fn sizes(&self) -> [usize; 4] {
        self.shape.as_slice().try_into().unwrap()
    }

    pub fn at(&self, [n, c, y, x]: [usize; 4]) -> Num<'t> {
        let [_, channels, height, width] = self.sizes();
        self.data[((n * channels + c) * height + y) * width + x]
    }

    /// The element at `(y, x)`, zero outside.
    pub fn padded(&self, n: usize, c: usize, y: isize, x: isize) -> Num<'t> {
        let [_, _, height, width] = self.sizes();
        let inside = (0..height as isize).contains(&y) && (0..width as isize).contains(&x);
        if inside { self.at([n, c, y as usize, x as usize]) } else { Num::from(0.0) }
    }

    /// An image whose elements `value` gives.
    pub fn image(shape: [usize; 4], value: impl Fn([usize; 4]) -> Num<'t>) -> Self {
        let [n, c, height, width] = shape;
        let mut data = Vec::with_capacity(n * c * height * width);
        for (image, channel) in (0..n).flat_map(|n| (0..c).map(move |c| (n, c))) {
            data.extend((0..height * width).map(|p| value([image, channel, p / width, p % width])));
        }
        Array { shape: shape.to_vec(), data }
    }

    fn greatest(&self) -> f64 {
        self.data.iter().fold(0.0, |most, number| most.max(number.value.abs()))
    }

    /// Notes decisions at these distances among the array's values.
    pub fn decided(&self, distances: impl Iterator<Item = f64>) {
        if let Some(tape) = self.data.iter().find_map(|number| number.tape()) {
            let greatest = self.greatest();
            distances.for_each(|distance| tape.decided(distance / greatest));
        }
    }
}
