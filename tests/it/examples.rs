//! What the examples give.

#[path = "../../examples/sequential.rs"]
mod sequential;
#[path = "../../examples/train_and_predict.rs"]
mod train_and_predict;

#[test]
fn a_network_in_a_sequential_gives_probabilities_and_no_gradient() {
    let (probabilities, gradient) = sequential::run().unwrap();
    assert_eq!(probabilities.dims(), [1, 6, sequential::SIDE, sequential::SIDE]);
    let sums = probabilities.sum(1).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-5));
    let values = probabilities.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(values.iter().any(|value| (value - values[0]).abs() > 1e-3), "all pixels are alike");
    assert!(gradient.is_none(), "candle found a way through our layers: say so in the example");
}

#[test]
fn a_network_trains_and_predicts_without_a_pipeline() {
    let (losses, accuracy) = train_and_predict::run().unwrap();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    assert!(mean(&losses[8..]) < 0.8 * mean(&losses[..4]), "{losses:?}");
    assert!(accuracy > 0.4, "{accuracy}");
}
