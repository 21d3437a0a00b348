//! Paths of which an origin may make others than Janua does: `/admin%2Fx`, `/admin\\x`, `/admin;v=1/x`.
//!
//! RFC 3986 has an escaped slash for data, and so it is taken: `/projects/a%2Fb` fits `/projects/{id}`. But nginx
//! decodes it, Windows takes a backslash for a slash, and Java's servers cut segments at a `;`, before they decode or
//! after. If the path would be another route's by any such reading, whoever sends it may want that route's origin
//! without its guards, so it is nobody's.

use std::{convert::Infallible, ops::ControlFlow};

use super::{
    Entry, Query, RouteTable,
    params::Spans,
    pattern::{Pattern, Segment},
};
use crate::message::path;

impl<T> RouteTable<T> {
    /// Whether another route than that of the entry at `at` would take the request, if its origin ended segments
    /// where Janua does not.
    ///
    /// What the route spells out in its pattern is meant so. And a route that says how long the path is goes before
    /// one for all the rest: `/projects/a%2Fb` is not in doubt because of a route for `/{rest*}`, unless that has
    /// guards which this one has not.
    #[cold]
    pub(super) fn is_in_doubt(
        &self,
        at: usize,
        host: Option<&str>,
        path: &str,
        spans: &Spans,
        query: &Query<'_, '_>,
    ) -> bool {
        if !spans.of(path).any(path::hides_separator) {
            return false;
        }
        path::readings(query.path).any(|path| self.is_anothers(at, host, &path, query))
    }

    /// Whether a path in normal form is for another route than that of the entry at `at`.
    fn is_anothers(
        &self,
        at: usize,
        host: Option<&str>,
        path: &str,
        query: &Query<'_, '_>,
    ) -> bool {
        let own = &self.entries[at];
        let other = |at: usize| {
            let other = &self.entries[at];
            other.rule != own.rule && !self.stands_back(other, own)
        };
        let owner = match self.search(host, path, &mut Spans::default(), query) {
            Ok(at) => return other(at),
            Err(owner) => owner,
        };
        owner.is_some_and(|tree| {
            let mut reached = false;
            let ControlFlow::Continue(()) =
                tree.walk(path, &mut Spans::default(), &mut |mut leaf| {
                    reached |=
                        leaf.any(|at| self.demand(at).listeners.take(query.listener) && other(at));
                    ControlFlow::<Infallible>::Continue(())
                });
            reached
        })
    }

    /// Whether an entry takes all that is left where the other one says what may stand there, and guards it no more.
    fn stands_back(&self, entry: &Entry, other: &Entry) -> bool {
        let guards = |entry: &Entry| &self.guards[entry.rule];
        is_for_the_rest(&entry.path, &other.path)
            && guards(entry).iter().all(|guard| guards(other).contains(guard))
    }
}

/// Whether a pattern takes all that is left where the other one says what may stand there.
fn is_for_the_rest(pattern: &Pattern, other: &Pattern) -> bool {
    let mut pieces = pattern.shape.iter().zip(&other.shape);
    pieces.find(|(piece, other)| piece != other).is_some_and(|(piece, _)| *piece == Segment::Rest)
}
