//! Which updates an iteration of training makes, at which steps of the schedule and on which batches.
//!
//! An iteration is so many updates, after which the state is stored and validated; the next goes on from that state,
//! its momentum included.

use super::train::Trainer;

/// How iterations follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cycle {
    /// One stream of batches and one schedule, cut into iterations.
    Plain,
    /// The reference's: an iteration makes one update more than it has steps, so that the step between two iterations
    /// is trained in both and the very last has rate 0; and each iteration seeds anew, so that all see the same
    /// batches.
    Reference,
}

/// The updates of one iteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Iteration {
    /// The step of the schedule at the first update.
    pub first: u64,
    /// The number of updates.
    pub updates: u64,
    /// The number in the stream, from 0, of the first update's batches.
    pub stream: u64,
    /// The step of the schedule from which the next iteration goes on.
    pub next: u64,
}

impl Cycle {
    /// The iteration of `steps` steps that begins at step `first`.
    pub fn iteration(self, first: u64, steps: u64) -> Iteration {
        let next = first + steps;
        match self {
            Cycle::Plain => Iteration { first, updates: steps, stream: first, next },
            Cycle::Reference => Iteration { first, updates: steps + 1, stream: 0, next },
        }
    }
}

impl Iteration {
    /// The updates that a trainer in this iteration has made.
    pub fn done(&self, trainer: &Trainer) -> u64 {
        trainer.step.saturating_sub(self.first)
    }

    /// Whether a trainer in this iteration has more updates to make.
    pub fn goes_on(&self, trainer: &Trainer) -> bool {
        self.done(trainer) < self.updates
    }

    /// Ends the iteration: the trainer is before the first step of the next.
    pub fn end(&self, trainer: &mut Trainer) {
        trainer.step = self.next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_trains_the_step_between_two_iterations_twice() {
        let steps = |cycle: Cycle| -> Vec<(u64, u64)> {
            let iterations = (0..2).map(|i| cycle.iteration(i * 3, 3));
            iterations.flat_map(|i| (0..i.updates).map(move |k| (i.first + k, i.stream + k))).collect()
        };
        assert_eq!(steps(Cycle::Plain), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]);
        let twice = [(0, 0), (1, 1), (2, 2), (3, 3), (3, 0), (4, 1), (5, 2), (6, 3)];
        assert_eq!(steps(Cycle::Reference), twice);
    }
}
