//! Gaussian filtering of values at scattered features, through the permutohedral lattice.
//!
//! Splatting spreads each point's value over the vertices of its simplex, blurring mixes every vertex with its two
//! neighbours along each of the lattice's axes, and slicing reads the points' values back (Adams, Baek and Davis,
//! Computer Graphics Forum 2010). Only vertices next to some point exist; a neighbour that does not counts as zero. This
//! is Krähenbühl and Koltun's filter, order of the axes included.
//!
//! Invariants:
//! - vertices are numbered in the order in which the points first touch them, and each vertex adds up its points in
//!   their order: the bits of a result depend on no hash and on no thread;
//! - values are rows of [`Lane`]s, and no lane ever meets another.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use rayon::prelude::*;

use super::simplex::Simplex;

/// Values that are filtered side by side.
pub type Lane = [f32; 8];
/// How many rows a parallel task takes at least; no result depends on it.
const ROWS: usize = 64;

/// A term of a weighted sum over rows.
#[derive(Debug, Clone, Copy)]
struct Term {
    row: u32,
    weight: f32,
}

/// The vertices around a set of points. At most 2^32 corners.
#[derive(Debug)]
pub struct Lattice {
    /// How many vertices a simplex has.
    corners: usize,
    /// How many vertices there are.
    vertices: usize,
    /// For each point the vertices of its simplex.
    slices: Vec<Term>,
    /// For each vertex its points, those of vertex `v` from `starts[v]` to `starts[v + 1]`.
    splats: Vec<Term>,
    starts: Vec<usize>,
    /// For each axis and vertex the two neighbours; the number of vertices stands for one that does not exist.
    neighbours: Vec<[u32; 2]>,
}

/// What vertices hold: a row for each, and one of zeros.
#[derive(Debug, Default)]
pub struct Field {
    rows: Vec<Lane>,
    blurred: Vec<Lane>,
}

impl Lattice {
    /// The lattice around `points` points, where `feature` gives the coordinates of each in standard deviations.
    pub fn new<const D: usize, const V: usize>(points: usize, feature: impl Fn(usize) -> [f64; D] + Sync) -> Self {
        let simplices: Vec<Simplex<V>> = (0..points).into_par_iter().map(|p| Simplex::around(feature(p))).collect();
        let mut numbers: HashMap<[i32; V], u32, BuildHasherDefault<Mixer>> = HashMap::default();
        let mut keys = Vec::new();
        let mut slices = Vec::with_capacity(points * V);
        for simplex in &simplices {
            for (colour, &weight) in simplex.weights.iter().enumerate() {
                let key = simplex.vertex(colour);
                let row = *numbers.entry(key).or_insert_with(|| {
                    keys.push(key);
                    (keys.len() - 1) as u32
                });
                slices.push(Term { row, weight });
            }
        }
        let number = |key: [i32; V]| numbers.get(&key).copied().unwrap_or(keys.len() as u32);
        let mut neighbours = Vec::with_capacity(V * keys.len());
        for axis in 0..V {
            neighbours.par_extend(keys.par_iter().map(|key| {
                // Along an axis one coordinate goes by D steps one way and all others by one the other way.
                [1, -1].map(|way| {
                    number(std::array::from_fn(|i| key[i] - way + if i == axis { way * V as i32 } else { 0 }))
                })
            }));
        }
        let (splats, starts) = transpose(&slices, V, keys.len());
        Lattice { corners: V, vertices: keys.len(), slices, splats, starts, neighbours }
    }

    /// Multiplies what each point gives by `before` and what it gets by `after`.
    pub fn scale(&mut self, before: &[f32], after: &[f32]) {
        self.splats.par_iter_mut().for_each(|term| term.weight *= before[term.row as usize]);
        let corners = self.slices.par_chunks_exact_mut(self.corners);
        corners.zip(after).for_each(|(corners, after)| corners.iter_mut().for_each(|term| term.weight *= after));
    }

    /// Splats the points' `values`, rows of `lanes` lanes, and blurs.
    pub fn gather(&self, values: &[Lane], lanes: usize, field: &mut Field) {
        self.splat(values, lanes, field);
        self.blur(0..self.corners, lanes, field);
    }

    /// Adds to `row` what slicing gives at a point.
    pub fn slice(&self, field: &Field, point: usize, row: &mut [Lane]) {
        for term in &self.slices[point * self.corners..(point + 1) * self.corners] {
            add(row, *term, &field.rows);
        }
    }

    /// Spreads the points' `values` over the vertices.
    pub fn splat(&self, values: &[Lane], lanes: usize, field: &mut Field) {
        let size = (self.vertices + 1) * lanes;
        field.rows.resize(size, Lane::default());
        field.blurred.resize(size, Lane::default());
        let rows = &mut field.rows[..self.vertices * lanes];
        each_row(rows, lanes).zip(self.starts.par_windows(2)).for_each(|(row, range)| {
            row.fill(Lane::default());
            for term in &self.splats[range[0]..range[1]] {
                add(row, *term, values);
            }
        });
    }

    /// Mixes every vertex with its neighbours, along each of `axes` in turn.
    pub fn blur(&self, axes: impl Iterator<Item = usize>, lanes: usize, field: &mut Field) {
        for axis in axes {
            let neighbours = &self.neighbours[axis * self.vertices..(axis + 1) * self.vertices];
            let from = |vertex: usize| &field.rows[vertex * lanes..(vertex + 1) * lanes];
            let rows = &mut field.blurred[..self.vertices * lanes];
            each_row(rows, lanes).zip(neighbours).enumerate().for_each(|(vertex, (row, &[a, b]))| {
                for (((row, own), a), b) in row.iter_mut().zip(from(vertex)).zip(from(a as usize)).zip(from(b as usize))
                {
                    for i in 0..row.len() {
                        row[i] = own[i] + 0.5 * (a[i] + b[i]);
                    }
                }
            });
            std::mem::swap(&mut field.rows, &mut field.blurred);
        }
    }
}

/// The rows of `lanes` lanes, each for one task.
pub fn each_row(rows: &mut [Lane], lanes: usize) -> impl IndexedParallelIterator<Item = &mut [Lane]> {
    rows.par_chunks_exact_mut(lanes).with_min_len(ROWS)
}

/// Adds the row that `term` names, with its weight.
fn add(row: &mut [Lane], term: Term, rows: &[Lane]) {
    let other = &rows[term.row as usize * row.len()..][..row.len()];
    for (lane, other) in row.iter_mut().zip(other) {
        for (x, other) in lane.iter_mut().zip(other) {
            *x += term.weight * other;
        }
    }
}

/// For each vertex its points in their order, and where each vertex's points start.
fn transpose(slices: &[Term], corners: usize, vertices: usize) -> (Vec<Term>, Vec<usize>) {
    let mut starts = vec![0; vertices + 1];
    for term in slices {
        starts[term.row as usize + 1] += 1;
    }
    for v in 0..vertices {
        starts[v + 1] += starts[v];
    }
    let mut free = starts.clone();
    let mut splats = vec![Term { row: 0, weight: 0.0 }; slices.len()];
    for (at, term) in slices.iter().enumerate() {
        let free = &mut free[term.row as usize];
        splats[*free] = Term { row: (at / corners) as u32, weight: term.weight };
        *free += 1;
    }
    (splats, starts)
}

/// A quick hash for coordinates; keys are looked up and never listed, so that it changes no result.
#[derive(Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for word in bytes.chunks(8) {
            let word = word.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
            self.0 = (self.0 ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        }
    }

    fn finish(&self) -> u64 {
        self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}
