//! A declarative, reproducible experiment pipeline for segmentation networks with smoothed dilated convolutions.
//!
//! A pipeline is a RON file. It is read and checked as a whole ([`pipeline`]), and becomes a graph of content-hashed
//! nodes. The [`engine`] runs the nodes whose results the [`store`] does not hold yet. Stage kinds ([`stages`]) do the
//! work: each is an adapter between the stage contract ([`stage`]) and the numerics ([`ml`]) or the tables ([`table`]).
//!
//! # The rooms
//!
//! A room is a module of this crate. A room imports only from rooms of lower layers. `tests/it/layers.rs` lists what each
//! room may import, and checks the sources.
//!
//! | layer | room | job |
//! |---|---|---|
//! | 5 | `main`, [`cli`] | arguments, words, exit codes; the one place that joins kinds to the engine |
//! | 4 | [`results`] | what a run leaves for people: published files, archives, differences between runs |
//! | 4 | [`stages`] | one adapter for each kind: typed parameters, a call into `ml`, artifacts |
//! | 3 | [`engine`] | turns a plan into finished nodes: cache, schedule, child processes, events, run record |
//! | 3 | [`page`] | the report page: from what nodes left to one HTML file |
//! | 2 | [`pipeline`] | turns files into a checked graph; it knows kinds as a registry of schemas |
//! | 2 | [`store`] | content-addressed objects in layers, action records, executions, runs, locks and leases |
//! | 2 | [`figure`] | pictures of figures, as SVG and PNG |
//! | 2 | [`bench`] | work to measure and the processes that do it: for `repro bench`, the kind `Cost` and `benches/` |
//! | 1 | [`stage`], [`table`], [`ml`] | the stage contract; tables and their renderings; networks, data, metrics |
//! | 1 | [`stats`] | intervals, tests and verdicts, from counts and figures |
//! | 1 | [`tensorboard`] | the format of TensorBoard's event files |
//! | 1 | [`program`] | what this program was built from, and how it starts itself again |
//! | 0 | [`hash`], [`dag`], [`fsio`] | digests and the canonical encoding; graphs; the only user of `std::fs` |
//! | 0 | [`rng`] | random numbers as a function of seed, purpose and index |
//! | 0 | [`syntax`] | the reader of all that users write: turns RON text into a tree with places, and reports faults |
//!
//! # Where extensions fit in
//!
//! - A remote store would be one more [`store::Blobs`], as a lower layer. The cache above would not know of it.
//! - A collector of old objects would ask [`store::Store::leased`] which objects are in use, and [`store::Store::costs`] how
//!   much work it would take to make an object again.
//! - A scheduler would be one more `Executor`, the trait in `src/engine/executor.rs`. It would read how a job ended from its
//!   [`store::Execution`], which the job itself writes.
//!
//! # What is deliberately absent
//!
//! - The engine and the pipeline know no stage kind and no tensor; `ml` knows no stage and can be used alone.
//! - Nothing that can change without a change of the experiment (clock, host, path, stage name) is in an artifact or a key. A
//!   measurement of time and memory is the exception: it is of the host, and its key says so.
//! - No random state: every draw is a function of seed, purpose and index ([`rng`]).
//! - No silent fallback: a missing device, weight, file or an unknown key is an error.

#[forbid(unsafe_code)]
pub mod bench;
#[forbid(unsafe_code)]
pub mod cli;
#[forbid(unsafe_code)]
pub mod dag;
#[forbid(unsafe_code)]
pub mod engine;
#[forbid(unsafe_code)]
pub mod figure;
#[forbid(unsafe_code)]
pub mod fsio;
#[forbid(unsafe_code)]
pub mod hash;
pub mod ml;
#[forbid(unsafe_code)]
pub mod page;
#[forbid(unsafe_code)]
pub mod pipeline;
#[forbid(unsafe_code)]
pub mod program;
#[forbid(unsafe_code)]
pub mod results;
#[forbid(unsafe_code)]
pub mod rng;
#[forbid(unsafe_code)]
pub mod stage;
#[forbid(unsafe_code)]
pub mod stages;
#[forbid(unsafe_code)]
pub mod stats;
#[forbid(unsafe_code)]
pub mod store;
#[forbid(unsafe_code)]
pub mod syntax;
#[forbid(unsafe_code)]
pub mod table;
#[forbid(unsafe_code)]
pub mod tensorboard;
