//! What lies in a folder of images and labels: which layout it has, what its labels hold, and what their classes are.
//!
//! Invariants:
//! - nothing is guessed in silence: what was assumed is a remark, and what cannot be used is a fault;
//! - the same files give the same answer, whatever the order in which a disk lists them;
//! - nothing is written, and the number of files that are opened is bounded.
//!
//! From the ground up: the files ([`files`]), what names of folders say ([`roles`]), files of class names ([`names`]), the
//! samples ([`pairs`], [`lists`], [`layout`]), what a bounded number of them hold ([`survey`]), what that means
//! ([`classes`]), and the parts that they are dealt to ([`split`]).

pub mod classes;
pub mod files;
pub mod layout;
mod lists;
pub mod names;
mod pairs;
pub mod roles;
pub mod split;
pub mod survey;
