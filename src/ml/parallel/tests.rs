//! Ranks as threads of one process, joined by the same sockets as processes.

use std::collections::BTreeMap;
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};

use super::*;
use crate::ml::models::Network;
use crate::ml::optim::{Schedule, Sgd};
use crate::ml::spec::{Choice, ModelSpec};
use crate::ml::state::State;
use crate::ml::train::{Batch, Settings, StepReport, Trainer};
use crate::ml::weights::{Scheme, initialise};
use crate::rng::Rng;

/// As many ranks, in their order.
fn stars(size: usize, patience: Duration) -> Vec<Star> {
    let (hub, spokes): (Vec<_>, Vec<_>) = (1..size).map(|_| UnixStream::pair().unwrap()).unzip();
    let spokes = spokes.into_iter().zip(1..).map(|(link, rank)| Star::spoke(rank, size, link).unwrap());
    let all = std::iter::once(Star::hub(hub).unwrap()).chain(spokes);
    all.map(|star| star.patient(patience).unwrap()).collect()
}

/// What `work` gives in each rank, each a thread.
fn together<T: Send>(stars: Vec<Star>, work: impl Fn(Star) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let threads: Vec<_> = stars.into_iter().map(|star| scope.spawn(|| work(star))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn sums_are_added_in_the_order_of_ranks_and_come_to_all() {
    // In any other order the sum would be 0.
    let values = [1e8_f32, -1e8, 1.0];
    let len = (4 << 20) + 3;
    for size in 1..4 {
        let sums = together(stars(size, PATIENCE), |mut star| {
            let own = Tensor::full(values[star.rank()], len, &Device::Cpu).unwrap();
            star.sum(&own).unwrap();
            own.to_vec1::<f32>().unwrap()
        });
        let expected: f32 = values[..size].iter().sum();
        assert!(sums.iter().all(|sum| sum.len() == len && sum.iter().all(|value| *value == expected)), "{size}");
    }
}

#[test]
fn what_ranks_give_comes_to_all_in_their_order() {
    let texts = together(stars(4, PATIENCE), |mut star| {
        let own = vec![star.rank() as u8; star.rank() * 3];
        (
            star.gather(&own).unwrap(),
            star.broadcast(&[7, star.rank() as u8]).unwrap(),
            count(&mut star, own.len()).unwrap(),
        )
    });
    let all = vec![vec![], vec![1; 3], vec![2; 6], vec![3; 9]];
    assert!(texts.into_iter().all(|text| text == (all.clone(), vec![7, 0], 18)));
}

#[test]
fn shares_make_up_the_batch() {
    for (batch, size) in [(1, 1), (10, 3), (3, 3), (7, 2)] {
        let shares: Vec<_> = (0..size).map(|rank| share(batch, rank, size)).collect();
        assert_eq!(shares.iter().cloned().flatten().collect::<Vec<_>>(), (0..batch).collect::<Vec<_>>());
        let sizes = shares.iter().map(ExactSizeIterator::len);
        assert!(sizes.clone().max().unwrap() - sizes.min().unwrap() <= 1);
    }
}

/// What the ranks that stay say of the one that `leave` takes out after an exchange.
fn without(gone: usize, patience: Duration, leave: impl Fn(Star) + Sync) -> Vec<(usize, String)> {
    let told = together(stars(4, patience), |mut star| {
        star.gather(b"a").unwrap();
        let rank = star.rank();
        if rank == gone {
            leave(star);
            return None;
        }
        Some((rank, star.gather(b"b").unwrap_err().to_string()))
    });
    told.into_iter().flatten().collect()
}

#[test]
fn a_rank_that_ends_is_an_error_in_all_others() {
    for gone in 0..4 {
        let start = Instant::now();
        for (rank, told) in without(gone, PATIENCE, drop) {
            assert_eq!(told, format!("Rank {gone} of the training failed: It ended early."), "in rank {rank}");
        }
        assert!(start.elapsed() < PATIENCE / 2, "nobody waits for a rank that is gone");
    }
}

#[test]
fn a_rank_that_fails_tells_all_others_why() {
    for gone in 0..4 {
        for (rank, told) in without(gone, PATIENCE, |mut star| star.fail("The disk is full.")) {
            assert_eq!(told, format!("Rank {gone} of the training failed: The disk is full."), "in rank {rank}");
        }
    }
}

#[test]
fn a_rank_that_is_silent_is_an_error_in_all_others() {
    for gone in [0, 2] {
        let patience = Duration::from_millis(200);
        for (rank, told) in without(gone, patience, |_star| thread::sleep(8 * patience)) {
            let expected = format!("Rank {gone} of the training failed: It has said nothing for");
            assert!(told.starts_with(&expected), "in rank {rank}: {told}");
        }
    }
}

/// What the ranks that stay see of one that `leave` takes out, while they wait for something else than an exchange.
fn watched(gone: usize, patience: Duration, leave: impl Fn(Star) + Sync) -> Vec<String> {
    let told = together(stars(3, patience), |mut star| {
        star.gather(b"a").unwrap();
        if star.rank() == gone {
            leave(star);
            return None;
        }
        let since = Instant::now();
        loop {
            match star.watch(since) {
                Ok(()) => thread::sleep(Duration::from_millis(1)),
                Err(error) => return Some(error.to_string()),
            }
        }
    });
    told.into_iter().flatten().collect()
}

#[test]
fn who_waits_for_something_else_finds_out_of_a_rank_that_ends_or_fails_or_is_silent() {
    for gone in 0..3 {
        let ended = format!("Rank {gone} of the training failed: It ended early.");
        assert_eq!(watched(gone, PATIENCE, drop), [ended.clone(), ended]);
        let failed = format!("Rank {gone} of the training failed: The disk is full.");
        assert_eq!(watched(gone, PATIENCE, |mut star| star.fail("The disk is full.")), [failed.clone(), failed]);
        let patience = Duration::from_millis(200);
        for told in watched(gone, patience, |_star| thread::sleep(8 * patience)) {
            assert!(told.contains("has not come to an end for"), "{told}");
        }
    }
}

#[test]
fn what_comes_while_a_rank_waits_for_something_else_is_not_lost() {
    let all = together(stars(3, PATIENCE), |mut star| {
        let own = [star.rank() as u8; 5];
        if star.rank() != 1 {
            // The others have sent their parts by then, or ask for the answer.
            for _ in 0..100 {
                star.watch(Instant::now()).unwrap();
                thread::sleep(Duration::from_millis(1));
            }
        }
        (star.gather(&own).unwrap(), star.broadcast(&own).unwrap())
    });
    assert!(all.into_iter().all(|found| found == (vec![vec![0; 5], vec![1; 5], vec![2; 5]], vec![0; 5])));
}

const SETTINGS: Settings = Settings::new(
    Sgd { lr: 2e-3, momentum: 0.9, weight_decay: 1e-4, head_lr: 10.0, head_bias_lr: 20.0 },
    Schedule::Constant,
    4,
);
const SIDE: usize = 41;

fn network(prefilter: &str) -> Network {
    let spec = ModelSpec::new(Choice::new("Tiny"), 4, Choice::new(prefilter));
    initialise(&spec, &Device::Cpu, Scheme::Stable, 7).unwrap()
}

/// Image `index`: of each, another part counts, and of every third nothing does.
fn sample(index: usize) -> (Vec<f32>, Vec<u8>) {
    let mut rng = Rng::new(3, "sample", index as u64);
    let pixels = (0..3 * SIDE * SIDE).map(|_| rng.range(-100.0, 100.0)).collect();
    let counts = [SIDE * SIDE, 7 * SIDE, 0][index % 3];
    let labels = (0..SIDE * SIDE).map(|i| if i < counts { (i / 40 % 4) as u8 } else { 255 }).collect();
    (pixels, labels)
}

fn batch(samples: Range<usize>) -> (Tensor, Vec<u8>) {
    let shape = (samples.len(), 3, SIDE, SIDE);
    let (pixels, labels): (Vec<_>, Vec<_>) = samples.map(sample).unzip();
    (Tensor::from_vec(pixels.concat(), shape, &Device::Cpu).unwrap(), labels.concat())
}

/// Four updates of two batches of three images.
fn train(ranks: Box<dyn Ranks>, prefilter: &str, scales: &[f64]) -> (Vec<StepReport>, Trainer) {
    let mut trainer = Trainer::new(network(prefilter)).unwrap();
    let own = share(3, ranks.rank(), ranks.size());
    trainer.join(ranks);
    let update = |step: usize| {
        let batches = [2 * step, 2 * step + 1].map(|at| batch(3 * at + own.start..3 * at + own.end));
        let batches = batches.each_ref().map(|(images, labels)| Batch { images, labels });
        trainer.update(&SETTINGS, scales, &batches).unwrap()
    };
    ((0..4).map(update).collect(), trainer)
}

fn state(trainer: &Trainer) -> Vec<u8> {
    State::write(trainer, &BTreeMap::new()).unwrap()
}

#[test]
fn several_ranks_train_as_one_does() {
    for (prefilter, scales) in
        [("Regular", &[1.0][..]), ("Average", &[1.0]), ("GroupInteraction", &[1.0]), ("Aggregation", &[1.0, 0.5])]
    {
        let (expected, alone) = train(Box::new(Alone), prefilter, scales);
        for size in [1, 2, 3] {
            let all = together(stars(size, PATIENCE), |star| train(Box::new(star), prefilter, scales));
            assert!(all.iter().all(|(reports, trainer)| *reports == all[0].0 && state(trainer) == state(&all[0].1)));
            let again = together(stars(size, PATIENCE), |star| state(&train(Box::new(star), prefilter, scales).1));
            assert!(again[0] == state(&all[0].1), "{prefilter}, {size} ranks: the same bits again");
            let (reports, trainer) = &all[0];
            for (report, expected) in reports.iter().zip(&expected) {
                assert_eq!((report.counted, &report.labels), (expected.counted, &expected.labels));
                assert!((report.loss - expected.loss).abs() < 1e-6 * expected.loss, "{report:?}");
            }
            let inventory = trainer.network.parameters().inventory();
            for (id, parameter) in inventory.iter().filter(|(_, parameter)| parameter.trainable) {
                let values = |network: &Network| -> Vec<f32> {
                    network.parameters().view(id).unwrap().flatten_all().unwrap().to_vec1().unwrap()
                };
                let (ours, theirs) = (values(&trainer.network), values(&alone.network));
                let most = theirs.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
                let gap = ours.iter().zip(&theirs).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
                assert!(gap <= 1e-6 * most, "{prefilter}, {size} ranks, {}: {gap} of {most}", parameter.name);
            }
        }
    }
}

#[test]
fn a_loss_that_is_not_finite_is_the_same_error_in_all_ranks() {
    let told = together(stars(3, PATIENCE), |star| {
        let mut trainer = Trainer::new(network("Regular")).unwrap();
        let rank = star.rank();
        trainer.join(Box::new(star));
        let (images, labels) = batch(rank..rank + 1);
        let images = if rank == 1 { (images * f64::INFINITY).unwrap() } else { images };
        trainer.step(&SETTINGS, &images, &labels).unwrap_err().to_string()
    });
    assert!(told.iter().all(|one| *one == told[0] && one.contains("`images`")), "{told:?}");
}
