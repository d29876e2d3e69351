//! Numbers of 64 bits that remember what they were made from: a definition, written loop by loop, has its gradient by
//! the chain rule alone.

use std::cell::{Cell, RefCell};
use std::ops::{Add, Div, Mul, Sub};

/// What numbers were made from, in the order of their making.
#[derive(Debug)]
pub struct Tape {
    /// For each number, where its part of `edges` ends.
    ends: RefCell<Vec<usize>>,
    /// The number that another was made from, by its place, and the derivative by it.
    edges: RefCell<Vec<(u32, f64)>>,
    margin: Cell<f64>,
}

/// A number; one that no tape knows is a constant.
#[derive(Debug, Clone, Copy)]
pub struct Num<'t> {
    pub value: f64,
    place: Option<(&'t Tape, u32)>,
}

/// The derivatives of one number by all.
#[derive(Debug)]
pub struct Gradient(Vec<f64>);

impl Tape {
    pub fn new() -> Self {
        Tape { ends: RefCell::default(), edges: RefCell::default(), margin: Cell::new(f64::INFINITY) }
    }

    /// A number made from nothing.
    pub fn variable(&self, value: f64) -> Num<'_> {
        self.push(value, &[])
    }

    fn push(&self, value: f64, from: &[(u32, f64)]) -> Num<'_> {
        let (mut ends, mut edges) = (self.ends.borrow_mut(), self.edges.borrow_mut());
        edges.extend_from_slice(from);
        ends.push(edges.len());
        Num { value, place: Some((self, u32::try_from(ends.len() - 1).unwrap())) }
    }

    /// The derivatives of `y`.
    pub fn gradient(&self, y: Num<'_>) -> Gradient {
        let (ends, edges) = (self.ends.borrow(), self.edges.borrow());
        let mut by = vec![0.0; ends.len()];
        by[y.place.unwrap().1 as usize] = 1.0;
        for at in (0..ends.len()).rev() {
            let first = if at == 0 { 0 } else { ends[at - 1] };
            for &(from, derivative) in &edges[first..ends[at]] {
                by[from as usize] += derivative * by[at];
            }
        }
        Gradient(by)
    }

    /// Notes how near a decision was, as a share of the greatest value that took part.
    pub fn decided(&self, distance: f64) {
        self.margin.set(self.margin.get().min(distance));
    }

    /// The nearest of all decisions. Where it is within rounding, arithmetic of 32 bits may decide otherwise.
    pub fn margin(&self) -> f64 {
        self.margin.get()
    }
}

impl Gradient {
    pub fn by(&self, number: Num<'_>) -> f64 {
        number.place.map_or(0.0, |(_, place)| self.0[place as usize])
    }
}

impl<'t> Num<'t> {
    pub fn tape(self) -> Option<&'t Tape> {
        self.place.map(|(tape, _)| tape)
    }

    /// A number made from others, with the derivative by each.
    fn of(value: f64, from: impl IntoIterator<Item = (Self, f64)>) -> Self {
        let (mut tape, mut edges) = (None, Vec::new());
        for (number, derivative) in from {
            if let Some((its, place)) = number.place {
                tape = Some(its);
                if derivative != 0.0 {
                    edges.push((place, derivative));
                }
            }
        }
        tape.map_or(Num::from(value), |tape: &Tape| tape.push(value, &edges))
    }

    pub fn exp(self) -> Self {
        Self::of(self.value.exp(), [(self, self.value.exp())])
    }

    pub fn ln(self) -> Self {
        Self::of(self.value.ln(), [(self, 1.0 / self.value)])
    }

    pub fn sqrt(self) -> Self {
        Self::of(self.value.sqrt(), [(self, 0.5 / self.value.sqrt())])
    }

    /// The sum of products.
    pub fn dot(pairs: impl Iterator<Item = (Self, Self)> + Clone) -> Self {
        let value = pairs.clone().map(|(a, b)| a.value * b.value).sum();
        Self::of(value, pairs.flat_map(|(a, b)| [(a, b.value), (b, a.value)]))
    }

    pub fn sum(numbers: impl Iterator<Item = Self> + Clone) -> Self {
        Self::of(numbers.clone().map(|number| number.value).sum(), numbers.map(|number| (number, 1.0)))
    }
}

impl From<f64> for Num<'_> {
    fn from(value: f64) -> Self {
        Num { value, place: None }
    }
}

impl Add for Num<'_> {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self::of(self.value + other.value, [(self, 1.0), (other, 1.0)])
    }
}

impl Sub for Num<'_> {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self::of(self.value - other.value, [(self, 1.0), (other, -1.0)])
    }
}

impl Mul for Num<'_> {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self::of(self.value * other.value, [(self, other.value), (other, self.value)])
    }
}

impl Div for Num<'_> {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        let value = self.value / other.value;
        Self::of(value, [(self, 1.0 / other.value), (other, -value / other.value)])
    }
}

/// The chain rule's derivatives against differences.
#[test]
fn gradients_are_those_of_differences() {
    let value = |tape: &Tape, [a, b]: [f64; 2]| {
        let [a, b] = [a, b].map(|value| tape.variable(value));
        let sum = Num::dot([(a, b), (b, b)].into_iter()) / (a + Num::from(3.0)).sqrt();
        let y = (sum - a.exp() * b).exp().ln() + Num::sum([a, b, a].into_iter());
        let gradient = tape.gradient(y);
        (y.value, [a, b].map(|number| gradient.by(number)))
    };
    let at = |a, b| value(&Tape::new(), [a, b]);
    let (_, [by_a, by_b]) = at(0.3, 0.7);
    let slopes = [(at(0.3 + 1e-6, 0.7), at(0.3 - 1e-6, 0.7)), (at(0.3, 0.7 + 1e-6), at(0.3, 0.7 - 1e-6))];
    let [slope_a, slope_b] = slopes.map(|((up, _), (down, _))| (up - down) / 2e-6);
    assert!((by_a - slope_a).abs() < 1e-8 && (by_b - slope_b).abs() < 1e-8, "{by_a} {slope_a} {by_b} {slope_b}");
}
