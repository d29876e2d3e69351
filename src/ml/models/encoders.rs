//! Every encoder, by name. A new one is a file with its [`Backbone`](super::Backbone), and a line here.

use super::architecture::{Architecture, Encoder};
use super::{bottleneck, resnet18};
use crate::ml::error::{Error, Result};
use crate::ml::spec::{Choice, complete};

/// Every encoder.
pub const ENCODERS: &[Encoder] = &[bottleneck::RESNET101, bottleneck::RESNET50, resnet18::RESNET18, bottleneck::TINY];

/// The shape of the encoder that `choice` names.
pub fn architecture(choice: &Choice) -> Result<Architecture> {
    let encoder = ENCODERS.iter().find(|encoder| encoder.name == choice.name).ok_or_else(|| {
        let names: Vec<_> = ENCODERS.iter().map(|encoder| encoder.name).collect();
        Error::Model(format!("There is no encoder `{}`; there are {}.", choice.name, names.join(", ")))
    })?;
    (encoder.build)(&complete(encoder.name, &(encoder.args)(), &choice.args).map_err(Error::Model)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::conventions::Geometry;

    #[test]
    fn the_encoders_have_output_stride_8() {
        for encoder in ENCODERS {
            let shape = architecture(&Choice::new(encoder.name)).unwrap();
            assert_eq!(
                [321, 320, 97].map(|size| shape.output_size(size, &Geometry::TENSORFLOW)),
                [41, 40, 13],
                "{}",
                encoder.name
            );
            // PyTorch's `ceil_mode` adds an output at even sizes.
            assert_eq!([321, 320, 97, 96].map(|size| shape.output_size(size, &Geometry::CAFFE)), [41, 41, 13, 13]);
        }
        assert!(architecture(&Choice::new("VGG")).unwrap_err().to_string().contains("ResNet101"));
    }
}
