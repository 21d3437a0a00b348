//! The search: a tree of path segments for each host, found by hash.
//!
//! In: shapes with the range of entries that have them; then a path in normal form. Out: the ranges
//! that take the path, the most specific first, one by one until the visitor has had enough. What an
//! entry is, and whether its conditions hold, is not known here.
//!
//! The cost is that of the path's length: one hash look-up for a segment. Only where patterns with a
//! literal and with a parameter both fit is more than one branch walked, and only as long as the
//! visitor wants more; the number of entries does not matter.

use std::ops::{ControlFlow, Range};

use super::{
    hash::Map,
    host::Host,
    params::Spans,
    pattern::{Pattern, Segment},
};

/// Entries of one host and shape, by their place in the table's list.
type Leaf = Range<usize>;

/// A place in a tree: what may follow after some segments.
#[derive(Debug, Default)]
pub(super) struct Tree {
    literals: Literals,
    param: Option<Box<Self>>,
    /// Entries that end here.
    end: Leaf,
    /// Entries that take all that is left.
    rest: Leaf,
}

impl Tree {
    fn insert(&mut self, shape: &[Segment], leaf: Leaf) {
        match shape {
            [] => self.end = leaf,
            [Segment::Rest, ..] => self.rest = leaf,
            [Segment::Param, shape @ ..] => self.param.get_or_insert_default().insert(shape, leaf),
            [Segment::Literal(text), shape @ ..] => {
                self.literals.entry(text).insert(shape, leaf);
            }
        }
    }

    /// Shows the entries that take a path, the most specific first, until the visitor breaks; the
    /// parameters' places are then in `spans`.
    #[inline]
    pub(super) fn walk<B>(
        &self,
        path: &str,
        spans: &mut Spans,
        visit: &mut impl FnMut(Leaf) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        if path.starts_with('/') {
            self.descend(path, Some(past_slashes(path, 1)), spans, visit)
        } else {
            // `*`, the target of an OPTIONS for the whole server: only what takes all takes it.
            spans.push(0, path.len());
            visit(self.rest.clone())?;
            spans.pop();
            ControlFlow::Continue(())
        }
    }

    /// Walks on from the segment that begins at `at`; none is left without it.
    fn descend<B>(
        &self,
        path: &str,
        at: Option<usize>,
        spans: &mut Spans,
        visit: &mut impl FnMut(Leaf) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let Some(at) = at else {
            return if self.end.is_empty() {
                ControlFlow::Continue(())
            } else {
                visit(self.end.clone())
            };
        };
        let length = path[at..].bytes().position(|byte| byte == b'/');
        let (end, next) = match length {
            Some(length) => (at + length, Some(past_slashes(path, at + length + 1))),
            None => (path.len(), None),
        };
        if let Some(tree) = self.literals.get(&path[at..end]) {
            tree.descend(path, next, spans, visit)?;
        }
        if let Some(tree) = self.param.as_deref().filter(|_| at < end) {
            spans.push(at, end);
            tree.descend(path, next, spans, visit)?;
            spans.pop();
        }
        if !self.rest.is_empty() {
            spans.push(at, path.len());
            visit(self.rest.clone())?;
            spans.pop();
        }
        ControlFlow::Continue(())
    }
}

/// The place after the slashes that stand at `at`: many divide two segments as one does.
#[inline]
fn past_slashes(path: &str, at: usize) -> usize {
    at + path.as_bytes()[at..].iter().take_while(|byte| **byte == b'/').count()
}

/// What follows by its text. Most places have one follower or none; without a map there is less
/// memory to touch, which is what a look-up in a large table costs.
#[derive(Debug, Default)]
enum Literals {
    #[default]
    None,
    One(Box<str>, Box<Tree>),
    Many(Map<Box<str>, Tree>),
}

impl Literals {
    #[inline]
    fn get(&self, text: &str) -> Option<&Tree> {
        match self {
            Self::None => None,
            Self::One(own, tree) => (**own == *text).then_some(tree),
            Self::Many(trees) => trees.get(text),
        }
    }

    /// The follower of this text, which is made if it is not there.
    fn entry(&mut self, text: &str) -> &mut Tree {
        *self = match std::mem::take(self) {
            Self::None => Self::One(text.into(), Box::default()),
            Self::One(own, tree) if *own != *text => {
                Self::Many([(own, *tree)].into_iter().collect())
            }
            same @ (Self::One(..) | Self::Many(_)) => same,
        };
        match self {
            Self::One(_, tree) => tree,
            Self::Many(trees) => trees.entry(text.into()).or_default(),
            Self::None => unreachable!("there is one by now"),
        }
    }
}

/// The trees of all hosts.
#[derive(Debug, Default)]
pub(super) struct Forest {
    exact: Map<Box<str>, Tree>,
    /// By what comes after the `*.`.
    below: Map<Box<str>, Tree>,
    /// Length of the longest name in `below`: what is longer needs no look-up, so that a long host
    /// costs its length and not the square of it.
    longest: usize,
    any: Tree,
}

impl Forest {
    /// Adds the entries of one host and shape.
    pub(super) fn insert(&mut self, host: &Host, pattern: &Pattern, leaf: Leaf) {
        let tree = match host {
            Host::Exact(name) => self.exact.entry(name.clone()).or_default(),
            Host::Below(_, name) => {
                self.longest = self.longest.max(name.len());
                self.below.entry(name.clone()).or_default()
            }
            Host::Any => &mut self.any,
        };
        tree.insert(&pattern.shape, leaf);
    }

    /// The tree of a pattern's host.
    pub(super) fn tree(&self, host: &Host) -> Option<&Tree> {
        match host {
            Host::Exact(name) => self.exact.get(name),
            Host::Below(_, name) => self.below.get(name),
            Host::Any => Some(&self.any),
        }
    }

    /// Whether it matters which host a request is for.
    #[inline]
    pub(super) fn has_hosts(&self) -> bool {
        !(self.exact.is_empty() && self.below.is_empty())
    }

    /// The trees for a host in normal form, the most specific first.
    #[inline]
    pub(super) fn of<'f>(&'f self, host: Option<&str>) -> impl Iterator<Item = &'f Tree> {
        let exact = host.and_then(|host| self.exact.get(host));
        let below = host.filter(|_| !self.below.is_empty()).into_iter().flat_map(|host| {
            let dots = host.bytes().enumerate().filter(|(at, byte)| *byte == b'.' && *at > 0);
            dots.map(|(at, _)| &host[at + 1..])
                .filter(|name| name.len() <= self.longest)
                .filter_map(|name| self.below.get(name))
        });
        exact.into_iter().chain(below).chain([&self.any])
    }
}
