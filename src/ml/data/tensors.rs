//! Images as tensors.

use candle_core::{Device, Tensor};

use super::raster::Image;

impl Image {
    /// The image as a tensor of `f32` on the processor.
    ///
    /// # Shapes
    /// `[3, H, W]`
    pub fn to_tensor(&self) -> candle_core::Result<Tensor> {
        let mut planes = Vec::with_capacity(3 * self.pixels().len());
        for channel in 0..3 {
            planes.extend(self.pixels().iter().map(|pixel| pixel[channel]));
        }
        Tensor::from_vec(planes, (3, self.height(), self.width()), &Device::Cpu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_becomes_planes() {
        let image = Image::new(1, 2, vec![[1., 2., 3.], [4., 5., 6.]]).unwrap();
        let planes = image.to_tensor().unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(planes, [1., 4., 2., 5., 3., 6.]);
    }
}
