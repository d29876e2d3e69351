//! All integration tests are one binary: linking is most of a test's build.
//!
//! Each module is marked as a test, so that its helpers may unwrap as tests do.

#[cfg(test)]
mod agree;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod bytes;
#[cfg(test)]
mod cache;
#[cfg(test)]
mod candle;
#[cfg(test)]
mod checkpoints;
#[cfg(test)]
mod circles;
mod claims;
#[cfg(test)]
mod cost;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod data;
#[cfg(test)]
mod data_check;
#[cfg(test)]
mod device_questions;
#[cfg(test)]
mod diff;
mod differences;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod erf;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod failing;
#[cfg(test)]
mod figure;
#[cfg(test)]
mod formats;
#[cfg(test)]
mod geometry;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod hints;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod init;
#[cfg(test)]
mod layers;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod malformed;
#[cfg(test)]
mod manual;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod output;
#[cfg(test)]
mod outside;
#[cfg(test)]
mod page;
#[cfg(test)]
mod page_html;
#[cfg(test)]
mod paper;
#[cfg(test)]
mod pipelines;
#[cfg(test)]
mod predict;
#[cfg(test)]
mod program;
#[cfg(test)]
mod released;
#[cfg(test)]
mod results;
#[cfg(test)]
mod roots;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod store;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod tools;
#[cfg(test)]
mod training;
#[cfg(test)]
mod warnings;
#[cfg(test)]
mod weights;
