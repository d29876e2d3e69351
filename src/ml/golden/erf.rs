//! Effective receptive fields of single and stacked dilated layers.

use candle_core::{Device, Tensor};

use super::{Golden, Worst, nchw, stack};
use crate::ml::erf::Map;
use crate::ml::ops;

#[test]
fn receptive_fields_are_tensorflows() {
    let Some(golden) = Golden::open("erf") else { return };
    let (index, file) = (golden.index(), golden.file("erf"));
    let mut worst = Worst::within(2e-6);
    let mut cases = 0;
    for case in index["cases"].as_array().unwrap() {
        let theirs = case["type"].as_str().unwrap();
        let id = case["id"].as_str().unwrap();
        let [y, x] = [0, 1].map(|axis| case["centre_yx"][axis].as_u64().unwrap() as usize);
        let relu = case["relu_between"] == true;
        let (shape, pixels) = file.find(&format!("{id}/x")).unwrap_or_else(|| {
            assert!(!relu, "without a ReLU the input does not matter to the gradient, with one it does");
            let shape: Vec<usize> =
                case["x"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
            let zeros = vec![0.0; shape.iter().product()];
            (shape, zeros)
        });
        let input = nchw(&shape, &pixels);
        let centre = |output: &Tensor| {
            let [n, c, h, w] = ops::nchw("output", output).unwrap();
            let mut seed = vec![0.0_f32; n * c * h * w];
            (0..c).for_each(|channel| seed[(channel * h + y) * w + x] = 1.0);
            Tensor::from_vec(seed, (n, c, h, w), &Device::Cpu).unwrap()
        };
        let passed = stack::run(&file, theirs, case, relu, input, centre);
        let expected = file.activations(&format!("{id}/grad_x"));
        worst.compare(id, &passed.gradient, &expected);
        let [_, _, h, w] = ops::nchw("output", &passed.output).unwrap();
        let (found, expected) = (Map::of(&passed.gradient, (h, w)).unwrap(), Map::of(&expected, (h, w)).unwrap());
        assert_eq!(found.centre, (y, x), "{id}");
        let alive = |map: &Map| map.values.iter().map(|value| *value != 0.0).collect::<Vec<_>>();
        assert_eq!(alive(&found), alive(&expected), "{id}");
        assert_eq!(
            alive(&found).iter().filter(|&&alive| alive).count() as u64,
            case["nonzero_positions"].as_u64().unwrap(),
            "{id}"
        );
        cases += 1;
    }
    eprintln!("erf: {cases} cases, gradient {worst}");
    assert_eq!(cases, index["cases"].as_array().unwrap().len());
}
