//! From files to what a network is fed: decoding, channels and mean, scale, mirror, padding and crop.
//!
//! TensorFlow 1.3 decodes JPEG with the fast transform, we with the accurate one: how far the pixels and the logits of
//! a network are apart is printed and bounded. From the recorded arrays on, everything agrees.

use serde_json::Value;

use super::{File, Golden, Tally, e2e};
use crate::fsio;
use crate::ml::colors;
use crate::ml::data::augment::{self, Channels, Draws, Normalise, mirrors};
use crate::ml::data::pictures::Style;
use crate::ml::data::source::{Batching, Images};
use crate::ml::data::steps::{self, apply};
use crate::ml::data::{Image, Labels, Rgb, index, jpeg, labels, list};
use crate::ml::oracle::{Worst, difference, values};
use crate::ml::resample;
use crate::rng::Rng;

/// How far ours is from libjpeg's accurate transform, at most and on average, in levels.
const ACCURATE: (f64, f64) = (3.0, 0.1);

#[test]
fn inputs_are_tensorflows() {
    let Some(golden) = Golden::open("preprocess") else { return };
    let recorded = Recorded { file: golden.file("arrays"), golden };
    let index = recorded.golden.index();
    let [images, cases] = ["images", "cases"].map(|name| index[name].as_array().unwrap());
    let helpers: Vec<&String> = index["helpers"].as_object().unwrap().keys().collect();
    let mut tally = Tally::of("preprocess", images.len() + cases.len() + helpers.len() + 2);
    let mut run = |case: &dyn Fn(&mut Worst)| {
        let mut worst = Worst::within(5e-7);
        case(&mut worst);
        tally.case(&worst);
    };
    for image in images {
        run(&|worst| recorded.image(image, worst));
    }
    for case in cases {
        let key = case["key"].as_str().or(case["image"].as_str()).unwrap();
        match case["op"].as_str().unwrap() {
            "image_mirroring" => run(&|_| {
                let draw = case["draw"].as_f64().unwrap() as f32;
                assert_eq!(mirrors(draw), case["mirrored"].as_bool().unwrap(), "{draw}");
            }),
            "image_scaling" => run(&|worst| recorded.scaling(key, case, worst)),
            "crop_and_pad" | "read_images_from_disk" => run(&|worst| recorded.chain(key, case, worst)),
            other => panic!("`{other}` is unknown"),
        }
    }
    run(&|_| recorded.scaled_size(&index["scaled_size"]));
    run(&|_| recorded.palette(index["palette_png"]["file"].as_str().unwrap()));
    for helper in helpers {
        match helper.as_str() {
            "label_colours" => run(&|_| {
                let colours: Vec<[u8; 3]> = serde_json::from_value(index["helpers"][helper].clone()).unwrap();
                assert_eq!(colours, colors::VOC_MAP[..colours.len()]);
            }),
            "decode_labels" => run(&|_| recorded.decode_labels()),
            "inv_preprocess" => run(&|_| recorded.inverse()),
            other => panic!("`{other}` is unknown"),
        }
    }
    tally.finish();
}

struct Recorded {
    golden: Golden,
    file: File,
}

impl Recorded {
    fn read(&self, name: &str) -> Vec<u8> {
        fsio::read(&self.golden.0.join(name)).unwrap()
    }

    fn floats(&self, name: &str) -> Image {
        let (shape, values) = self.file.floats(name);
        Image::new(shape[0], shape[1], values.as_chunks().0.to_vec()).unwrap()
    }

    fn colours(&self, name: &str) -> Rgb {
        let (shape, values) = self.file.bytes(name);
        let [height, width] = [shape.len() - 3, shape.len() - 2].map(|axis| shape[axis]);
        Rgb::new(height, width, values.as_chunks().0.to_vec()).unwrap()
    }

    fn labels(&self, name: &str) -> Labels {
        let (shape, values) = self.file.bytes(name);
        Labels::new(shape[0], shape[1], values).unwrap()
    }

    fn image(&self, case: &Value, worst: &mut Worst) {
        let name = case["name"].as_str().unwrap();
        let ours = jpeg::decode(&self.read(case["jpeg"].as_str().unwrap()), name).unwrap();
        let fast = self.colours(&format!("{name}/decoded_rgb"));
        let label = labels::decode(&self.read(case["label_png"].as_str().unwrap()), name).unwrap();
        assert_eq!(label, self.labels(&format!("{name}/label")), "{name}");

        let figure = |name: &str| case[name].as_f64().unwrap();
        let (most, mean) = apart(&ours, &self.colours(&format!("{name}/decoded_rgb_integer_accurate")));
        let pil = figure("max_abs_diff_tf_integer_accurate_vs_pil");
        assert!(most <= ACCURATE.0 + pil && mean <= ACCURATE.1 + pil, "{name}: {most} {mean}");
        let bound = ["max", "mean"].map(|which| figure(&format!("{which}_abs_diff_tf_default_vs_integer_accurate")));
        let (most, mean) = apart(&ours, &fast);
        assert!(most <= bound[0] + ACCURATE.0 && mean <= bound[1] + ACCURATE.1, "{name}: {most} {mean}");

        let normalise = Normalise::default();
        let theirs = self.floats(&format!("{name}/bgr_minus_mean"));
        compare(worst, name, &normalise.apply(&fast), &theirs);
        let Some(network) = e2e::network("regular", None) else { return };
        let logits = |image: &Image| values(&network.forward(&e2e::input(image)).unwrap());
        let effect = difference(&logits(&normalise.apply(&ours)), &logits(&theirs));
        eprintln!("{name}: pixels {most} levels apart, {mean:.2} on average; logits {effect:.1e} of the greatest");
        assert!(effect < 0.1, "{name}: {effect}");
    }

    fn scaling(&self, key: &str, case: &Value, worst: &mut Worst) {
        let source = key.split_once('/').unwrap().0;
        let (image, label) =
            (self.floats(&format!("{source}/bgr_minus_mean")), self.labels(&format!("{source}/label")));
        let factor = case["scale"].as_f64().unwrap() as f32;
        let size = (resample::scaled(image.height(), factor), resample::scaled(image.width(), factor));
        assert_eq!((image.size(), size), (pair(&case["in_hw"]), pair(&case["out_hw"])), "{key}");
        compare(worst, key, &steps::bilinear(&image, size), &self.floats(&format!("{key}/image")));
        assert_eq!(steps::nearest(&label, size), self.labels(&format!("{key}/label")), "{key}");
    }

    fn chain(&self, key: &str, case: &Value, worst: &mut Worst) {
        let source = case["image"].as_str().unwrap_or_else(|| key.split_once('/').unwrap().0);
        let (image, label) =
            (self.floats(&format!("{source}/bgr_minus_mean")), self.labels(&format!("{source}/label")));
        let scale = case["scale"].as_f64().map(|scale| scale as f32);
        let side = |side: usize| scale.map_or(side, |scale| resample::scaled(side, scale));
        let (crop, offset) = (pair(&case["crop_hw"]), pair(&case["offset_yx"]));
        let place = [place(offset.0, side(image.height()), crop.0), place(offset.1, side(image.width()), crop.1)];
        let mirrored = case["mirror_draw"].as_f64().is_some_and(|draw| mirrors(draw as f32));
        let (image, label) = apply(image, label, &Draws { scale, mirrored, place }, crop, 255);
        compare(worst, key, &image, &self.floats(&format!("{key}/image")));
        assert_eq!(label, self.labels(&format!("{key}/label")), "{key}");
    }

    fn scaled_size(&self, case: &Value) {
        let [input, output] = ["in", "out"].map(|name| self.file.integers(&format!("scaled_size/{name}")));
        let (_, factors) = self.file.floats("scaled_size/scale");
        assert_eq!(case["count"], input.len());
        for ((&side, &expected), &factor) in input.iter().zip(&output).zip(&factors) {
            assert_eq!(resample::scaled(side as usize, factor), expected as usize, "{side} * {factor}");
        }
    }

    /// Ours reads indices where TensorFlow reads grey.
    fn palette(&self, file: &str) {
        let ids = labels::decode(&self.read(file), file).unwrap();
        assert_eq!(ids, self.labels("palette/indices"));
        assert_ne!(ids.pixels(), self.file.bytes("palette/tf_decode_png_channels1").1);
    }

    fn decode_labels(&self) {
        let ids: Vec<u8> = self.file.integers("decode_labels/mask").iter().map(|&id| id as u8).collect();
        let expected = self.colours("decode_labels/rgb");
        let ids = Labels::new(expected.height(), expected.width(), ids).unwrap();
        assert_eq!(Style::new(&[], &colors::VOC_MAP[..21]).visual(&ids), expected);
    }

    /// The reference's way back truncates: ours, forward again, stays less than a level below.
    fn inverse(&self) {
        let (image, colours) = (self.floats("chain0/image"), self.colours("inv_preprocess/rgb"));
        let again = Normalise::default().apply(&colours);
        for (before, after) in image.pixels().as_flattened().iter().zip(again.pixels().as_flattened()) {
            assert!((-1e-4..1.0).contains(&(before - after)), "{before} {after}");
        }
    }
}

fn pair(value: &Value) -> (usize, usize) {
    let [a, b]: [usize; 2] = serde_json::from_value(value.clone()).unwrap();
    (a, b)
}

/// The draw that puts the crop at `offset`.
fn place(offset: usize, side: usize, crop: usize) -> u32 {
    let places = side.saturating_sub(crop) as u64 + 1;
    ((offset as u64) << 32).div_ceil(places) as u32
}

/// The greatest and the mean difference of two images, in levels.
fn apart(a: &Rgb, b: &Rgb) -> (f64, f64) {
    assert_eq!(a.size(), b.size());
    let values = |image: &Rgb| image.pixels().as_flattened().to_vec();
    let gaps: Vec<f64> = values(a).iter().zip(values(b)).map(|(a, b)| f64::from(a.abs_diff(b))).collect();
    (gaps.iter().copied().fold(0.0, f64::max), gaps.iter().sum::<f64>() / gaps.len() as f64)
}

fn compare(worst: &mut Worst, what: &str, found: &Image, expected: &Image) {
    assert_eq!(found.size(), expected.size(), "{what}");
    worst.note(what, difference(found.pixels().as_flattened(), expected.pixels().as_flattened()));
}

/// The whole chain against 64-bit arithmetic, each output pixel straight from the definition.
#[test]
fn the_chain_is_what_its_definition_says() {
    let mut rng = Rng::new(3, "pixels", 0);
    let colours = Rgb::from_fn(37, 52, |_, _| [0; 3].map(|_: u8| rng.below(256) as u8));
    let ids = Labels::from_fn(37, 52, |_, _| rng.below(21) as u8);
    let normalise = Normalise { channels: Channels::Rgb, mean: [127.5, 100.0, 80.25], deviation: [1.0; 3] };
    for k in 0..40 {
        let draws = augment::Augment { scale: Some((0.5, 1.5)), mirror: true }.draws(11, k);
        let crop = (33, 41);
        let (image, label) = apply(normalise.apply(&colours), ids.clone(), &draws, crop, 255);
        let factor = draws.scale.unwrap();
        let size = [37, 52].map(|side| (side as f32 * factor) as usize);
        let offset: Vec<usize> = (0..2)
            .map(|axis| {
                let places = size[axis].saturating_sub([crop.0, crop.1][axis]) + 1;
                (f64::from(draws.place[axis]) / 4_294_967_296.0 * places as f64) as usize
            })
            .collect();
        for (y, x) in (0..crop.0).flat_map(|y| (0..crop.1).map(move |x| (y, x))) {
            let (row, mut column) = (y + offset[0], x + offset[1]);
            if row >= size[0] || column >= size[1] {
                assert_eq!((image.at(y, x), label.at(y, x)), ([0.0; 3], 255));
                continue;
            }
            if draws.mirrored {
                column = size[1] - 1 - column;
            }
            // The coordinates of a label decide which pixel it is, so that they are of 32 bits by definition.
            let at = [row as f32 * (37.0 / size[0] as f32), column as f32 * (52.0 / size[1] as f32)];
            assert_eq!(label.at(y, x), ids.at(at[0] as usize, at[1] as usize));
            let [y0, x0] = at.map(|at| at as usize);
            let [dy, dx] = at.map(|at| f64::from(at.fract()));
            for c in 0..3 {
                let pixel = |y: usize, x: usize| f64::from(colours.at(y.min(36), x.min(51))[c]);
                let upper = pixel(y0, x0) * (1.0 - dx) + pixel(y0, x0 + 1) * dx;
                let lower = pixel(y0 + 1, x0) * (1.0 - dx) + pixel(y0 + 1, x0 + 1) * dx;
                let expected = upper * (1.0 - dy) + lower * dy - f64::from(normalise.mean[c]);
                assert!((f64::from(image.at(y, x)[c]) - expected).abs() < 1e-4, "{k} {y} {x}");
            }
        }
    }
}

/// From files to the tensors that reach a network: the colours in the order that is asked for, less its mean, then zeros
/// below and beside.
#[test]
fn batches_have_the_channels_and_the_mean_that_are_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = Rng::new(8, "pixels", 0);
    let colours = Rgb::from_fn(21, 30, |_, _| [0; 3].map(|_: u8| rng.below(256) as u8));
    let ids = Labels::from_fn(21, 30, |_, _| rng.below(21) as u8);
    let resolve = |path: &str| dir.path().join(path);
    fsio::write_atomic(&resolve("a.png"), &labels::encode_rgb(&colours, "a").unwrap()).unwrap();
    fsio::write_atomic(&resolve("ids.png"), &labels::encode_grey(&ids, "ids").unwrap()).unwrap();
    let samples = list::parse("/a.png /ids.png", "list", list::Form::Labelled).unwrap();
    let rows = index::build(&samples, &resolve, index::Allowed::ids(21, 255)).unwrap();
    let images = Images::new(&rows, &resolve);
    let slim = Normalise { channels: Channels::Rgb, mean: [123.68, 116.78, 103.94], deviation: [1.0; 3] };
    let middle = Normalise { channels: Channels::Rgb, mean: [127.5; 3], deviation: [1.0; 3] };
    for (normalise, order) in [(Normalise::default(), [2, 1, 0]), (slim, [0, 1, 2]), (middle, [0, 1, 2])] {
        let augment = augment::Augment { scale: None, mirror: false };
        let plan = Batching { seed: 1, batch: 2, crop: (24, 31), normalise, augment, ignore: 255 };
        let (tensor, label) = images.batches(&plan, 0..1).next().unwrap().unwrap();
        assert_eq!((tensor.dims(), label.dims()), (&[2, 3, 24, 31][..], &[2, 24, 31][..]));
        let (found, label) = (values(&tensor), label.flatten_all().unwrap().to_vec1::<u8>().unwrap());
        for (at, found) in found.iter().enumerate() {
            let (c, y, x) = (at / (24 * 31) % 3, at / 31 % 24, at % 31);
            let inside = y < 21 && x < 30;
            let value = || f64::from(colours.at(y, x)[order[c]]) - f64::from(normalise.mean[c]);
            assert!((f64::from(*found) - if inside { value() } else { 0.0 }).abs() < 1e-5, "{c} {y} {x}");
            let label = label[at / (3 * 24 * 31) * 24 * 31 + y * 31 + x];
            assert_eq!(label, if inside { ids.at(y, x) } else { 255 });
        }
    }
}
