//! Scratch buffers: working memory that a body takes and gives back.

use std::cell::RefCell;

use super::shared::Shared;

/// As much as a cache line, and aligned like one.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "values are reached through pointers")] [f32; 16]);

thread_local! {
    static FREE: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
}

/// A scratch buffer, which begins at a cache line. What is in it at first is not specified: another body may have had it.
#[derive(Debug)]
pub struct ScratchBuffer {
    lines: Vec<Line>,
    len: usize,
}

impl ScratchBuffer {
    /// One of `len` values: the smallest that this thread has free and that is large enough, or a new one in place of the
    /// largest.
    pub fn new(len: usize) -> Self {
        let count = len.div_ceil(16);
        let free = FREE.with_borrow_mut(|free| {
            let sizes = || free.iter().map(Vec::len).enumerate();
            let fits = sizes().filter(|&(_, size)| size >= count).min_by_key(|&(_, size)| size);
            let at = fits.or_else(|| sizes().max_by_key(|&(_, size)| size));
            at.map(|(at, _)| free.swap_remove(at)).filter(|lines| lines.len() >= count)
        });
        ScratchBuffer { lines: free.unwrap_or_else(|| vec![Line([0.0; 16]); count]), len }
    }

    /// The values.
    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        // SAFETY: lines are sixteen values each, without anything between them, and there are enough of them.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }

    /// The values.
    pub fn as_slice(&self) -> &[f32] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }

    /// The values, for tasks that write parts of them.
    pub(in crate::ml) fn shared(&mut self) -> Shared<'_> {
        Shared::of(self.as_mut_slice())
    }
}

impl Drop for ScratchBuffer {
    fn drop(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        // At a thread's end there may be nobody left who would keep them.
        let _ = FREE.try_with(|free| free.borrow_mut().push(lines));
    }
}
