//! Circles in a directed graph.

use std::collections::{BTreeMap, BTreeSet};

/// Nodes with the nodes they lead to.
pub type Graph<N> = BTreeMap<N, BTreeSet<N>>;

/// Sets of nodes, two or more, of which each leads to each (strongly connected components).
pub fn circles<N: Ord + Clone>(graph: &Graph<N>) -> Vec<BTreeSet<N>> {
    let reached: Graph<N> = graph.keys().map(|n| (n.clone(), reachable(graph, n))).collect();
    let mutual = |a: &N| -> BTreeSet<N> {
        reached[a].iter().filter(|b| reached.get(b).is_some_and(|r| r.contains(a))).cloned().collect()
    };
    let found: BTreeSet<BTreeSet<N>> = graph.keys().map(mutual).filter(|c| c.len() > 1).collect();
    found.into_iter().collect()
}

fn reachable<N: Ord + Clone>(graph: &Graph<N>, from: &N) -> BTreeSet<N> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from.clone()];
    while let Some(node) = open.pop() {
        let new = graph.get(&node).into_iter().flatten().filter(|n| !reached.contains(*n)).cloned();
        let new: Vec<N> = new.collect();
        reached.extend(new.iter().cloned());
        open.extend(new);
    }
    reached
}
