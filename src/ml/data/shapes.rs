//! Made scenes: shapes of several sizes on a textured ground, with thin structures, uneven light and noise.
//!
//! They stand in for photographs where none are at hand. A class tends to a hue, but hues overlap, one shape in four
//! has any, and stains of the ground have colours too: from colour alone one gets about half of the way. Files are
//! written in VOC's layout, so that one reader serves all data. A scene is a function of (seed, index); its bytes are
//! the same on every machine.

use std::io::Write;
use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;

use super::list::{self, Sample};
use super::raster::{Labels, Raster, Rgb};
use super::voc::LABELS;
use super::{Error, all, jpeg, labels};
use crate::fsio;
use crate::ml::colors;
use crate::rng::Rng;

/// The label value of the rings around shapes.
pub const IGNORE: u8 = 255;
/// The quality of the JPEG files.
const QUALITY: u8 = 92;
/// The side of the table of lattice noise; a power of two.
const LATTICE: usize = 32;

/// How scenes are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shapes {
    /// The mean height in pixels; each scene's differs by up to an eighth.
    pub height: u32,
    /// The mean width in pixels; each scene's differs by up to an eighth.
    pub width: u32,
}

impl Default for Shapes {
    fn default() -> Self {
        Shapes { height: 96, width: 128 }
    }
}

/// A scene and the class of each of its pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// The colours.
    pub image: Rgb,
    /// The ids: positions in [`colors::SHAPES`], and [`IGNORE`].
    pub labels: Labels,
}

/// What a shape is; its class is its position here, plus one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Disc,
    Square,
    Triangle,
    Wire,
    Blob,
}

const FORMS: [Form; 5] = [Form::Disc, Form::Square, Form::Triangle, Form::Wire, Form::Blob];
/// The hue that each form tends to, in turns.
const HUES: [f32; 5] = [0.0, 0.58, 0.33, 0.14, 0.82];

/// A shape in its place.
struct Shape {
    form: Form,
    class: u8,
    center: (f32, f32),
    radius: f32,
    /// Cosine and sine of the rotation.
    turn: (f32, f32),
    /// Three numbers of the form's own: phases, bends, thickness.
    character: [f32; 3],
    color: [f32; 3],
    /// Whether its outline is labelled with the ignore value.
    ringed: bool,
}

/// Makes scene `index` of `seed`.
pub fn scene(seed: u64, index: u64, shapes: &Shapes) -> Scene {
    let mut rng = Rng::new(seed, "shapes", index);
    let mut side = |mean: u32| (mean - mean / 8 + rng.below(mean / 4 + 1)) as usize;
    let (height, width) = (side(shapes.height), side(shapes.width));
    let lattice: Vec<f32> = (0..LATTICE * LATTICE).map(|_| rng.range(-1.0, 1.0)).collect();
    let mut colours = ground(&mut rng, &lattice, height, width);
    let mut ids = Labels::from_fn(height, width, |_, _| 0);
    for _ in 0..5 + rng.below(4) {
        let shape = shape(&mut rng, height, width);
        paint(&shape, &lattice, &mut colours, &mut ids);
    }
    let light = (rng.range(-0.25, 0.25), rng.range(-0.25, 0.25), rng.range(0.85, 1.15));
    let grain = rng.range(4.0, 12.0);
    let image = Raster::from_fn(height, width, |y, x| {
        let slope = light.0 * (y as f32 / height as f32 - 0.5) + light.1 * (x as f32 / width as f32 - 0.5);
        colours.at(y, x).map(|value| (255.0 * value * (light.2 + slope) + grain * noise(&mut rng)) as u8)
    });
    Scene { image, labels: ids }
}

/// A symmetric bump of unit variance, from four bytes of one draw.
fn noise(rng: &mut Rng) -> f32 {
    let sum: u32 = rng.bits().to_le_bytes().into_iter().map(u32::from).sum();
    (sum as f32 - 510.0) / 147.8
}

/// The ground: two dull colours, one fading into the other, with coarse texture and soft stains of other colours.
fn ground(rng: &mut Rng, lattice: &[f32], height: usize, width: usize) -> Raster<[f32; 3]> {
    let mut dull = || hsv(rng.uniform(), rng.range(0.05, 0.35), rng.range(0.3, 0.8));
    let (near, far) = (dull(), dull());
    let stains: Vec<_> = (0..2 + rng.below(3))
        .map(|_| {
            let place = (rng.uniform() * height as f32, rng.uniform() * width as f32);
            (place, rng.range(10.0, 30.0), hsv(rng.uniform(), rng.range(0.4, 0.8), rng.range(0.3, 0.8)))
        })
        .collect();
    Raster::from_fn(height, width, |y, x| {
        let down = y as f32 / height as f32;
        let texture = 0.07 * value_noise(lattice, y as f32 / 9.0, x as f32 / 9.0);
        let mut color = mix(near, far, down).map(|value| value + texture);
        for ((top, left), radius, stain) in &stains {
            let (dy, dx) = (y as f32 - top, x as f32 - left);
            let inside = 1.0 - (dy * dy + dx * dx) / (radius * radius);
            color = mix(color, *stain, 0.8 * inside.max(0.0));
        }
        color
    })
}

fn shape(rng: &mut Rng, height: usize, width: usize) -> Shape {
    let class = rng.below(FORMS.len() as u32) as usize;
    let form = FORMS[class];
    let angle = rng.range(0.0, std::f32::consts::TAU);
    let hue = if rng.below(4) == 0 { rng.uniform() } else { HUES[class] + 0.07 * noise(rng) };
    // Small shapes are as frequent as large ones, as far as the smaller side allows.
    let largest = height.min(width) as f32 / 3.5;
    Shape {
        form,
        class: class as u8 + 1,
        center: (rng.uniform() * height as f32, rng.uniform() * width as f32),
        radius: largest * rng.range(0.3, 1.0),
        turn: (libm::cosf(angle), libm::sinf(angle)),
        character: [rng.uniform(), rng.uniform(), rng.uniform()],
        color: hsv(hue, rng.range(0.45, 0.9), rng.range(0.5, 0.95)),
        ringed: rng.below(3) > 0 && form != Form::Wire,
    }
}

impl Shape {
    /// Coordinates turned with the shape, from its centre, in pixels.
    fn local(&self, y: usize, x: usize) -> (f32, f32) {
        let (dy, dx) = (y as f32 - self.center.0, x as f32 - self.center.1);
        (self.turn.0 * dx + self.turn.1 * dy, self.turn.0 * dy - self.turn.1 * dx)
    }

    /// How far outside of the shape a point is, about, in pixels; negative inside.
    fn distance(&self, u: f32, v: f32) -> f32 {
        let (r, [a, b, c]) = (self.radius, self.character);
        let from_center = (u * u + v * v).sqrt();
        match self.form {
            Form::Disc => from_center - r,
            Form::Square => u.abs().max(v.abs()) - 0.85 * r,
            Form::Triangle => (0.866 * u.abs() + 0.5 * v).max(-v) - 0.6 * r,
            Form::Wire => {
                let half = 1.0 + 1.2 * c;
                let bend = 0.5 * r * (a - 0.5) * libm::sinf(4.0 * u / r);
                let line = (v - bend).abs().max(u.abs() - 2.0 * r);
                if b < 0.5 { (from_center - r).abs() - half } else { line - half }
            }
            Form::Blob => {
                let at = libm::atan2f(v, u);
                let tau = std::f32::consts::TAU;
                from_center - r * (0.9 + 0.2 * libm::sinf(2.0 * at + tau * a) + 0.15 * libm::sinf(3.0 * at + tau * b))
            }
        }
    }

    /// The brightness of a point inside: each form has a texture of its own.
    fn texture(&self, u: f32, v: f32, lattice: &[f32]) -> f32 {
        match self.form {
            Form::Disc => 1.1 - 0.35 * (u * u + v * v) / (self.radius * self.radius),
            Form::Square => {
                if (u / 3.0).floor() % 2.0 == 0.0 {
                    1.1
                } else {
                    0.75
                }
            }
            Form::Triangle => 1.0,
            Form::Wire => 1.15,
            Form::Blob => 0.95 + 0.3 * value_noise(lattice, u / 2.0 + 100.0, v / 2.0 + 100.0),
        }
    }
}

fn paint(shape: &Shape, lattice: &[f32], colours: &mut Raster<[f32; 3]>, ids: &mut Labels) {
    for y in 0..ids.height() {
        for x in 0..ids.width() {
            let (u, v) = shape.local(y, x);
            let distance = shape.distance(u, v);
            if distance < 0.0 {
                let bright = shape.texture(u, v, lattice);
                colours.set(y, x, shape.color.map(|value| value * bright));
                ids.set(y, x, shape.class);
            }
            if shape.ringed && distance.abs() < 1.0 {
                ids.set(y, x, IGNORE);
            }
        }
    }
}

/// Noise in `[-1, 1]` that is smooth between the points of a lattice.
fn value_noise(lattice: &[f32], y: f32, x: f32) -> f32 {
    let at = |y: f32, x: f32| {
        let wrap = |n: f32| n as i32 as usize & (LATTICE - 1);
        lattice[wrap(y) * LATTICE + wrap(x)]
    };
    let (top, left) = (y.floor(), x.floor());
    let (dy, dx) = (y - top, x - left);
    let along = |row: f32| at(row, left) + (at(row, left + 1.0) - at(row, left)) * dx;
    along(top) + (along(top + 1.0) - along(top)) * dy
}

/// The colour of hue (in turns), saturation and value, each channel in `[0, 1]`.
fn hsv(hue: f32, saturation: f32, value: f32) -> [f32; 3] {
    let sixth = 6.0 * (hue - hue.floor());
    [5.0, 3.0, 1.0].map(|shift| {
        let k = (shift + sixth) % 6.0;
        value * (1.0 - saturation * k.min(4.0 - k).clamp(0.0, 1.0))
    })
}

/// Writes the scenes of these numbers below `folder`, with the list file `list.txt`; gives its samples. The folder
/// belongs to the caller alone: files are written in place.
pub fn write(folder: &Path, seed: u64, numbers: Range<u32>, shapes: &Shapes) -> Result<Vec<Sample>, Error> {
    let written = numbers.into_par_iter().map(|index| write_scene(folder, seed, index, shapes)).collect();
    let samples: Vec<Sample> = all(written)?;
    write_file(&folder.join("list.txt"), list::write(&samples).as_bytes())?;
    Ok(samples)
}

fn write_scene(folder: &Path, seed: u64, index: u32, shapes: &Shapes) -> Result<Sample, Error> {
    let sample = Sample::voc(&format!("shapes_{index:05}"), Some(LABELS));
    let scene = scene(seed, u64::from(index), shapes);
    write_file(&folder.join(&sample.image), &jpeg::encode(&scene.image, QUALITY, &sample.image)?)?;
    if let Some(label) = &sample.label {
        write_file(&folder.join(label), &labels::encode_palette(&scene.labels, &colors::VOC_MAP, label)?)?;
    }
    Ok(sample)
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), fsio::Error> {
    fsio::create(path)?.write_all(bytes).map_err(|error| fsio::Error::new("write", path, error))
}

/// The colour `share` of the way from `a` to `b`.
fn mix(a: [f32; 3], b: [f32; 3], share: f32) -> [f32; 3] {
    std::array::from_fn(|c| a[c] + (b[c] - a[c]) * share)
}

#[cfg(test)]
mod tests {
    use super::super::index;
    use super::*;

    #[test]
    fn scenes_have_every_class_several_sizes_and_rings() {
        let scenes: Vec<Scene> = (0..60).map(|i| scene(1, i, &Shapes::default())).collect();
        let mut counts = [0_usize; 256];
        scenes.iter().flat_map(|s| s.labels.pixels()).for_each(|&id| counts[usize::from(id)] += 1);
        let total: usize = counts.iter().sum();
        let share = |id: usize| counts[id] as f64 / total as f64;
        assert!((0.4..0.8).contains(&share(0)), "{}", share(0));
        assert!((1..6).all(|id| share(id) > 0.01), "{:?}", &counts[..6]);
        assert!((0.005..0.1).contains(&share(255)));
        assert_eq!(counts[6..255].iter().sum::<usize>(), 0);
        let sizes: std::collections::BTreeSet<_> = scenes.iter().map(|s| s.image.size()).collect();
        assert!(sizes.len() > 20 && scenes.iter().all(|s| s.image.size() == s.labels.size()));
        assert!(sizes.iter().all(|&(h, w)| (84..=108).contains(&h) && (112..=144).contains(&w)), "{sizes:?}");
    }

    #[test]
    fn the_written_set_reads_back_and_its_bytes_are_pinned() {
        let dir = tempfile::tempdir().unwrap();
        let train = write(dir.path(), 1, 1..4, &Shapes::default()).unwrap();
        let text = fsio::read_to_string(&dir.path().join("list.txt")).unwrap();
        assert_eq!(list::parse(&text, "list.txt", list::Form::Labelled).unwrap(), train);
        assert_eq!(train[0].image, "JPEGImages/shapes_00001.jpg");
        let allowed = index::Allowed::ids(6, IGNORE);
        let rows = index::build(&train, &|path: &str| dir.path().join(path), allowed).unwrap();
        let expected = scene(1, 1, &Shapes::default());
        assert_eq!((rows[0].height, rows[0].width), expected.labels.size());
        let read = labels::decode(&fsio::read(&dir.path().join("SegmentationClassAug/shapes_00001.png")).unwrap(), "x");
        assert_eq!(read.unwrap(), expected.labels);
        assert_eq!(rows[0].image_digest.short(), "177234df708f");
        assert_eq!(rows[0].label_digest.map(|d| d.short()).as_deref(), Some("f509fe069a03"));
    }

    /// The best guess from a pixel's colour alone, learned from some scenes and scored on others.
    #[test]
    fn colour_helps_and_does_not_suffice() {
        let bin = |[r, g, b]: [u8; 3]| usize::from(r / 32) * 64 + usize::from(g / 32) * 8 + usize::from(b / 32);
        let mut votes = vec![[0_u32; 6]; 512];
        let scenes: Vec<Scene> = (0..200).into_par_iter().map(|i| scene(1, i, &Shapes::default())).collect();
        let pixels = |scene: &Scene| -> Vec<(usize, u8)> {
            scene.image.pixels().iter().map(|&p| bin(p)).zip(scene.labels.pixels().iter().copied()).collect()
        };
        for (bin, id) in scenes[..150].iter().flat_map(pixels).filter(|&(_, id)| id != IGNORE) {
            votes[bin][usize::from(id)] += 1;
        }
        let guess = |bin: usize| (0..6).max_by_key(|&id| votes[bin][id]).unwrap_or(0) as u8;
        let mut confusion = crate::ml::metrics::Confusion::new(6);
        for scene in &scenes[150..] {
            let guesses: Vec<u8> = pixels(scene).into_iter().map(|(bin, _)| guess(bin)).collect();
            confusion.add(scene.labels.pixels(), &guesses).unwrap();
        }
        let (score, constant) = (confusion.mean_iou().unwrap().value, confusion.best_constant_mean_iou().unwrap());
        assert!(score > constant + 0.2 && score < 0.65, "{score} {constant}");
    }
}
