//! How a model's scores of an image are computed: what `Validate` and `Predict` share.

use crate::ml::crf;
use crate::ml::inference::{self, Fuse as Fusing};
use crate::params;
use crate::stage::Value;
use crate::stage::params::Param;
use crate::stage::schema::{Field, Type};

params! {
    /// How a network sees an image, and how that becomes one prediction.
    pub struct Inference {
        /// The factors by which the image is scaled. The network sees each scale once. The original multi-scale code has
        /// 1, 0.75 and 0.5.
        scales: Vec<f64> = vec![1.0], where above(0.0).max(8.0).nonempty();
        /// Whether the network also sees each scale mirrored. The mirrored logits lie where the others lie, at any width.
        flip: bool = false;
        /// How the scores of several scales and of mirrored images become one.
        fuse: Fuse = Fuse::Mean {};
        /// A dense CRF that sharpens the prediction by the colours of the image. `Some(())` is DeepLab-v2's. `None`:
        /// no CRF.
        crf: Option<Crf> = None;
    }

    /// How the scores of several scales and of mirrored images become one.
    pub enum Fuse {
        /// The mean of the probabilities at the size of the image. This is usual today.
        Mean {}
        /// The greatest logits, at the size of the logits of the first scale, as in the original multi-scale code.
        Max {}
    }

    /// A fully connected CRF over the pixels (Krähenbühl and Koltun, NeurIPS 2011), solved by mean-field iterations.
    /// The defaults are DeepLab-v2's for ResNet-101 on VOC 2012; it took 2, 2, 4, 65 and 3 for VGG-16.
    pub struct Crf {
        /// The number of mean-field iterations.
        iterations: u32 = 10, where max(1000.0).unit("iterations");
        /// The weight of the smoothness kernel, a Gaussian of the distance between two pixels. 0 leaves it out.
        smoothness_weight: f64 = 3.0, where min(0.0).max(1e6);
        /// The standard deviation of the smoothness kernel.
        smoothness_xy: f64 = 1.0, where min(0.01).max(1e6).unit("pixels");
        /// The weight of the appearance kernel, a Gaussian of the distance between two pixels and of their colours. 0
        /// leaves it out.
        appearance_weight: f64 = 4.0, where min(0.0).max(1e6);
        /// The standard deviation of the appearance kernel in distance.
        appearance_xy: f64 = 67.0, where min(0.01).max(1e6).unit("pixels");
        /// The standard deviation of the appearance kernel in each of red, green and blue.
        appearance_rgb: f64 = 3.0, where min(0.01).max(1e6).unit("levels of 255");
        /// How the kernels are normalised.
        normalization: Normalization = Normalization::Pixel {};
    }

    /// How a kernel K of a dense CRF is normalised. n is K applied to ones.
    pub enum Normalization {
        /// K / n, a weighted mean at each pixel, as in DeepLab-v2's own tool.
        Pixel {}
        /// K / sqrt(n n'), which keeps the kernel symmetric, as in pydensecrf, which ports of DeepLab use.
        Symmetric {}
    }
}

impl Default for Inference {
    fn default() -> Self {
        Inference { scales: vec![1.0], flip: false, fuse: Fuse::Mean {}, crf: None }
    }
}

impl Inference {
    /// The version of a kind that computes so, from the kind's own. Mirrored logits once lay beside the others, so that what was
    /// computed with them is not used. However often a kind raises its version, the two stay apart.
    pub fn version(&self, plain: u32) -> u32 {
        if self.flip { plain + 100 } else { plain }
    }

    /// What is not as by default, as a pipeline states it; `plain` where all of it is.
    pub fn in_words(&self) -> String {
        let crf = self.crf.as_ref().map(|crf| format!("crf: Some(({}))", stated(&crf.write(), &Crf::ty()).join(", ")));
        let mut words: Vec<String> =
            stated(&self.write(), &Inference::ty()).into_iter().filter(|field| !field.starts_with("crf:")).collect();
        words.extend(crf);
        if words.is_empty() { PLAIN.to_owned() } else { words.join(", ") }
    }
}

/// One pass over the image as it is.
pub const PLAIN: &str = "plain";

/// The fields of a structure that do not have their defaults, as a pipeline states them.
fn stated(params: &Value, ty: &Type) -> Vec<String> {
    let Type::Struct(structure) = ty else { return Vec::new() };
    let field = |field: &Field| {
        let value = params.field(field.name).filter(|value| field.default.as_ref() != Some(value))?;
        Some(format!("{}: {value}", field.name))
    };
    structure.fields.iter().filter_map(field).collect()
}

impl From<&Inference> for inference::Inference {
    fn from(params: &Inference) -> Self {
        let fuse = match params.fuse {
            Fuse::Mean {} => Fusing::Mean,
            Fuse::Max {} => Fusing::Max,
        };
        inference::Inference { scales: params.scales.clone(), flip: params.flip, fuse }
    }
}

impl From<&Crf> for crf::Crf {
    fn from(params: &Crf) -> Self {
        crf::Crf {
            iterations: params.iterations,
            smoothness_weight: params.smoothness_weight as f32,
            smoothness_xy: params.smoothness_xy as f32,
            appearance_weight: params.appearance_weight as f32,
            appearance_xy: params.appearance_xy as f32,
            appearance_rgb: params.appearance_rgb as f32,
            normalization: match params.normalization {
                Normalization::Pixel {} => crf::Normalization::Pixel,
                Normalization::Symmetric {} => crf::Normalization::Symmetric,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_the_default_is_told_as_it_is_written() {
        let crf = |iterations| Crf { iterations, ..Crf::read(&defaults()).unwrap() };
        let inference = Inference { scales: vec![1.0, 0.5], fuse: Fuse::Max {}, ..Inference::default() };
        assert_eq!(Inference::default().in_words(), "plain");
        assert_eq!(inference.in_words(), "scales: [1.0, 0.5], fuse: Max");
        let sharpened = |iterations| Inference { crf: Some(crf(iterations)), ..Inference::default() }.in_words();
        assert_eq!([sharpened(10), sharpened(5)], ["crf: Some(())", "crf: Some((iterations: 5))"]);
    }

    fn defaults() -> Value {
        let Type::Struct(structure) = Crf::ty() else { panic!("not a structure") };
        let fields = structure.fields.iter().map(|field| (field.name, field.default.clone().unwrap()));
        Value::record("Crf", fields)
    }

    #[test]
    fn the_defaults_of_a_pipeline_are_those_of_the_numerics() {
        let params = Crf::read(&defaults()).unwrap();
        assert_eq!(crf::Crf::from(&params), crf::Crf::default());
    }
}
