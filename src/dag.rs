//! Pure graph algorithms over nodes numbered `0..n`. Callers word the errors.

use std::collections::BTreeSet;

/// The nodes in an order in which every node follows all of its `dependencies`, smallest number first among
/// those that are ready, or the nodes of one cycle, in order, starting at its smallest.
pub fn topological(n: usize, dependencies: impl Fn(usize) -> Vec<usize>) -> Result<Vec<usize>, Vec<usize>> {
    let needs: Vec<BTreeSet<usize>> = (0..n).map(|node| dependencies(node).into_iter().collect()).collect();
    let mut open: Vec<usize> = needs.iter().map(BTreeSet::len).collect();
    let mut users = vec![Vec::new(); n];
    for (node, needs) in needs.iter().enumerate() {
        for &need in needs {
            users[need].push(node);
        }
    }
    let mut ready: BTreeSet<usize> = (0..n).filter(|&node| open[node] == 0).collect();
    let mut order = Vec::with_capacity(n);
    while let Some(node) = ready.pop_first() {
        order.push(node);
        for &user in &users[node] {
            open[user] -= 1;
            if open[user] == 0 {
                ready.insert(user);
            }
        }
    }
    if order.len() == n { Ok(order) } else { Err(cycle(&needs, &open)) }
}

/// Follows unfinished dependencies until a node repeats. Every unfinished node has an unfinished dependency,
/// so the walk cannot end elsewhere.
fn cycle(needs: &[BTreeSet<usize>], open: &[usize]) -> Vec<usize> {
    let unfinished = |node: &usize| open[*node] > 0;
    let mut path: Vec<usize> = (0..needs.len()).find(|node| unfinished(node)).into_iter().collect();
    let mut places = vec![None; needs.len()];
    while let Some(node) = path.last().copied() {
        places[node] = Some(path.len() - 1);
        let Some(next) = needs[node].iter().copied().find(unfinished) else { break };
        if let Some(start) = places[next] {
            path.drain(..start);
            break;
        }
        path.push(next);
    }
    let smallest = path.iter().enumerate().min_by_key(|&(_, node)| node).map_or(0, |(at, _)| at);
    path.rotate_left(smallest);
    path
}

/// The given nodes and everything that they depend on, directly or not.
pub fn closure(roots: impl IntoIterator<Item = usize>, dependencies: impl Fn(usize) -> Vec<usize>) -> BTreeSet<usize> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<usize> = roots.into_iter().collect();
    while let Some(node) = open.pop() {
        if seen.insert(node) {
            open.extend(dependencies(node));
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_come_first_and_ties_go_to_the_smaller_number() {
        let needs = [vec![2], vec![], vec![1], vec![]];
        assert_eq!(topological(4, |n| needs[n].clone()), Ok(vec![1, 2, 0, 3]));
    }

    #[test]
    fn a_cycle_is_named_from_its_smallest_node() {
        let needs = [vec![3], vec![2], vec![3], vec![1]];
        assert_eq!(topological(4, |n| needs[n].clone()), Err(vec![1, 2, 3]));
        assert_eq!(topological(1, |_| vec![0]), Err(vec![0]));
    }

    #[test]
    fn the_closure_holds_roots_and_all_they_need() {
        let needs = [vec![1], vec![2], vec![], vec![0]];
        assert_eq!(closure([1], |n| needs[n].clone()).into_iter().collect::<Vec<_>>(), [1, 2]);
    }
}
