//! The schedule decides which node starts when.
//!
//! This module is pure: it uses no disk, no process and no clock of its own. Its caller carries the plan out. The caller
//! reports to the schedule what happened to a node ([`News`]), with the time as a value, and asks what to do next ([`Instruction`]).
//!
//! A node waits until its inputs are done. Then it is looked up in the store. If the store does not have its outputs, it is
//! started as soon as there is room for it. If another process holds its lock, it is looked up again after a while. When no
//! more nodes can start, the nodes that are left are skipped.
//!
//! For where jobs run, and where a cluster's scheduler plugs in, see [`executor`](super::executor).
//!
//! Invariants:
//! - a node is looked up and started only while all nodes that it needs are done;
//! - the nodes that run at the same time never take more of any resource than there is;
//! - each node ends once: done, failed, interrupted or skipped. Only a node that is done may begin again, when its output
//!   turns out to be damaged;
//! - if several nodes could go on, the first of them in the order of the plan does;
//! - the work is proportional to the number of nodes, links between nodes, and news, times at most the logarithm of the
//!   number of nodes.

#[cfg(test)]
mod simulation;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// A node by its place in the order of the plan.
pub(super) type Place = usize;

/// How much of each resource there is, or how much a node takes, in one order of resources for all.
pub(super) type Amounts = Vec<usize>;

/// How many times longer than at first a held lock is left alone in the end.
const LONGEST: u32 = 16;

/// What does not change while a run goes on.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// How much of each resource there is.
    pub room: Amounts,
    /// Whether a failure lets start what does not depend on it.
    pub keep_going: bool,
    /// The nodes that start even after a failure: they check what the user gave.
    pub checks: BTreeSet<Place>,
    /// How long a node that was asked to stop may go on.
    pub grace: Duration,
    /// How soon a held lock is tried again for the first time. Later it takes longer, up to [`LONGEST`] times.
    pub retry: Duration,
    /// How often the makers of a node's damaged inputs run again before the node has failed.
    pub remakes: usize,
}

/// Where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NodePhase {
    /// It has not been looked up: something that it needs may not be done.
    Waiting,
    /// It is not in the store, and waits for room.
    Ready,
    /// Somebody else computes the same.
    Held,
    Running,
    Done,
    Failed,
    Interrupted,
    Skipped,
}

/// What became of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// It was looked up, and it is not in the store.
    Missing,
    /// Its outputs are in the store.
    Done,
    /// Another process holds its lock.
    Held,
    /// Its lock is held by this node, which runs.
    HeldBy(Place),
    /// It cannot be made.
    Failed,
    /// It was stopped because somebody wished so.
    Interrupted,
    /// It was done, and an output of it turned out to be damaged or gone. What rests on it is looked up again, too.
    Damaged,
    /// An output of `maker`, one of the nodes that it needs, is damaged; none where the maker is no node of this plan.
    Corrupt { maker: Option<Place> },
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instruction {
    /// Look the node up, and tell `Missing`, `Done` or `Failed`.
    LookUp(Place),
    /// Look whether somebody still holds the node's lock. If so tell `Held`, else do as for `LookUp`.
    TryAgain(Place),
    /// Start the node, which has its room now. Tell what becomes of it.
    Start(Place),
    /// Ask all that runs to stop.
    AskToStop,
    /// End all that runs.
    Kill,
    /// Nothing can be done before news, or before this time; none: before news.
    Wait(Option<Duration>),
    /// The node is not started any more. If it needs something that is not done, `needs` is the first of that.
    Skip { node: Place, needs: Option<Place> },
    /// Each node has ended.
    End,
}

#[derive(Debug)]
struct Node {
    phase: NodePhase,
    needs: Vec<Place>,
    users: Vec<Place>,
    /// How many of its needs are not done.
    open_needs: usize,
    takes: Amounts,
    remakes: usize,
    /// How long the next wait for its lock takes.
    patience: Duration,
}

/// The state of all nodes of a run.
#[derive(Debug)]
pub(super) struct Schedule {
    rules: Rules,
    nodes: Vec<Node>,
    /// The nodes that can be looked up.
    to_look_up: BTreeSet<Place>,
    /// The nodes that wait for room alone, by what they take.
    ready: BTreeMap<Amounts, BTreeSet<Place>>,
    /// The nodes whose locks are tried again, by the time.
    retries: BTreeSet<(Duration, Place)>,
    /// Of these, those whose time has come.
    due: VecDeque<Place>,
    /// The nodes that compute the same as one that runs.
    twins: BTreeMap<Place, Vec<Place>>,
    /// The room that is left.
    free: Amounts,
    running: usize,
    held: usize,
    /// Nothing is started any more.
    closed: bool,
    stopping: Stopping,
    /// The nodes before this one have ended.
    ended: Place,
    #[cfg(test)]
    visits: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopping {
    No,
    ToAsk { now: Duration },
    Asked { deadline: Duration },
    Killed,
}

impl Schedule {
    /// Nodes that each need others of smaller places, with what they take.
    pub fn new(nodes: impl IntoIterator<Item = (Vec<Place>, Amounts)>, rules: Rules) -> Self {
        let node = |(needs, takes): (Vec<Place>, Amounts)| Node {
            phase: NodePhase::Waiting,
            open_needs: needs.len(),
            needs,
            users: Vec::new(),
            takes,
            remakes: 0,
            patience: rules.retry,
        };
        let mut nodes: Vec<Node> = nodes.into_iter().map(node).collect();
        for place in 0..nodes.len() {
            for need in nodes[place].needs.clone() {
                nodes[need].users.push(place);
            }
        }
        Schedule {
            to_look_up: (0..nodes.len()).filter(|&place| nodes[place].open_needs == 0).collect(),
            nodes,
            ready: BTreeMap::new(),
            retries: BTreeSet::new(),
            due: VecDeque::new(),
            twins: BTreeMap::new(),
            free: rules.room.clone(),
            rules,
            running: 0,
            held: 0,
            closed: false,
            stopping: Stopping::No,
            ended: 0,
            #[cfg(test)]
            visits: 0,
        }
    }

    /// Where a node stands.
    pub fn phase(&self, node: Place) -> NodePhase {
        self.nodes[node].phase
    }

    /// Where all nodes stand, in the order of the plan.
    pub fn phases(&self) -> impl Iterator<Item = NodePhase> {
        self.nodes.iter().map(|node| node.phase)
    }

    /// Whether somebody asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping != Stopping::No
    }

    /// Nothing more is started, and what runs is asked to stop, and ended after the grace. Asking again changes nothing.
    pub fn cancel(&mut self, now: Duration) {
        if self.stopping == Stopping::No {
            (self.closed, self.stopping) = (true, Stopping::ToAsk { now });
        }
    }

    /// What to do at the time `now`.
    pub fn next(&mut self, now: Duration) -> Instruction {
        match self.stopping {
            Stopping::ToAsk { now } => {
                self.stopping = Stopping::Asked { deadline: now + self.rules.grace };
                return Instruction::AskToStop;
            }
            Stopping::Asked { deadline } if deadline <= now && self.running > 0 => {
                self.stopping = Stopping::Killed;
                return Instruction::Kill;
            }
            _ => {}
        }
        if self.closed
            && self.stopping == Stopping::No
            && let Some(order) = self.next_check()
        {
            return order;
        }
        if !self.closed {
            if let Some(order) = self.next_open() {
                return order;
            }
            if self.running > 0 || self.held > 0 {
                while let Some((_, node)) = self.retries.first().copied().filter(|(time, _)| *time <= now) {
                    self.retries.pop_first();
                    self.due.push_back(node);
                }
                // What has just become due is done after the news that came meanwhile.
                let soon = (!self.due.is_empty()).then_some(now);
                return Instruction::Wait(soon.or(self.retries.first().map(|(time, _)| *time)));
            }
        } else if self.running > 0 {
            return Instruction::Wait(match self.stopping {
                Stopping::Asked { deadline } => Some(deadline),
                _ => None,
            });
        }
        self.skip()
    }

    /// The first node that can go on.
    fn next_open(&mut self) -> Option<Instruction> {
        while let Some(node) = self.due.pop_front() {
            if self.nodes[node].phase == NodePhase::Held {
                return Some(Instruction::TryAgain(node));
            }
        }
        let fits = |takes: &Amounts| takes.iter().zip(&self.free).all(|(takes, free)| takes <= free);
        let fitting = self.ready.iter().filter(|(takes, _)| fits(takes));
        let ready = fitting.filter_map(|(_, nodes)| nodes.first()).min().copied();
        match (self.to_look_up.first().copied(), ready) {
            (Some(open), ready) if ready.is_none_or(|ready| open < ready) => {
                self.to_look_up.pop_first();
                Some(Instruction::LookUp(open))
            }
            (_, Some(ready)) => Some(self.start(ready)),
            _ => None,
        }
    }

    /// The first node that can go on although the schedule is closed by a failure.
    fn next_check(&mut self) -> Option<Instruction> {
        let checks = std::mem::take(&mut self.rules.checks);
        let fits = |takes: &Amounts| takes.iter().zip(&self.free).all(|(takes, free)| takes <= free);
        let open = self.to_look_up.iter().find(|place| checks.contains(place)).copied();
        let fitting = self.ready.iter().filter(|(takes, _)| fits(takes));
        let ready = fitting.filter_map(|(_, nodes)| nodes.iter().find(|place| checks.contains(place))).min().copied();
        self.rules.checks = checks;
        match (open, ready) {
            (Some(open), _) => {
                self.to_look_up.remove(&open);
                Some(Instruction::LookUp(open))
            }
            (None, ready) => ready.map(|ready| self.start(ready)),
        }
    }

    fn start(&mut self, ready: Place) -> Instruction {
        self.leave(ready, NodePhase::Running);
        self.running += 1;
        let takes = &self.nodes[ready].takes;
        self.free.iter_mut().zip(takes).for_each(|(free, takes)| *free -= takes);
        Instruction::Start(ready)
    }

    fn skip(&mut self) -> Instruction {
        while let Some(node) = self.nodes.get(self.ended) {
            let place = self.ended;
            self.ended += 1;
            if matches!(node.phase, NodePhase::Waiting | NodePhase::Ready | NodePhase::Held) {
                let needs = node.needs.iter().copied().find(|&need| self.nodes[need].phase != NodePhase::Done);
                self.leave(place, NodePhase::Skipped);
                return Instruction::Skip { node: place, needs };
            }
        }
        Instruction::End
    }

    /// Takes in what became of a node by the time `now`.
    pub fn tell(&mut self, node: Place, news: News, now: Duration) {
        match news {
            News::Missing => {
                self.leave(node, NodePhase::Ready);
                let takes = self.nodes[node].takes.clone();
                self.ready.entry(takes).or_default().insert(node);
            }
            News::Held => {
                self.hold(node);
                let patience = self.nodes[node].patience;
                self.retries.insert((now + patience, node));
                self.nodes[node].patience = (patience * 2).min(self.rules.retry * LONGEST);
            }
            News::HeldBy(other) if self.nodes[other].phase == NodePhase::Running => {
                self.hold(node);
                self.twins.entry(other).or_default().push(node);
            }
            News::HeldBy(_) => self.await_inputs(node),
            News::Done => {
                self.leave(node, NodePhase::Done);
                for user in self.users(node) {
                    self.nodes[user].open_needs -= 1;
                    if self.nodes[user].open_needs == 0 && self.nodes[user].phase == NodePhase::Waiting {
                        self.to_look_up.insert(user);
                    }
                }
            }
            News::Failed => self.fail(node),
            News::Interrupted => self.leave(node, NodePhase::Interrupted),
            News::Damaged => {
                if self.nodes[node].phase == NodePhase::Done
                    && !self.closed
                    && self.nodes[node].remakes < self.rules.remakes
                {
                    self.nodes[node].remakes += 1;
                    self.undo_with_users(node);
                }
            }
            News::Corrupt { maker } => match maker {
                Some(maker) if !self.closed && self.nodes[node].remakes < self.rules.remakes => {
                    self.nodes[node].remakes += 1;
                    if self.nodes[maker].phase == NodePhase::Done {
                        self.undo(maker);
                    }
                    self.await_inputs(node);
                }
                _ => self.fail(node),
            },
        }
    }

    fn fail(&mut self, node: Place) {
        self.leave(node, NodePhase::Failed);
        self.closed |= !self.rules.keep_going;
    }

    fn hold(&mut self, node: Place) {
        self.leave(node, NodePhase::Held);
        self.held += 1;
    }

    /// Lets a node wait for its inputs, which may be done.
    fn await_inputs(&mut self, node: Place) {
        self.leave(node, NodePhase::Waiting);
        if self.nodes[node].open_needs == 0 {
            self.to_look_up.insert(node);
        }
    }

    /// Lets a node that was done begin again. The keys of nodes that need it may change with its outputs.
    fn undo(&mut self, maker: Place) {
        for user in self.users(maker) {
            self.nodes[user].open_needs += 1;
            if matches!(self.nodes[user].phase, NodePhase::Waiting | NodePhase::Ready | NodePhase::Held) {
                self.leave(user, NodePhase::Waiting);
            }
        }
        self.await_inputs(maker);
        self.ended = self.ended.min(maker);
    }

    /// Lets a node that was done begin again, and all that rests on it and was done.
    fn undo_with_users(&mut self, node: Place) {
        let (mut undone, mut open) = (BTreeSet::new(), vec![node]);
        while let Some(node) = open.pop() {
            if self.nodes[node].phase == NodePhase::Done && undone.insert(node) {
                open.extend(self.users(node));
            }
        }
        // Users first: their places are greater.
        for node in undone.into_iter().rev() {
            self.undo(node);
        }
    }

    /// Takes a node out of where it stands, gives its room back, and lets its twins go on.
    fn leave(&mut self, node: Place, to: NodePhase) {
        match std::mem::replace(&mut self.nodes[node].phase, to) {
            NodePhase::Waiting => drop(self.to_look_up.remove(&node)),
            NodePhase::Ready => {
                let takes = &self.nodes[node].takes;
                if let Some(ready) = self.ready.get_mut(takes) {
                    ready.remove(&node);
                }
            }
            NodePhase::Held => {
                // Its retry, or its twin, finds it in another phase and leaves it alone.
                self.held -= 1;
            }
            NodePhase::Running => {
                self.running -= 1;
                let takes = &self.nodes[node].takes;
                self.free.iter_mut().zip(takes).for_each(|(free, takes)| *free += takes);
                for twin in self.twins.remove(&node).unwrap_or_default() {
                    if self.nodes[twin].phase == NodePhase::Held {
                        self.await_inputs(twin);
                    }
                }
            }
            NodePhase::Done | NodePhase::Failed | NodePhase::Interrupted | NodePhase::Skipped => {}
        }
    }

    fn users(&mut self, node: Place) -> Vec<Place> {
        #[cfg(test)]
        {
            self.visits += self.nodes[node].users.len();
        }
        self.nodes[node].users.clone()
    }
}
