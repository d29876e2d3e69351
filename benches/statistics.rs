//! Statistics: how long they take over images, and by simulation how often they are right.
//!
//! `cargo bench --bench statistics [-- FILTER]` measures a comparison of two models on as many images and classes as VOC's
//! validation has. `-- --test` runs it once. `-- --simulate [SETS [IMAGES…]]` draws so many sets of images (2,000 if nothing is
//! said) from populations whose differences are known, and prints how often intervals hold them, as Markdown.
//! `-- --simulate-seeds [SETS [TABLE]]` does so for statistics over seeds, or for those tables whose names contain a word.

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]
#![expect(clippy::print_stdout, reason = "a simulation prints its table")]

mod seeds;

use divan::Bencher;
use repro::rng::Rng;
use repro::stats::{Counts, Estimate, Figure, models, models_with, sign_flips};

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| !argument.starts_with("--simulate"));
    let Some(which) = arguments.next() else {
        return divan::main();
    };
    if which == "--simulate-seeds" {
        let sets = arguments.next().map_or(2000, |sets| sets.parse().unwrap());
        return seeds::simulate(sets, &arguments.next().unwrap_or_default());
    }
    let mut numbers = arguments.filter_map(|argument| argument.parse().ok());
    let sets = numbers.next().unwrap_or(2000);
    let images: Vec<usize> = numbers.collect();
    simulate(sets, if images.is_empty() { &[50, 200, 1449] } else { &images });
}

#[divan::bench(sample_count = 5)]
fn two_models(bencher: Bencher) {
    let (a, b) = voc();
    bencher.bench(|| models(&a, &b, Figure::MeanIou, 1).unwrap());
}

#[divan::bench(sample_count = 5)]
fn images_swapped(bencher: Bencher) {
    let (a, b) = voc();
    bencher.bench(|| sign_flips(&a, &b, Figure::MeanIou, 1).unwrap());
}

/// Images and classes of VOC's validation.
fn voc() -> (Counts, Counts) {
    Population { classes: 21, most: 3, same: 0.2, lead: 0.02, turn: 0.3, swapped: false }.draw(1449, |image| image)
}

/// A population of images on which two models were validated.
#[derive(Debug, Clone, Copy)]
struct Population {
    classes: usize,
    /// The most classes of an image, beside class 0, which is in every one.
    most: u32,
    /// The share of images in which the models predict the same.
    same: f64,
    /// What the first model has fewer of wrong pixels, as a share.
    lead: f64,
    /// How much that differs from class to class.
    turn: f64,
    /// Whether the second half of the population is the first with both models swapped, so that they do not differ.
    swapped: bool,
}

/// The images of a population. Means over it are the truth.
const POPULATION: usize = 20_000;

impl Population {
    /// The cells of an image, of both models. Classes are skewed: a class is about two thirds as frequent as the one before.
    /// Sizes are log-normal, and what is hard in an image is hard for both models.
    fn image(&self, image: usize) -> [Vec<[u64; 3]>; 2] {
        if self.swapped && image >= POPULATION / 2 {
            let [a, b] = self.image(image - POPULATION / 2);
            return [b, a];
        }
        let mut rng = Rng::new(1, "population", image as u64);
        let mut cells = [vec![[0; 3]; self.classes], vec![[0; 3]; self.classes]];
        let mut present = vec![0];
        for _ in 0..1 + rng.below(self.most) {
            let rank = f64::from(rng.uniform());
            let class = 1 + (rank.powf(1.5) * (self.classes - 1) as f64) as usize;
            if !present.contains(&class) {
                present.push(class);
            }
        }
        let hard = f64::from(rng.normal()) * 0.8;
        let same = f64::from(rng.uniform()) < self.same;
        for (at, &class) in present.iter().enumerate() {
            let size = (if class == 0 { 11.0 } else { 9.0 } + 0.9 * f64::from(rng.normal())).exp().round() + 1.0;
            let share = 1.0 / (1.0 + (1.5 - hard - 0.7 * f64::from(rng.normal())).exp());
            // Some classes are better in the one model, some in the other.
            let turn = self.turn * f64::from(Rng::new(1, "class", class as u64).normal());
            let apart = [(-self.lead + turn) / 2.0, (self.lead - turn) / 2.0]
                .map(|shift| shift + 0.1 * f64::from(rng.normal()));
            let other = present[(at + 1) % present.len()];
            for (model, cells) in cells.iter_mut().enumerate() {
                let apart = if same { 0.0 } else { apart[model] };
                let wrong = (size * (share * apart.exp()).min(1.0)).round() as u64;
                cells[class][0] += size as u64 - wrong;
                cells[class][2] += wrong;
                cells[other][1] += wrong;
            }
        }
        cells
    }

    /// So many images; which ones is what `which` says.
    fn draw(&self, images: usize, mut which: impl FnMut(usize) -> usize) -> (Counts, Counts) {
        let (mut a, mut b) = (Counts::new(self.classes), Counts::new(self.classes));
        for image in 0..images {
            let cells = self.image(which(image));
            assert!(a.push(&cells[0]) && b.push(&cells[1]));
        }
        (a, b)
    }
}

/// How many resamples each set of the simulation gets.
const RESAMPLES: usize = 2000;

/// Prints how often the intervals of sets of images hold the difference of the population that they are drawn from.
fn simulate(sets: usize, images: &[usize]) {
    let voc = Population { classes: 21, most: 3, same: 0.2, lead: 0.02, turn: 0.1, swapped: false };
    let half = Population { same: 0.5, ..voc };
    let streets = Population { classes: 11, most: 60, same: 0.0, ..voc };
    let none = |population| Population { swapped: true, ..population };
    let rows = [
        ("21 classes, up to 3 and the background in an image: mean IoU", voc, Figure::MeanIou),
        ("the same, half of the images equal in both models", half, Figure::MeanIou),
        ("the same, no difference", none(half), Figure::MeanIou),
        ("the same, pixel accuracy", half, Figure::PixelAccuracy),
        ("11 classes, most of them in every image: mean IoU", streets, Figure::MeanIou),
        ("the same, no difference", none(streets), Figure::MeanIou),
    ];
    println!(
        "{sets} sets of images a row. A set draws its images from {POPULATION}, whose difference is known; the columns say in how \
         many percent of the sets the interval of 95 % holds that difference, lies below or above it, and in how many percent of \
         the resamples a class is lost.\n"
    );
    println!("| population | images | difference, points | holds it | below | above | lost |");
    println!("|---|---|---|---|---|---|---|");
    for (name, population, figure) in rows {
        let (a, b) = population.draw(POPULATION, |image| image);
        let truth = a.figure(figure).unwrap() - b.figure(figure).unwrap();
        for &images in images {
            let estimates: Vec<Estimate> = (0..sets)
                .map(|set| {
                    let mut rng = Rng::new(2, "set", set as u64);
                    let (a, b) = population.draw(images, |_| rng.below(POPULATION as u32) as usize);
                    models_with(&a, &b, figure, set as u64, RESAMPLES).unwrap()
                })
                .collect();
            let share = |count: usize, all: usize| 100.0 * count as f64 / all as f64;
            let below = share(estimates.iter().filter(|it| it.interval(0.95).high < truth).count(), sets);
            let above = share(estimates.iter().filter(|it| it.interval(0.95).low > truth).count(), sets);
            let lost = share(estimates.iter().map(|it| it.lost).sum(), sets * RESAMPLES);
            let (difference, held) = (100.0 * truth, 100.0 - below - above);
            println!("| {name} | {images} | {difference:.2} | {held:.1} | {below:.1} | {above:.1} | {lost:.0} |");
        }
    }
}
