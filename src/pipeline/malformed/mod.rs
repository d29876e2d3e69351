//! What is said of pipelines with faults, word for word.

mod changes;
mod files;
mod matrix;
mod references;
mod text;
mod values;
