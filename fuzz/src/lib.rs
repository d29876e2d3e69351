//! The readers of files that users have, by themselves, without the program around them, so that fuzzing them builds in a
//! minute or two.
//!
//! `.ci/fuzz SECONDS [TARGET…]` builds them with a nightly toolchain, writes seeds, and runs every target (or those
//! named) for so long; it needs a C++ compiler, and no cargo-fuzz. What it finds lies in `fuzz/artifacts/TARGET/`, and
//! becomes a test: of pipelines in `src/pipeline/hostile.rs`, of weights in `src/ml/checkpoint/hostile.rs`, of data beside its reader.

#[path = "../../src"]
mod program {
    //! Rooms that are taken as they are.

    pub mod dag;
    pub mod fsio;
    pub mod hash;
    pub mod pipeline;
    pub mod stage;
    pub mod syntax;
}

pub mod pipelines;

pub use program::{dag, fsio, hash, pipeline, stage, syntax};

#[path = "../../src/ml"]
pub mod ml {
    //! The rooms in which the readers expect themselves to be.

    pub mod checkpoint;
    pub mod colors;

    pub mod data {
        //! The readers of data, without tensors.

        pub mod archive;
        pub mod bounds;
        pub mod cityscapes;
        pub mod colours;
        mod fault;
        pub mod format;
        pub mod jpeg;
        pub mod labels;
        pub mod list;
        pub mod orientation;
        pub mod photo;
        mod pngs;
        pub mod raster;
        pub mod spelling;

        pub use fault::Fault;
        pub use raster::{Image, Labels, Raster, Rgb};

        /// The program's, without that of tensors.
        #[derive(Debug)]
        pub enum Error {
            /// Faults of the data.
            Faults(Vec<Fault>),
            /// The disk refused.
            Io(crate::fsio::Error),
        }

        impl From<Fault> for Error {
            fn from(fault: Fault) -> Self {
                Error::Faults(vec![fault])
            }
        }

        impl From<crate::fsio::Error> for Error {
            fn from(error: crate::fsio::Error) -> Self {
                Error::Io(error)
            }
        }
    }
}
