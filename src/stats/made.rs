//! Made counts with a known answer, to hold the intervals against: of how many does the interval hold the truth?
//!
//! A made world has images with true classes, and methods whose trained models find a share of each class: its logit is a sum
//! of what the class, the image, the method on the image, the seed, and the seed on the image add. The images are
//! finitely many, so that the true figure of a trained model is that over all of them, and the true figure of a method is the
//! mean of these over very many seeds. Images come in pairs, in which the two methods have changed places: so the true
//! difference of the methods is exactly 0 where neither has a lead.

use super::counts::{Cell, Counts};
use crate::rng::Rng;

/// What a made world is like. All spreads are standard deviations of logits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recipe {
    /// How many classes, the first of which is everywhere. At least 2.
    pub classes: usize,
    /// How many images there are to be drawn from. An even number.
    pub images: u32,
    /// How much images differ, for every model alike.
    pub difficulty: f64,
    /// How much the methods differ on an image, with whatever seed.
    pub taste: f64,
    /// How much the models of two seeds differ, in all classes and in each.
    pub seed: f64,
    /// The share of the variance between seeds that both methods have in common where they share a seed.
    pub shared: f64,
    /// How much the models of two seeds differ on an image.
    pub rest: f64,
}

/// Images and methods with known figures.
#[derive(Debug)]
pub struct World {
    recipe: Recipe,
    images: Vec<Image>,
    draws: [Rng; 4],
}

#[derive(Debug)]
struct Image {
    /// The pixels of the first class.
    around: u64,
    /// Other classes, with their pixels.
    objects: Vec<(usize, u64)>,
    difficulty: f64,
    /// What the first method has ahead here, and the second behind.
    taste: f64,
}

/// One of the two methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

impl World {
    /// The world of a recipe. The same seed gives the same world.
    pub fn new(recipe: Recipe, seed: u64) -> Self {
        let draws = ["common", "a", "b", "draw"].map(|purpose| Rng::new(seed, purpose, 0));
        let images = Rng::new(seed, "image", 0);
        let images = (0..recipe.images)
            .map(|image| {
                let mut rng = images.at(u64::from(image / 2));
                let objects = (0..1 + rng.below(3)).map(|_| {
                    let class = 1 + rng.below(recipe.classes as u32 - 1) as usize;
                    (class, (2000.0 * (0.7 * f64::from(rng.normal())).exp()) as u64)
                });
                let mut objects: Vec<(usize, u64)> = objects.collect();
                objects.sort_unstable();
                objects.dedup_by_key(|object| object.0);
                let difficulty = recipe.difficulty * f64::from(rng.normal());
                let taste = recipe.taste * f64::from(rng.normal()) * if image % 2 == 0 { 1.0 } else { -1.0 };
                Image { around: 8000 + u64::from(rng.below(8000)), objects, difficulty, taste }
            })
            .collect();
        World { recipe, images, draws }
    }

    /// How many images there are.
    pub fn images(&self) -> u32 {
        self.recipe.images
    }

    /// `n` images, drawn with replacement.
    pub fn draw(&self, n: usize, draw: u64) -> Vec<u32> {
        let mut rng = self.draws[3].at(draw);
        (0..n).map(|_| rng.below(self.recipe.images)).collect()
    }

    /// The counts of a trained model: of a method with a lead (a logit) over what it would be otherwise, and of a seed.
    pub fn model(&self, side: Side, lead: f64, seed: u64, images: &[u32]) -> Counts {
        let Recipe { classes, shared, rest, .. } = self.recipe;
        let (own, sign) = match side {
            Side::A => (&self.draws[1], 1.0),
            Side::B => (&self.draws[2], -1.0),
        };
        let (mut common, mut own_of_seed) = (self.draws[0].at(seed), own.at(seed << 32));
        let mut of_seed = || {
            let mix =
                shared.sqrt() * f64::from(common.normal()) + (1.0 - shared).sqrt() * f64::from(own_of_seed.normal());
            self.recipe.seed * mix
        };
        let everywhere = 0.3 * of_seed();
        let by_class: Vec<f64> = (0..classes).map(|_| everywhere + of_seed()).collect();
        let mut counts = Counts::new(classes);
        let mut cells: Vec<Cell> = vec![[0; 3]; classes];
        for &at in images {
            let image = &self.images[at as usize];
            let mut rng = own.at((seed << 32) + 1 + u64::from(at));
            let logit = 1.5 + lead + image.difficulty + sign * image.taste + rest * f64::from(rng.normal());
            cells.fill([0; 3]);
            cells[0] = [image.around, 0, 0];
            for &(class, pixels) in &image.objects {
                let found = 1.0 / (1.0 + (-logit - by_class[class]).exp());
                let right = (pixels as f64 * found) as u64;
                let missed = pixels - right;
                let beyond = (missed / 2).min(cells[0][0]);
                // Every tenth object is taken for another class.
                let taken = if rng.below(10) == 0 { 1 + rng.below(classes as u32 - 1) as usize } else { 0 };
                let taken = if taken == class { 0 } else { taken };
                cells[class][0] += right;
                cells[class][2] += missed;
                cells[taken][1] += missed;
                cells[class][1] += beyond;
                cells[0][0] -= beyond;
                cells[0][2] += beyond;
            }
            counts.push(&cells);
        }
        counts
    }
}
