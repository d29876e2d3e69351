//! Statistics over seeds, by simulation: how often intervals hold what they should, and claims what they should not.

use std::ops::Range;

use rayon::prelude::*;
use repro::rng::Rng;
use repro::stats::made::{Recipe, Side, World};
use repro::stats::{
    Counts, Estimate, Fault, Figure, Statement, Verdict, mean, means, method, methods, methods_resampled,
    outperformance,
};

/// The numbers of seeds and of images that intervals are asked for.
const SEEDS: [u64; 4] = [3, 5, 10, 30];
const IMAGES: [usize; 3] = [50, 200, 1449];

/// The tables, by name. Each is made of so many sets of seeds and images a row.
const TABLES: [Table; 6] = [
    ("figures", figures),
    ("counts", counts),
    ("wins", wins),
    ("power of figures", power_of_figures),
    ("power of counts", power_of_counts),
    ("crossed bootstrap", resampled),
];

/// A name, and what prints the table from so many sets.
type Table = (&'static str, fn(u64));

/// Prints the tables whose names contain a word.
pub fn simulate(sets: u64, word: &str) {
    for (_, table) in TABLES.iter().filter(|(name, _)| name.contains(word)) {
        table(sets);
    }
}

/// Fewer sets where each takes long, but no fewer than a quarter.
fn affordable(sets: u64, seeds: u64, images: usize) -> u64 {
    (sets * 20_000 / (seeds * images as u64)).clamp(sets / 4, sets)
}

/// Worlds in which seeds matter little, as much as images, and more than they.
const WORLDS: [(&str, f64); 3] = [("little", 0.02), ("as images do", 0.12), ("more", 0.4)];

fn world(seed: f64) -> World {
    let recipe = Recipe { classes: 21, images: 20_000, difficulty: 1.0, taste: 0.3, seed, shared: 0.5, rest: 0.4 };
    World::new(recipe, 1)
}

/// What a set says of a truth.
#[derive(Debug, Clone, Copy, Default)]
struct Said {
    /// The interval of 95 % holds it.
    held: bool,
    /// "Greater than the truth" holds.
    greater: bool,
}

fn said(estimate: Result<Estimate, Fault>, truth: f64) -> Option<Said> {
    let estimate = estimate.ok()?;
    let interval = estimate.interval(0.95);
    let greater = Statement::Greater(truth).verdict(&estimate, 0.05) == Verdict::Holds;
    Some(Said { held: interval.low <= truth && truth <= interval.high, greater })
}

/// The percentages that columns come to, over the sets that have an answer.
fn percent(said: &[Option<Said>], what: impl Fn(&Said) -> bool) -> f64 {
    let answers: Vec<&Said> = said.iter().flatten().collect();
    100.0 * answers.iter().filter(|it| what(it)).count() as f64 / answers.len() as f64
}

fn row(columns: &[Vec<Option<Said>>]) -> String {
    let cell =
        |said: &Vec<Option<Said>>| format!("{:.1}, {:.1}", percent(said, |it| it.held), percent(said, |it| it.greater));
    columns.iter().map(cell).collect::<Vec<_>>().join(" | ")
}

fn columns<const N: usize>(sets: u64, of: impl Fn(u64) -> [Option<Said>; N] + Sync + Send) -> Vec<Vec<Option<Said>>> {
    let all: Vec<[Option<Said>; N]> = (0..sets).into_par_iter().map(of).collect();
    (0..N).map(|column| all.iter().map(|set| set[column]).collect()).collect()
}

/// Figures of seeds as normal numbers, the second method's three times as spread.
fn figures(sets: u64) {
    println!(
        "\nOne figure a seed: held by the interval of 95 %, `Greater` than the truth `holds`, in percent of {sets} sets.\n"
    );
    println!("| seeds | mean | same seeds | own seeds | own seeds, three times as spread |\n|---|---|---|---|---|");
    for n in SEEDS {
        let columns = columns(sets, |set| {
            let mut rng = Rng::new(3, "figures", set);
            let mut draw = |scale: f64| (0..n).map(|_| 0.4 + scale * f64::from(rng.normal())).collect::<Vec<f64>>();
            let (a, b, wide) = (draw(0.01), draw(0.01), draw(0.03));
            [
                said(mean(&a), 0.4),
                said(means(&a, &b, true), 0.0),
                said(means(&a, &b, false), 0.0),
                said(means(&a, &wide, false), 0.0),
            ]
        });
        println!("| {n} | {} |", row(&columns));
    }
}

fn trained(world: &World, side: Side, lead: f64, seeds: Range<u64>, images: &[u32]) -> Vec<Counts> {
    seeds.map(|seed| world.model(side, lead, seed, images)).collect()
}

fn all(counts: &[Counts]) -> Vec<&Counts> {
    counts.iter().collect()
}

/// The IoU of each class, as the mean over so many seeds of that over all images.
fn truth(world: &World, side: Side, lead: f64, seeds: u64) -> Vec<f64> {
    let every: Vec<u32> = (0..world.images()).collect();
    let of_seeds: Vec<Vec<f64>> = (0..seeds)
        .into_par_iter()
        .map(|seed| {
            let total = world.model(side, lead, 1_000_000_000 + seed, &every).total();
            (0..total.len()).map(|class| Figure::Iou(class).of(&total).unwrap()).collect()
        })
        .collect();
    let classes = of_seeds[0].len();
    (0..classes).map(|class| of_seeds.iter().map(|seed| seed[class]).sum::<f64>() / seeds as f64).collect()
}

/// The mean over those classes that the images have.
fn over_present(truth: &[f64], counts: &Counts) -> f64 {
    let total = counts.total();
    let present: Vec<f64> =
        truth.iter().zip(total).filter(|(_, cell)| cell.iter().sum::<u64>() > 0).map(|(iou, _)| *iou).collect();
    present.iter().sum::<f64>() / present.len() as f64
}

/// Made worlds: seeds and images drawn anew in each set.
fn counts(sets: u64) {
    println!(
        "\nSeeds and images, mean IoU of 21 classes: held by the interval of 95 %, `Greater` than the truth `holds`, in percent \
         of the sets; then sets without an answer, since a class without true pixels was predicted by some models only.\n"
    );
    println!(
        "| seeds differ | seeds | images | sets | one method | same seeds | own seeds | no answer |\n|---|---|---|---|---|---|---|---|"
    );
    for (name, seed) in WORLDS {
        let world = world(seed);
        let truth = truth(&world, Side::A, 0.0, 1_500);
        for n in SEEDS {
            for images in IMAGES {
                let sets = affordable(sets, n, images);
                let columns = columns(sets, |set| {
                    let drawn = world.draw(images, set);
                    let from = 1000 * set;
                    let a = trained(&world, Side::A, 0.0, from..from + n, &drawn);
                    let b = trained(&world, Side::B, 0.0, from..from + n, &drawn);
                    let own = trained(&world, Side::B, 0.0, from + 500..from + 500 + n, &drawn);
                    let compare = |b, paired| said(methods(&all(&a), &all(b), paired, Figure::MeanIou), 0.0);
                    [
                        said(method(&all(&a), Figure::MeanIou), over_present(&truth, &a[0])),
                        compare(&b, true),
                        compare(&own, false),
                    ]
                });
                let none = columns[2].iter().filter(|said| said.is_none()).count() as f64 / sets as f64;
                println!("| {name} | {n} | {images} | {sets} | {} | {:.1} |", row(&columns), 100.0 * none);
            }
        }
    }
}

/// The crossed bootstrap, where it is offered.
fn resampled(sets: u64) {
    println!("\nThe crossed bootstrap: the same, in percent of the sets.\n");
    println!("| seeds differ | seeds | images | sets | same seeds | own seeds |\n|---|---|---|---|---|---|");
    for (name, seed) in WORLDS {
        let world = world(seed);
        for n in [20, 30] {
            for images in IMAGES {
                // Each set is drawn from 2,000 times.
                let sets = affordable(sets / 40, n, images * 20) * 10;
                let columns = columns(sets, |set| {
                    let drawn = world.draw(images, set);
                    let from = 1000 * set;
                    let a = trained(&world, Side::A, 0.0, from..from + n, &drawn);
                    let compare = |from: u64, paired| {
                        let b = trained(&world, Side::B, 0.0, from..from + n, &drawn);
                        said(methods_resampled(&all(&a), &all(&b), paired, Figure::MeanIou, set), 0.0)
                    };
                    [compare(from, true), compare(from + 500, false)]
                });
                println!("| {name} | {n} | {images} | {sets} | {} |", row(&columns));
            }
        }
    }
}

/// The probability that a run beats a run, where it is one half and three quarters.
fn wins(sets: u64) {
    println!("\nP(A > B): held by the interval, `meaningful`, in percent of {sets} sets.\n");
    println!("| P(A > B) | seeds | same seeds | own seeds |\n|---|---|---|---|");
    // The difference of two normal numbers is above 0 with probability 0.75 where its mean is 0.6745 deviations.
    for (truth, lead) in [(0.5, 0.0), (0.75, 0.674_489_750_196 * std::f64::consts::SQRT_2)] {
        for n in SEEDS {
            let columns = columns(sets, |set| {
                let mut rng = Rng::new(4, "wins", set);
                let mut draw = |lead: f64| (0..n).map(|_| lead + f64::from(rng.normal())).collect::<Vec<f64>>();
                let (a, b) = (draw(lead), draw(0.0));
                [true, false].map(|paired| {
                    let it = outperformance(&a, &b, paired, set).ok()?;
                    let held = it.interval.low <= truth && truth <= it.interval.high;
                    Some(Said { held, greater: it.is_meaningful() })
                })
            });
            println!("| {truth} | {n} | {} |", row(&columns));
        }
    }
}

/// Power over seeds alone. The deviation is known to be 1: of the differences where seeds are shared, else of each method.
fn power_of_figures(sets: u64) {
    println!("\nWhere the power is said to be 80 %, one figure a seed: `Greater` holds in percent of {sets} sets.\n");
    println!("| margin over deviation | same seeds | holds | own seeds | holds |\n|---|---|---|---|---|");
    let root = f64::sqrt(0.5);
    for margin in [0.5, 1.0, 2.0] {
        let cells = [true, false].map(|paired| {
            let other = if paired { [0.0; 2] } else { [root, -root] };
            let pilot = means(&[root, -root], &other, paired).unwrap();
            let n = pilot.settles(Statement::Greater(0.0), margin, 0.05).seeds.unwrap();
            let columns = columns(sets, |set| {
                let mut rng = Rng::new(5, "power", set);
                let scale = if paired { root } else { 1.0 };
                let mut draw = |lead: f64| (0..n).map(|_| lead + scale * f64::from(rng.normal())).collect::<Vec<f64>>();
                let (a, b) = (draw(margin), draw(0.0));
                [said(means(&a, &b, paired), 0.0)]
            });
            format!("{n} | {:.1}", percent(&columns[0], |it| it.greater))
        });
        println!("| {margin} | {} |", cells.join(" | "));
    }
}

/// Power over seeds and images: the spread is known from 30 seeds and as many images, the margin is the true difference.
fn power_of_counts(sets: u64) {
    println!("\nThe same, seeds and images of made worlds, 500 images.\n");
    println!(
        "| seeds differ | difference, points | same seeds | holds | own seeds | holds |\n|---|---|---|---|---|---|"
    );
    const LEADS: [f64; 3] = [0.1, 0.2, 0.3];
    for (name, seed) in [WORLDS[1], WORLDS[2]] {
        let world = world(seed);
        for lead in LEADS {
            let sum = |side, lead| truth(&world, side, lead, 200).iter().sum::<f64>();
            let margin = (sum(Side::A, lead) - sum(Side::B, 0.0)) / 21.0;
            let train = |side, lead, set: u64, from: u64, n: u64| {
                let from = 1000 * set + from;
                trained(&world, side, lead, from..from + n, &world.draw(500, set))
            };
            let mut cells = Vec::new();
            for (paired, own) in [(true, 0), (false, 500)] {
                // The number is the median of what 9 pilots propose.
                let pilot = |set: u64| {
                    let (a, b) = (train(Side::A, lead, set, 0, 30), train(Side::B, 0.0, set, own, 30));
                    let pilot = methods(&all(&a), &all(&b), paired, Figure::MeanIou).unwrap();
                    pilot.settles(Statement::Greater(0.0), margin, 0.05).seeds
                };
                let mut proposed: Vec<Option<u32>> = (1_000_000..1_000_009).map(pilot).collect();
                proposed.sort_unstable_by_key(|seeds| seeds.unwrap_or(u32::MAX));
                let Some(n) = proposed[4].filter(|&n| n <= 60) else {
                    cells.push("none | –".to_owned());
                    continue;
                };
                let columns = columns(sets, |set| {
                    let n = u64::from(n);
                    let (a, b) = (train(Side::A, lead, set, 0, n), train(Side::B, 0.0, set, own, n));
                    [said(methods(&all(&a), &all(&b), paired, Figure::MeanIou), 0.0)]
                });
                cells.push(format!("{n} | {:.1}", percent(&columns[0], |it| it.greater)));
            }
            println!("| {name} | {:.2} | {} |", 100.0 * margin, cells.join(" | "));
        }
    }
}
