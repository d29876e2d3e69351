//! Convolutions on a GPU against the processor's: with padding that is and is not the same on both sides, and of whole cells.

use super::super::conv::{Conv2d, Epilogue};
use super::super::{nchw, zeros};
use super::{Cases, parameter, random, stale};
use crate::ml::geometry::Padding;

/// The shapes of the network and the odd ones: padding that is and is not the same on both sides.
const CONVOLUTIONS: [([usize; 4], [usize; 2], usize, usize); 15] = [
    ([5, 3, 3, 3], [7, 7], 1, 1),
    ([4, 2, 3, 3], [9, 12], 1, 4),
    ([4, 2, 3, 3], [7, 9], 2, 1),
    ([4, 2, 3, 3], [8, 6], 2, 1),
    ([6, 4, 1, 1], [5, 6], 1, 1),
    ([6, 4, 1, 1], [5, 6], 2, 1),
    ([4, 3, 7, 7], [13, 13], 2, 1),
    ([4, 3, 7, 7], [14, 9], 2, 1),
    ([3, 2, 2, 3], [6, 7], 1, 3),
    ([3, 2, 3, 3], [5, 5], 1, 12),
    ([3, 8, 3, 3], [41, 41], 1, 2),
    ([4, 2, 3, 3], [1, 2], 2, 1),
    ([4, 2, 3, 3], [3, 4], 2, 3),
    ([4, 3, 7, 7], [2, 3], 2, 1),
    ([4, 3, 1, 1], [1, 3], 2, 2),
];

#[test]
fn convolutions_agree() {
    let cases = Cases::default();
    let paddings = [Padding::Same, Padding::Symmetric];
    for ((filter, [height, width], stride, dilation), padding) in
        CONVOLUTIONS.into_iter().flat_map(|conv| paddings.map(|padding| (conv, padding)))
    {
        let op = Conv2d { stride, dilation, padding };
        let (o, c) = (filter[0], filter[1]);
        let size = [2, o, op.outputs(height, filter[2]), op.outputs(width, filter[3])];
        let inputs = [
            random("x", &[2, c, height, width]),
            random("w", &filter),
            random("g", &size),
            random("scale", &[o]),
            random("shift", &[o]),
            random("mask", &[2, c, height, width]),
            random("add", &size),
        ];
        cases.agree_in_both(&format!("{filter:?} on {height} x {width}, {op:?}"), 1e-5, &inputs, |x| {
            let [input, g, scale, shift, mask, add] = [0, 2, 3, 4, 5, 6].map(|at: usize| &x[at]);
            let w = &parameter(&x[1]);
            let shape = nchw("x", input).unwrap();
            let epilogue =
                Epilogue { scale: Some(scale), shift: Some(shift), add: Some(add), relu: true, ..Epilogue::default() };
            let dw = |scale| {
                let dw = stale(w.dims(), w.device());
                op.backward_weights(input, g, scale, &dw).unwrap();
                dw
            };
            let dx = |scale, add, mask| {
                op.backward_input(shape, g, w, scale, Epilogue { add, mask, ..Epilogue::default() }).unwrap()
            };
            vec![
                op.forward(input, w, Epilogue::default()).unwrap(),
                op.forward(input, w, epilogue).unwrap(),
                dx(None, None, None),
                dx(Some(scale), Some(input), Some(mask)),
                dw(None),
                dw(Some(scale)),
            ]
        });
    }
}

#[test]
fn convolutions_of_whole_cells_agree() {
    let cases = Cases::default();
    let convolutions = [
        (3, 1, 2, [5, 7]),
        (3, 1, 4, [13, 10]),
        (3, 1, 4, [8, 4]),
        (3, 1, 4, [3, 5]),
        (1, 2, 3, [5, 5]),
        (1, 1, 4, [2, 1]),
        (3, 2, 3, [7, 6]),
    ];
    for (kernel, stride, dilation, [height, width]) in convolutions {
        let op = Conv2d { stride, dilation, ..Conv2d::default() };
        let whole = [height, width].map(|size: usize| op.outputs(size, kernel).next_multiple_of(dilation));
        let inputs = [
            random("x", &[2, 3, height, width]),
            random("w", &[4, 3, kernel, kernel]),
            random("g", &[2, 4, whole[0], whole[1]]),
        ];
        cases.agree_in_both(
            &format!("whole cells of {kernel} x {kernel}, {op:?}, on {height} x {width}"),
            1e-5,
            &inputs,
            |x| {
                let w = parameter(&x[1]);
                let dw = zeros(w.dims(), w.device()).unwrap();
                op.backward_weights(&x[0], &x[2], None, &dw).unwrap();
                let dx = op.backward_input([2, 3, height, width], &x[2], &w, None, Epilogue::default()).unwrap();
                vec![op.forward_whole(&x[0], &w, Epilogue::default()).unwrap(), dx, dw]
            },
        );
    }
}
