//! Why a request goes where it goes: the table's answer with its reasons.
//!
//! In: the same query as [`RouteTable::find`] takes, put to the same trees and demands. Out: every
//! entry, the most specific first, with what it makes of the request. For people, so it may be slow.

use std::{collections::HashSet, convert::Infallible, fmt, ops::ControlFlow, ptr};

use super::{Failure, Found, Query, RouteTable, host, params::Spans, tree::Tree};
use crate::message::path;

/// What a route makes of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict<'t> {
    /// It takes it.
    Takes,
    /// It would take it, if the path were not in doubt.
    Doubts,
    /// It would take it, if no more specific route did.
    Outranked,
    /// It is not asked: a route of a more specific host is for this path.
    Overruled,
    /// It does not take it, for this reason first.
    Fails(Failure<'t>),
}

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Takes => f.write_str("takes it"),
            Self::Doubts => f.write_str(
                "would take it, but the path is another route's where an escaped slash, a backslash or a `;` ends a segment",
            ),
            Self::Outranked => f.write_str("would take it, but a more specific route does"),
            Self::Overruled => f.write_str("a route of a more specific host is for this path"),
            Self::Fails(failure) => failure.fmt(f),
        }
    }
}

/// One pair of a route's hosts and paths, and what it makes of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Candidate<'t> {
    /// The route's index among the rules.
    pub rule: usize,
    /// The host pattern; `*` where any host will do.
    pub host: String,
    /// The path pattern as it was written; `*` where any path will do.
    pub path: &'t str,
    /// What it makes of the request.
    pub verdict: Verdict<'t>,
}

/// Explains; see [`RouteTable::explain`].
pub(super) fn explain<'t, T>(
    table: &'t RouteTable<T>,
    query: &Query<'_, '_>,
) -> Vec<Candidate<'t>> {
    let host = query.host.map(host::normal);
    let path = path::normalise(query.path);
    let trees: Vec<&Tree> = table.forest.of(host.as_deref()).collect();
    let mut reached = HashSet::new();
    let mut owner = None;
    for (level, tree) in trees.iter().enumerate() {
        let ControlFlow::Continue(()) = tree.walk(&path, &mut Spans::default(), &mut |leaf| {
            if leaf.clone().any(|at| table.demand(at).listeners.take(query.listener)) {
                owner.get_or_insert(level);
            }
            reached.extend(leaf);
            ControlFlow::<Infallible>::Continue(())
        });
    }
    let doubtful = matches!(table.find(query), Found::Doubtful);
    let mut taken = false;
    let mut verdict = |at: usize| {
        let tree = table.forest.tree(&table.entries[at].host);
        let level = trees.iter().position(|other| tree.is_some_and(|tree| ptr::eq(*other, tree)));
        let failure = match (level, table.demand(at).failing(query)) {
            (None, _) => Some(Failure::Host),
            (_, Some(Failure::Listener)) => Some(Failure::Listener),
            _ if !reached.contains(&at) => Some(Failure::Path),
            _ if level > owner => return Verdict::Overruled,
            (_, failure) => failure,
        };
        match failure {
            Some(failure) => Verdict::Fails(failure),
            None if std::mem::replace(&mut taken, true) => Verdict::Outranked,
            None if doubtful => Verdict::Doubts,
            None => Verdict::Takes,
        }
    };
    let entries = table.entries.iter().enumerate();
    entries
        .map(|(at, entry)| Candidate {
            rule: entry.rule,
            host: entry.host.to_string(),
            path: &entry.path.text,
            verdict: verdict(at),
        })
        .collect()
}
