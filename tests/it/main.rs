//! All integration tests are one binary: linking is most of a test's build.

mod bytes;
mod cache;
mod crash;
mod harness;
mod layers;
mod pipelines;
