//! Which of the routes on one host and path comes first, and what is wrong with the set of them.
//!
//! In: the demands of routes that have host and path shape in common. Out: an order in which the
//! first whose demand a request meets is the most specific that it meets; ties; routes that never
//! take a request. An order exists unless there is a tie: a demand comes before all that include it,
//! and a route that names `HEAD` but not `GET` before those whose `GET` would bring `HEAD` along.

use http::Method;

use super::{
    demand::{Demand, Listeners, Relation},
    methods::Methods,
};

/// Pairs of routes that some request meets with equal right; for each route only the first.
pub(super) fn ties(demands: &[&Demand]) -> Vec<(usize, usize)> {
    (1..demands.len())
        .filter_map(|later| {
            let tie = |earlier: &usize| demands[*earlier].relation(demands[later]) == Relation::Tie;
            (0..later).find(tie).map(|earlier| (earlier, later))
        })
        .collect()
}

/// The order of some demands, by their index; where they are apart the order is that of their
/// conditions, so that it never depends on where they stand in a file.
pub(super) fn arrange(demands: &[&Demand]) -> Vec<usize> {
    let before = |a: usize, b: usize| demands[a].relation(demands[b]) == Relation::Before;
    let mut left: Vec<usize> = (0..demands.len()).collect();
    left.sort_by_cached_key(|index| demands[*index].rank());
    let mut waiting: Vec<usize> = (0..demands.len())
        .map(|index| left.iter().filter(|other| before(**other, index)).count())
        .collect();
    let mut order = Vec::with_capacity(left.len());
    while !left.is_empty() {
        // Where nothing is free there is a circle, which only ties can make; those are reported.
        let free = left.iter().position(|index| waiting[*index] == 0).unwrap_or(0);
        let next = left.remove(free);
        for index in &left {
            waiting[*index] -= usize::from(before(next, *index));
        }
        order.push(next);
    }
    order
}

/// Whether those that come before take all that a demand could take.
///
/// Exact for listeners and methods, where routes that ask no more of header and query share them
/// out among themselves; other ways to leave nothing over are not looked for.
pub(super) fn is_shadowed(demand: &Demand, before: &[&Demand]) -> bool {
    let rivals: Vec<_> = before.iter().filter(|other| demand.conditions_within(other)).collect();
    let covered = |listener: Option<usize>| {
        let here: Vec<_> = rivals
            .iter()
            .filter(|rival| match listener {
                Some(listener) => rival.listeners.take(listener),
                None => rival.listeners == Listeners::All,
            })
            .collect();
        let taken = |method: &Method| here.iter().any(|rival| rival.methods.take(method));
        match &demand.methods {
            Methods::Any => here.iter().any(|rival| matches!(rival.methods, Methods::Any)),
            named @ Methods::Named { .. } => named.list().all(taken),
        }
    };
    match &demand.listeners {
        Listeners::All => covered(None),
        Listeners::Only(these) => these.iter().all(|listener| covered(Some(*listener))),
    }
}
