//! Memory that parallel tasks write.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// Memory that parallel tasks write. Each task writes elements of its own, which no other task reads or writes. An element that
/// no task has written yet may be anything.
#[derive(Debug, Clone, Copy)]
pub(in crate::ml) struct Shared<'a> {
    first: *mut f32,
    len: usize,
    memory: PhantomData<&'a mut [MaybeUninit<f32>]>,
}

// SAFETY: it stands for an exclusive reference to floats; whoever reads or writes through it promises that no other task
// touches the same elements.
unsafe impl Send for Shared<'_> {}
// SAFETY: as above.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    /// That of elements which may not be numbers yet.
    pub fn new(memory: &'a mut [MaybeUninit<f32>]) -> Self {
        Shared { first: memory.as_mut_ptr().cast(), len: memory.len(), memory: PhantomData }
    }

    /// That of elements which are numbers, and stay numbers.
    pub fn of(values: &'a mut [f32]) -> Self {
        Shared { first: values.as_mut_ptr(), len: values.len(), memory: PhantomData }
    }

    /// How many elements there are.
    pub fn len(self) -> usize {
        self.len
    }

    /// The elements from `start` on.
    pub fn from(self, start: usize) -> Self {
        assert!(start <= self.len, "element {start} of {}", self.len);
        Shared { first: self.first.wrapping_add(start), len: self.len - start, memory: PhantomData }
    }

    /// The address of an element; of one that is not there, an address that may only be fetched ahead.
    pub fn at(self, index: usize) -> *mut f32 {
        self.first.wrapping_add(index)
    }

    /// The elements `start..start + len`.
    ///
    /// # Safety
    /// As long as the reference lives, no other one to any of them does. Only numbers are written to them.
    pub unsafe fn slice(self, start: usize, len: usize) -> &'a mut [MaybeUninit<f32>] {
        assert!(start <= self.len && len <= self.len - start, "{len} elements from {start} on, of {}", self.len);
        // SAFETY: they lie within the elements that it was made of; that nobody else has them, the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.first.add(start).cast(), len) }
    }
}

/// Makes all elements zeros.
pub(in crate::ml) fn zeroed(elements: &mut [MaybeUninit<f32>]) -> &mut [f32] {
    elements.fill(MaybeUninit::new(0.0));
    // SAFETY: all of them were just written.
    unsafe { elements.assume_init_mut() }
}

/// How many elements `rows` rows of `columns` elements take that lie at distance `pitch`; none where no number tells it.
pub(super) fn extent(rows: usize, pitch: usize, columns: usize) -> Option<usize> {
    if rows == 0 || columns == 0 {
        return Some(0);
    }
    (rows - 1).checked_mul(pitch)?.checked_add(columns)
}
