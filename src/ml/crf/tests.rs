use super::*;
use crate::ml::rng::Rng;

/// An image of smooth colours with an edge, and some noise.
fn image(height: usize, width: usize) -> Rgb {
    let mut rng = Rng::new(5, "colours", 0);
    Rgb::from_fn(height, width, |y, x| {
        let side = if 3 * x + y < 2 * width { 60.0 } else { 150.0 };
        [0.0, 15.0, 40.0].map(|hue| (side + hue + y as f32 + rng.range(-3.0, 3.0)) as u8)
    })
}

fn logits(classes: usize, height: usize, width: usize) -> Tensor {
    let mut rng = Rng::new(6, "logits", 0);
    let values: Vec<f32> = (0..classes * height * width).map(|_| rng.range(-2.0, 2.0)).collect();
    Tensor::from_vec(values, (classes, height, width), &Device::Cpu).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn smoke() {
    let p = Crf::default().refine(&logits(3, 8, 9), &image(8, 9)).unwrap();
    assert!(values(&p).iter().all(|x| (0.0..=1.0).contains(x)));
}
