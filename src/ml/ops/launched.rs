//! Which convolutions the operations of a thread ask a GPU's library for: tests hold lists of them against it.

use std::cell::RefCell;

use crate::ml::gpu::plan::{Convolution, GpuPlan, Launch};

thread_local! {
    /// Those of the plans since somebody began to listen.
    static ASKED: RefCell<Option<Vec<Convolution>>> = const { RefCell::new(None) };
}

/// What `body` gives, and the convolutions of the plans that are made for it on this thread, in order.
pub fn convolutions<T>(body: impl FnOnce() -> T) -> (T, Vec<Convolution>) {
    ASKED.set(Some(Vec::new()));
    let result = body();
    (result, ASKED.take().unwrap_or_default())
}

/// Notes the convolutions of a plan, if somebody listens.
pub fn note(plan: &GpuPlan<'_>) {
    let convolutions = plan.launches.iter().filter_map(|launch| match launch {
        Launch::Convolution(convolution) => Some(*convolution),
        Launch::Kernel { .. } => None,
    });
    ASKED.with_borrow_mut(|asked| asked.iter_mut().for_each(|asked| asked.extend(convolutions.clone())));
}
