//! The schedule in a made world: nodes end at random, at random times, and what must hold is asserted at every step.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Amounts, Instruction, News, NodePhase, Place, Rules, Schedule};

/// Random numbers that a seed gives (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % n as u64).unwrap()
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

fn ms(n: usize) -> Duration {
    Duration::from_millis(n as u64)
}

/// What can happen in a world, in percent.
#[derive(Debug, Clone, Copy, Default)]
struct World {
    hits: usize,
    fails: usize,
    held: usize,
    corrupt: usize,
    twins: usize,
    /// When somebody asks to stop.
    cancel: Option<Duration>,
    /// How many in a hundred of those that run heed a request to stop.
    heeds: usize,
    keep_going: bool,
}

/// What came of a simulation.
struct Outcome {
    phases: Vec<NodePhase>,
    starts: usize,
    orders: usize,
    visits: usize,
    links: usize,
    kills: usize,
}

const ROOM: [usize; 2] = [5, 2];

/// Nodes with up to three needs among the hundred before them, some of which take both resources.
fn nodes(n: usize, random: &mut Random) -> Vec<(Vec<Place>, Amounts)> {
    let node = |place: usize, random: &mut Random| {
        let needs: BTreeSet<Place> =
            (0..random.below(4)).filter(|_| place > 0).map(|_| place - 1 - random.below(place.min(100))).collect();
        (needs.into_iter().collect(), vec![1 + random.below(2), usize::from(random.chance(30))])
    };
    (0..n).map(|place| node(place, random)).collect()
}

/// Carries a plan of `n` nodes out.
#[expect(clippy::too_many_lines, reason = "one loop that answers each order")]
fn simulate(n: usize, seed: u64, world: World) -> Outcome {
    let mut random = Random(seed);
    let plan = nodes(n, &mut random);
    let rules = Rules {
        room: ROOM.to_vec(),
        keep_going: world.keep_going,
        checks: BTreeSet::new(),
        grace: ms(500),
        retry: ms(100),
        remakes: 2,
    };
    let grace = rules.grace;
    let mut users = vec![0; n];
    plan.iter().flat_map(|(needs, _)| needs).for_each(|&need| users[need] += 1);
    let mut schedule = Schedule::new(plan.clone(), rules);
    let mut now = Duration::ZERO;
    // When a running node ends, and when a lock that somebody holds is free.
    let mut ends: BTreeSet<(Duration, Place)> = BTreeSet::new();
    let mut locks: BTreeMap<Place, Duration> = BTreeMap::new();
    let mut used = [0; 2];
    let (mut starts, mut orders, mut kills, mut undone) = (0, 0, 0, 0);
    let mut ended: BTreeSet<Place> = BTreeSet::new();
    let mut asked_at = None;
    let mut remakes: BTreeMap<Place, usize> = BTreeMap::new();
    loop {
        if world.cancel.is_some_and(|time| time <= now) {
            schedule.cancel(now);
        }
        orders += 1;
        let inputs_done = |schedule: &Schedule, node: Place| {
            assert!(
                plan[node].0.iter().all(|&need| schedule.phase(need) == NodePhase::Done),
                "{node} before its inputs"
            );
        };
        match schedule.next(now) {
            Instruction::TryAgain(node) if locks.get(&node).is_some_and(|free| *free > now) => {
                schedule.tell(node, News::Held, now);
            }
            Instruction::LookUp(node) | Instruction::TryAgain(node) => {
                inputs_done(&schedule, node);
                assert!(asked_at.is_none(), "{node} is looked up after a request to stop");
                // Whoever held the lock has made the node.
                let made = locks.get(&node).is_some_and(|free| *free <= now);
                if made || random.chance(world.hits) {
                    assert!(ended.insert(node), "{node} ends twice");
                    schedule.tell(node, News::Done, now);
                } else {
                    schedule.tell(node, News::Missing, now);
                }
            }
            Instruction::Start(node) => {
                inputs_done(&schedule, node);
                assert!(asked_at.is_none(), "{node} starts after a request to stop");
                assert_eq!(schedule.phase(node), NodePhase::Running);
                starts += 1;
                let running = ends.iter().map(|(_, node)| *node).next();
                if let (Some(other), true) = (running, random.chance(world.twins)) {
                    schedule.tell(node, News::HeldBy(other), now);
                } else if locks.contains_key(&node) || random.chance(world.held) {
                    locks.entry(node).or_insert(now + ms(random.below(2000)));
                    schedule.tell(node, News::Held, now);
                } else {
                    used.iter_mut().zip(&plan[node].1).for_each(|(used, takes)| *used += takes);
                    assert!(used.iter().zip(&ROOM).all(|(used, room)| used <= room), "{used:?} of {ROOM:?}");
                    ends.insert((now + ms(1 + random.below(300)), node));
                }
            }
            Instruction::AskToStop => {
                assert!(asked_at.is_none() && world.cancel.is_some());
                asked_at = Some(now);
                let heeding: Vec<_> = ends.iter().copied().filter(|_| random.chance(world.heeds)).collect();
                for (time, node) in ends.clone() {
                    ends.remove(&(time, node));
                    // What does not heed the request would go on for a day.
                    let more = if heeding.contains(&(time, node)) { ms(10) } else { ms(86_400_000) };
                    ends.insert((now + more, node));
                }
            }
            Instruction::Kill => {
                assert_eq!(Some(now), asked_at.map(|asked| asked + grace), "the grace is neither shorter nor longer");
                kills += ends.len();
                ends = ends.into_iter().map(|(_, node)| (now, node)).collect();
            }
            Instruction::Wait(until) => {
                let end = ends.first().map(|(time, _)| *time);
                let cancel = world.cancel.filter(|time| *time > now);
                let next = [until, end, cancel].into_iter().flatten().min();
                now = next.expect("nothing can happen any more").max(now);
                if let Some((time, node)) = ends.first().copied().filter(|(time, _)| *time <= now) {
                    ends.remove(&(time, node));
                    used.iter_mut().zip(&plan[node].1).for_each(|(used, takes)| *used -= takes);
                    let maker = plan[node].0.first().copied();
                    let news = if asked_at.is_some() {
                        News::Interrupted
                    } else if random.chance(world.corrupt) && maker.is_some() {
                        let again = remakes.entry(node).or_default();
                        *again += 1;
                        News::Corrupt { maker }
                    } else if random.chance(world.fails) {
                        News::Failed
                    } else {
                        News::Done
                    };
                    let maker_was_done = maker.is_some_and(|maker| schedule.phase(maker) == NodePhase::Done);
                    schedule.tell(node, news, now);
                    if matches!(news, News::Corrupt { .. }) && schedule.phase(node) == NodePhase::Waiting {
                        assert!(remakes[&node] <= 2, "{node} was given {} chances", remakes[&node]);
                        if maker_was_done {
                            undone += 2 * users[maker.unwrap()];
                            assert!(ended.remove(&maker.unwrap()), "what was not done began again");
                        }
                    } else {
                        assert!(ended.insert(node), "{node} ends twice");
                    }
                }
            }
            Instruction::Skip { node, needs } => {
                assert!(ended.insert(node), "{node} ends twice");
                assert!(ends.is_empty(), "a node is skipped while others run");
                assert_eq!(schedule.phase(node), NodePhase::Skipped);
                let undone = plan[node].0.iter().copied().find(|&need| schedule.phase(need) != NodePhase::Done);
                assert_eq!(needs, undone);
            }
            Instruction::End => break,
        }
    }
    assert_eq!(ended.len(), n, "each node ends");
    assert_eq!(schedule.next(now), Instruction::End);
    let links = plan.iter().map(|(needs, _)| needs.len()).sum::<usize>();
    // Each link is gone over when a node is done, and again when it begins again and is done again.
    assert!(schedule.visits <= links + undone, "{} visits of {links} links, {undone} undone", schedule.visits);
    Outcome { phases: schedule.phases().collect(), starts, orders, visits: schedule.visits, links, kills }
}

fn count(outcome: &Outcome, phase: NodePhase) -> usize {
    outcome.phases.iter().filter(|found| **found == phase).count()
}

#[test]
fn all_of_ten_thousand_nodes_are_done_where_nothing_fails() {
    let outcome = simulate(10_000, 1, World::default());
    assert_eq!((count(&outcome, NodePhase::Done), outcome.starts), (10_000, 10_000));
    assert_eq!(outcome.visits, outcome.links);
    let cached = simulate(10_000, 2, World { hits: 100, ..World::default() });
    assert_eq!((count(&cached, NodePhase::Done), cached.starts, cached.orders), (10_000, 0, 10_001));
}

#[test]
fn ten_thousand_nodes_with_every_end_at_random() {
    for seed in 0..5 {
        let world = World { hits: 30, fails: 1, held: 10, corrupt: 3, twins: 10, keep_going: true, ..World::default() };
        let outcome = simulate(10_000, seed, world);
        for phase in [NodePhase::Done, NodePhase::Failed, NodePhase::Skipped] {
            assert!(count(&outcome, phase) > 10, "{phase:?}: {}", count(&outcome, phase));
        }
        assert_eq!(count(&outcome, NodePhase::Interrupted), 0);
        // What stops at the first failure leaves more undone.
        let stopped = simulate(10_000, seed, World { keep_going: false, ..world });
        assert!(count(&stopped, NodePhase::Done) < count(&outcome, NodePhase::Done));
        assert!(count(&stopped, NodePhase::Failed) >= 1);
    }
}

#[test]
fn a_request_to_stop_ends_all_that_runs_and_starts_nothing() {
    for (seed, heeds) in [(1, 100), (2, 50), (3, 0)] {
        let world = World { held: 10, heeds, cancel: Some(ms(2_000)), ..World::default() };
        let outcome = simulate(10_000, seed, world);
        let interrupted = count(&outcome, NodePhase::Interrupted);
        assert!((1..=ROOM[0]).contains(&interrupted), "{interrupted}");
        assert_eq!(outcome.kills == 0, heeds == 100, "{} killed", outcome.kills);
        assert!(count(&outcome, NodePhase::Skipped) > 9_000);
    }
    // Before anything starts.
    let none = simulate(1_000, 4, World { cancel: Some(ms(0)), ..World::default() });
    assert_eq!((none.starts, count(&none, NodePhase::Skipped)), (0, 1_000));
}

#[test]
fn a_lock_that_stays_held_is_asked_for_ever_less_often() {
    let rules =
        Rules { room: vec![1], keep_going: false, checks: BTreeSet::new(), grace: ms(0), retry: ms(100), remakes: 2 };
    let mut schedule = Schedule::new([(vec![], vec![1])], rules);
    assert_eq!(schedule.next(ms(0)), Instruction::LookUp(0));
    schedule.tell(0, News::Missing, ms(0));
    assert_eq!(schedule.next(ms(0)), Instruction::Start(0));
    let mut now = ms(0);
    let mut waits = Vec::new();
    for _ in 0..7 {
        schedule.tell(0, News::Held, now);
        let Instruction::Wait(Some(until)) = schedule.next(now) else { panic!("it waits for the lock") };
        waits.push((until - now).as_millis());
        now = until;
        assert_eq!(schedule.next(now), Instruction::Wait(Some(now)), "news come first");
        assert_eq!(schedule.next(now), Instruction::TryAgain(0));
    }
    assert_eq!(waits, [100, 200, 400, 800, 1600, 1600, 1600]);
    schedule.tell(0, News::Done, now);
    assert_eq!(schedule.next(now), Instruction::End);
}

#[test]
fn a_node_goes_on_when_its_twin_ends_and_not_before() {
    let rules =
        Rules { room: vec![2], keep_going: false, checks: BTreeSet::new(), grace: ms(0), retry: ms(100), remakes: 2 };
    let mut schedule = Schedule::new([(vec![], vec![1]), (vec![], vec![1])], rules);
    for node in 0..2 {
        assert_eq!(schedule.next(ms(0)), Instruction::LookUp(node));
        schedule.tell(node, News::Missing, ms(0));
        assert_eq!(schedule.next(ms(0)), Instruction::Start(node));
    }
    schedule.tell(1, News::HeldBy(0), ms(0));
    assert_eq!(schedule.next(ms(5000)), Instruction::Wait(None));
    schedule.tell(0, News::Done, ms(6000));
    assert_eq!(schedule.next(ms(6000)), Instruction::LookUp(1));
    schedule.tell(1, News::Done, ms(6000));
    assert_eq!(schedule.next(ms(6000)), Instruction::End);
}

#[test]
fn what_checks_the_users_data_starts_after_a_failure_and_nothing_else_does() {
    let rules = Rules {
        room: vec![1],
        keep_going: false,
        checks: BTreeSet::from([0, 2, 3]),
        grace: ms(0),
        retry: ms(100),
        remakes: 2,
    };
    let mut schedule = Schedule::new([vec![], vec![], vec![], vec![], vec![2]].map(|needs| (needs, vec![1])), rules);
    let mut started = Vec::new();
    loop {
        match schedule.next(ms(0)) {
            Instruction::LookUp(3) => schedule.tell(3, News::Done, ms(0)),
            Instruction::LookUp(node) => schedule.tell(node, News::Missing, ms(0)),
            Instruction::Start(node) => {
                started.push(node);
                schedule.tell(node, if node == 0 { News::Failed } else { News::Done }, ms(0));
            }
            Instruction::Skip { .. } => {}
            order => {
                assert_eq!(order, Instruction::End);
                break;
            }
        }
    }
    assert_eq!(started, [0, 2]);
    assert_eq!(schedule.phase(3), NodePhase::Done);
    assert!([1, 4].iter().all(|node| schedule.phase(*node) == NodePhase::Skipped));
    // Once somebody asked to stop, they do not start either.
    let rules = Rules {
        room: vec![1],
        keep_going: false,
        checks: BTreeSet::from([0]),
        grace: ms(0),
        retry: ms(100),
        remakes: 2,
    };
    let mut schedule = Schedule::new([(vec![], vec![1])], rules);
    schedule.cancel(ms(0));
    assert_eq!(schedule.next(ms(0)), Instruction::AskToStop);
    assert_eq!(schedule.next(ms(0)), Instruction::Skip { node: 0, needs: None });
}

#[test]
fn the_work_grows_with_the_nodes() {
    let world = World { hits: 50, fails: 1, held: 5, twins: 5, keep_going: true, ..World::default() };
    let [few, many] = [1_000, 10_000].map(|n| simulate(n, 7, world));
    assert!(many.orders < 12 * few.orders, "{} orders for ten times the nodes of {}", many.orders, few.orders);
    assert!(many.visits <= many.links && few.visits <= few.links);
}

#[test]
fn a_node_that_turns_out_to_be_damaged_begins_again_with_all_that_rests_on_it() {
    let rules =
        Rules { room: vec![1], keep_going: false, checks: BTreeSet::new(), grace: ms(1), retry: ms(1), remakes: 1 };
    // 0 <- 1 <- 3, and 2 for itself.
    let needs = [vec![], vec![0], vec![], vec![1]];
    let mut schedule = Schedule::new(needs.map(|needs| (needs, vec![1])), rules);
    let drive = |schedule: &mut Schedule| {
        let mut looked_up = Vec::new();
        loop {
            match schedule.next(ms(0)) {
                Instruction::LookUp(node) => {
                    looked_up.push(node);
                    schedule.tell(node, News::Done, ms(0));
                }
                Instruction::End => return looked_up,
                order => panic!("{order:?}"),
            }
        }
    };
    assert_eq!(drive(&mut schedule), [0, 1, 2, 3]);
    schedule.tell(0, News::Damaged, ms(0));
    assert_eq!([0, 1, 2, 3].map(|node| schedule.phase(node) == NodePhase::Done), [false, false, true, false]);
    assert_eq!(drive(&mut schedule), [0, 1, 3]);
    // Once is enough here.
    schedule.tell(0, News::Damaged, ms(0));
    assert_eq!(drive(&mut schedule), [0; 0]);
    // What is not made again after a request to stop is skipped.
    schedule.tell(1, News::Damaged, ms(0));
    schedule.cancel(ms(0));
    assert_eq!(schedule.next(ms(0)), Instruction::AskToStop);
    assert_eq!(schedule.next(ms(0)), Instruction::Skip { node: 1, needs: None });
    assert_eq!(schedule.next(ms(0)), Instruction::Skip { node: 3, needs: Some(1) });
    assert_eq!(schedule.next(ms(0)), Instruction::End);
}
