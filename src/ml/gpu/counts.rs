//! What this process has asked of a GPU: the figures that say where the time of a step goes, beside its seconds.

#[cfg(feature = "cuda")]
use std::sync::atomic::AtomicU64;
#[cfg(feature = "cuda")]
use std::sync::atomic::Ordering::Relaxed;

use serde::{Deserialize, Serialize};

/// How much was asked of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Kernels, convolutions and graphs that were started, one call each.
    pub launches: u64,
    /// The bytes of the operands of all kernels and convolutions, each operand once. A kernel moves at least so many where
    /// caches help nobody; one that updates its output moves that twice.
    pub operand_bytes: u64,
    /// How often the processor waited for the GPU.
    pub waits: u64,
}

impl Counts {
    /// What was asked since `before`.
    pub fn since(self, before: Counts) -> Counts {
        Counts {
            launches: self.launches - before.launches,
            operand_bytes: self.operand_bytes - before.operand_bytes,
            waits: self.waits - before.waits,
        }
    }
}

#[cfg(feature = "cuda")]
static LAUNCHES: AtomicU64 = AtomicU64::new(0);
#[cfg(feature = "cuda")]
static OPERAND_BYTES: AtomicU64 = AtomicU64::new(0);
#[cfg(feature = "cuda")]
static WAITS: AtomicU64 = AtomicU64::new(0);

/// What this process has asked for so far.
#[cfg(feature = "cuda")]
pub fn now() -> Counts {
    Counts { launches: LAUNCHES.load(Relaxed), operand_bytes: OPERAND_BYTES.load(Relaxed), waits: WAITS.load(Relaxed) }
}

/// Nothing, in a program without CUDA.
#[cfg(not(feature = "cuda"))]
pub fn now() -> Counts {
    Counts::default()
}

/// Counts a launch with operands of so many bytes.
#[cfg(feature = "cuda")]
pub fn launched(operand_bytes: u64) {
    LAUNCHES.fetch_add(1, Relaxed);
    OPERAND_BYTES.fetch_add(operand_bytes, Relaxed);
}

/// Takes back what was counted since `before`, and gives it: it was captured, and has not happened.
#[cfg(feature = "cuda")]
pub fn captured(before: Counts) -> Counts {
    let captured = now().since(before);
    LAUNCHES.fetch_sub(captured.launches, Relaxed);
    OPERAND_BYTES.fetch_sub(captured.operand_bytes, Relaxed);
    captured
}

/// Counts that the processor waits.
#[cfg(feature = "cuda")]
pub fn waited() {
    WAITS.fetch_add(1, Relaxed);
}
