//! Operations, dilated types and the loss, as they are defined.

use super::array::{Array, Values};
use super::tape::Num;
use crate::ml::geometry::Padding;
use crate::ml::ops::conv::Conv2d;
use crate::ml::ops::pool::MaxPool;
use crate::ml::resample::Sampling;
use crate::ml::spec::{Arg, Choice};

/// A padding: TensorFlow's `SAME`, or as many zeros on both sides. The outputs, and the zeros before.
pub fn padded(padding: Padding, size: usize, kernel: usize, stride: usize, dilation: usize) -> (usize, isize) {
    match padding {
        Padding::Same => same(size, kernel, stride, dilation),
        Padding::Symmetric => {
            let zeros = dilation * (kernel - 1) / 2;
            ((size + 2 * zeros - dilation * (kernel - 1) - 1) / stride + 1, zeros as isize)
        }
    }
}

/// TensorFlow's `SAME`: outputs, and zeros before.
pub fn same(size: usize, kernel: usize, stride: usize, dilation: usize) -> (usize, isize) {
    let outputs = size.div_ceil(stride);
    let total = ((outputs - 1) * stride + (kernel - 1) * dilation + 1).saturating_sub(size);
    (outputs, (total / 2) as isize)
}

/// The places of a `k` by `l` window.
pub fn window(k: usize, l: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
    (0..k).flat_map(move |i| (0..l).map(move |j| (i, j)))
}

pub fn convolve<'t>(x: &Array<'t>, w: &Array<'t>, op: Conv2d) -> Array<'t> {
    let ([_, _, height, width], [_, _, kh, kw]) = (x.sizes(), w.sizes());
    let outputs = |size, kernel| padded(op.padding, size, kernel, op.stride, op.dilation).0;
    convolve_to(x, w, op, [outputs(height, kh), outputs(width, kw)])
}

/// A convolution with as many outputs as `grid` says, be they beyond the border.
pub fn convolve_to<'t>(x: &Array<'t>, w: &Array<'t>, op: Conv2d, [rows, columns]: [usize; 2]) -> Array<'t> {
    let Conv2d { stride, dilation, padding } = op;
    let ([n, channels, height, width], [outputs, _, kh, kw]) = (x.sizes(), w.sizes());
    let [top, left] =
        [(height, kh), (width, kw)].map(|(size, kernel)| padded(padding, size, kernel, stride, dilation).1);
    Array::image([n, outputs, rows, columns], |[n, o, oy, ox]| {
        let read = |c: usize, i: usize, j: usize| {
            x.padded(n, c, (oy * stride + i * dilation) as isize - top, (ox * stride + j * dilation) as isize - left)
        };
        let taps = (0..channels).flat_map(|c| window(kh, kw).map(move |(i, j)| (c, i, j)));
        Num::dot(taps.map(|(c, i, j)| (w.at([o, c, i, j]), read(c, i, j))))
    })
}

/// Each channel with its own filter of `w` `[C, 1, K, K]`, or all with the one of `[1, 1, K, K]`.
fn depthwise<'t>(x: &Array<'t>, w: &Array<'t>) -> Array<'t> {
    let ([_, _, height, width], [filters, _, k, _]) = (x.sizes(), w.sizes());
    let ((_, top), (_, left)) = (same(height, k, 1, 1), same(width, k, 1, 1));
    Array::image(x.sizes(), |[n, c, y, x_at]| {
        let read = |i: usize, j: usize| x.padded(n, c, (y + i) as isize - top, (x_at + j) as isize - left);
        Num::dot(window(k, k).map(|(i, j)| (w.at([c % filters, 0, i, j]), read(i, j))))
    })
}

/// The phases of an image that zeros fill up to whole cells, each convolved densely: phase `i d + j` holds the pixels
/// from `(i, j)` on, `d` apart.
fn phases<'t>(x: &Array<'t>, w: &Array<'t>, d: usize) -> Vec<Array<'t>> {
    let [n, c, height, width] = x.sizes();
    let cells = [height.div_ceil(d), width.div_ceil(d)];
    let phase = |p: usize| {
        let part = Array::image([n, c, cells[0], cells[1]], |[n, c, y, at]| {
            x.padded(n, c, (y * d + p / d) as isize, (at * d + p % d) as isize)
        });
        convolve(&part, w, Conv2d::default())
    };
    (0..d * d).map(phase).collect()
}

/// The image that phases make up, cut to `size`.
fn join<'t>(phases: &[Array<'t>], d: usize, [height, width]: [usize; 2]) -> Array<'t> {
    let [n, c, _, _] = phases[0].sizes();
    Array::image([n, c, height, width], |[n, c, y, x]| phases[y % d * d + x % d].at([n, c, y / d, x / d]))
}

/// The parameters of a dilated layer: of its own, and of the network.
struct Layer<'a, 't> {
    place: &'a str,
    v: &'a Values<'t>,
}

impl<'t> Layer<'_, 't> {
    fn find(&self, name: &str) -> Option<&Array<'t>> {
        let own = self.v.get(&format!("{}/prefilter/{name}", self.place));
        own.or_else(|| self.v.get(&format!("prefilter/{name}")))
    }

    fn get(&self, name: &str) -> &Array<'t> {
        self.find(name).unwrap_or_else(|| panic!("{} has no `{name}`", self.place))
    }

    /// The Gaussian kernel as the reference's code or the paper defines it.
    fn gaussian(&self, choice: &Choice, k: usize) -> Array<'t> {
        let sigma = self.find("sigma").map_or(Num::from(1.0), |sigma| sigma.data[0]);
        let width = Num::from(2.0) * sigma * sigma;
        let first = -((k as f64 - 1.0) / 2.0).trunc();
        let kernel = Array::image([1, 1, k, k], |[_, _, y, x]| {
            let squares = Num::from(-(first + y as f64).powi(2) - (first + x as f64).powi(2));
            if choice.args["form"] == Arg::name("Paper") {
                return (squares / width).exp();
            }
            (squares.exp() + self.get("offset").at([0, 0, y, x])) / width.exp()
        });
        let sum = Num::sum(kernel.data.iter().copied());
        Array::image(kernel.sizes(), |at| kernel.at(at) / sum)
    }

    /// The shared filter of SeparableShared: the parameter, plus one at the centre.
    fn separable(&self) -> Array<'t> {
        let mut filter = self.get("shared").clone();
        let centre = filter.data.len() / 2;
        filter.data[centre] = filter.data[centre] + Num::from(1.0);
        filter
    }
}

/// The sums of the layer `place` of the type `choice` with dilation `d`.
pub fn dilated<'t>(choice: &Choice, d: usize, x: &Array<'t>, place: &str, v: &Values<'t>) -> Array<'t> {
    let (layer, w) = (Layer { place, v }, &v[&format!("{place}/weights")]);
    let [_, _, height, width] = x.sizes();
    let (k, op) = ((d - 1).max(1), Conv2d { dilation: d, ..Conv2d::default() });
    match choice.name.as_str() {
        "Regular" | "Multigrid" => convolve(x, w, op),
        "Decompose" => join(&phases(x, w, d), d, [height, width]),
        "GroupInteraction" => {
            let (parts, m) = (phases(x, w, d), &layer.get("mixing").data);
            let mixed = |i: usize| {
                let first = if choice.args["form"] == Arg::name("Paper") { &parts[0] } else { &parts[i] };
                let part = |j: usize| if j == 0 { first } else { &parts[j] };
                Array::image(first.sizes(), |at| Num::dot((0..d * d).map(|j| (m[j * d * d + i], part(j).at(at)))))
            };
            join(&(0..d * d).map(mixed).collect::<Vec<_>>(), d, [height, width])
        }
        "SeparableShared" => convolve(&depthwise(x, &layer.separable()), w, op),
        "Average" => convolve(&depthwise(x, layer.get("weights")), w, op),
        "Gaussian" => convolve(&depthwise(x, &layer.gaussian(choice, k)), w, op),
        "Aggregation" => {
            let mut parts = [
                x.clone(),
                depthwise(x, layer.get("average")),
                depthwise(x, &layer.gaussian(choice, k)),
                depthwise(x, &layer.separable()),
            ];
            if choice.args["learning"] == Arg::name("OneLearned") {
                parts.swap(1, 2);
            }
            let factors = &layer.get("factors").data;
            let sum = Array::image(x.sizes(), |at| Num::dot((0..4).map(|i| (factors[i], parts[i].at(at)))));
            convolve(&sum, w, op)
        }
        other => panic!("`{other}` has no definition here: write it"),
    }
}

pub fn relu<'t>(x: &Array<'t>) -> Array<'t> {
    x.decided(x.data.iter().map(|number| number.value.abs()));
    let positive = |number: &Num<'t>| if number.value > 0.0 { *number } else { Num::from(0.0) };
    Array { shape: x.shape.clone(), data: x.data.iter().map(positive).collect() }
}

/// The greatest of 3x3 values, 2 apart.
pub fn max_pool<'t>(x: &Array<'t>, pool: MaxPool) -> Array<'t> {
    let [n, c, height, width] = x.sizes();
    let padding = if pool == MaxPool::Same { Padding::Same } else { Padding::Symmetric };
    let windows = |size: usize| {
        let (outputs, before) = padded(padding, size, 3, 2, 1);
        // One window more where the others do not reach the last element.
        let short = pool == MaxPool::SymmetricCeil && (outputs * 2 - before as usize) < size;
        (outputs + usize::from(short), before)
    };
    let ((rows, top), (columns, left)) = (windows(height), windows(width));
    Array::image([n, c, rows, columns], |[n, c, y, x_at]| {
        let place = |i, j| ((2 * y + i) as isize - top, (2 * x_at + j) as isize - left);
        let inside = |&(y, x): &(isize, isize)| (0..height as isize).contains(&y) && (0..width as isize).contains(&x);
        let places = window(3, 3).map(|(i, j)| place(i, j)).filter(inside);
        let mut taps: Vec<Num<'t>> = places.map(|(y, at)| x.padded(n, c, y, at)).collect();
        taps.sort_by(|a, b| b.value.total_cmp(&a.value));
        // Among the zeros of a ReLU there is nothing to decide.
        if taps.len() > 1 && taps[0].value > 0.0 {
            x.decided([taps[0].value - taps[1].value].into_iter());
        }
        taps[0]
    })
}

/// The logits or images at another size, each output between its two neighbours.
pub fn resized<'t>(x: &Array<'t>, [height, width]: [usize; 2], sampling: Sampling) -> Array<'t> {
    let [n, c, h, w] = x.sizes();
    let read = |at: usize, from: usize, to: usize| {
        let place = match sampling {
            Sampling::Legacy => (at * from) as f64 / to as f64,
            Sampling::HalfPixel => ((at as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0),
            Sampling::AlignCorners if to == 1 => 0.0,
            Sampling::AlignCorners => (at * (from - 1)) as f64 / (to - 1) as f64,
        };
        let low = place as usize;
        let share = place - low as f64;
        [(low, 1.0 - share), ((low + 1).min(from - 1), share)]
    };
    Array::image([n, c, height, width], |[n, c, y, x_at]| {
        let (rows, columns) = (read(y, h, height), read(x_at, w, width));
        let pairs = rows.into_iter().flat_map(|row| columns.map(|column| (row, column)));
        Num::dot(pairs.map(|((y, a), (x_at, b))| (x.at([n, c, y, x_at]), Num::from(a * b))))
    })
}

/// The mean of `-ln softmax` over the pixels whose label, at the resolution of the logits, is a class.
pub fn cross_entropy<'t>(logits: &Array<'t>, labels: &[u8], size: [usize; 2], sampling: Sampling) -> Num<'t> {
    let [n, classes, height, width] = logits.sizes();
    // The coordinates of a label decide which pixel it is, so that they are of 32 bits by definition.
    let nearest = |at: usize, from: usize, to: usize| match sampling {
        Sampling::Legacy => (at as f32 * (from as f32 / to as f32)) as usize,
        Sampling::HalfPixel => (((at as f32 + 0.5) * (from as f32 / to as f32)) as usize).min(from - 1),
        Sampling::AlignCorners if to == 1 => 0,
        Sampling::AlignCorners => (at as f32 * ((from - 1) as f32 / (to - 1) as f32) + 0.5) as usize,
    };
    let mut losses = Vec::new();
    for (image, (y, x)) in (0..n).flat_map(|image| window(height, width).map(move |place| (image, place))) {
        let row = image * size[0] + nearest(y, size[0], height);
        let label = usize::from(labels[row * size[1] + nearest(x, size[1], width)]);
        if label < classes {
            let score = |class: usize| logits.at([image, class, y, x]);
            losses.push(
                Num::sum((0..classes).map(|class| score(class).exp()).collect::<Vec<_>>().into_iter()).ln()
                    - score(label),
            );
        }
    }
    Num::sum(losses.iter().copied()) / Num::from(losses.len() as f64)
}
