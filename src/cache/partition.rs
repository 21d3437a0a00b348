//! [`Partition`]: what beside the URL tells a route's answers apart, so that nobody is given another's.
//!
//! In: a request, before anything is taken off it. Out: an [`Asking`], with a digest of 128 bits, keyed, so that
//! nobody outside can make two of them meet.

use std::hash::Hasher;

use http::{
    HeaderMap, HeaderName,
    header::{AUTHORIZATION, COOKIE},
};

use super::Memory;
use crate::key::{Ask, Part, Recipe, Who};

/// What beside the URL tells a route's answers apart.
#[derive(Debug)]
pub struct Partition {
    /// The digests of route and upstream, by the number of the way.
    bases: Box<[u128]>,
    recipe: Recipe,
}

/// What a request says of itself before it is made ready for the origin.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    /// Whose answers are told apart from its own.
    pub partition: u128,
    /// The scheme by which its client came.
    pub scheme: &'static str,
    /// Whether it has credentials by which its answers are not told apart.
    pub authorized: bool,
}

impl Partition {
    pub(super) const fn new(bases: Box<[u128]>, recipe: Recipe) -> Self {
        Self { bases, recipe }
    }

    /// What a request says of itself, which goes the way of this number. `is_foreign` is asked whether it has
    /// `Authorization` that goes on to the origin, and by which nobody knows who makes it.
    #[inline]
    pub fn asking(
        &self,
        memory: &Memory,
        ask: &Ask<'_>,
        (way, scheme): (usize, &'static str),
        is_foreign: impl FnOnce() -> bool,
    ) -> Asking {
        let base = self.bases.get(way).copied().unwrap_or_default();
        let partition = match &*self.recipe.parts {
            [] => base,
            _ => memory.digest(|hasher: &mut dyn Hasher| {
                let mut hasher = hasher;
                hasher.write_u128(base);
                self.recipe.feed_said(ask, &mut hasher);
            }),
        };
        Asking { partition, scheme, authorized: self.is_authorized(ask, is_foreign) }
    }

    /// Whether a request has credentials by which its answers are not told apart.
    fn is_authorized(&self, ask: &Ask<'_>, is_foreign: impl FnOnce() -> bool) -> bool {
        let apart = |wanted: fn(&Part) -> bool| self.recipe.parts.iter().any(wanted);
        let by_field = || apart(|part| *part == Part::Header(AUTHORIZATION));
        if ask.who.is_some_and(Who::is_somebody) && apart(|part| *part == Part::Identity) {
            return is_foreign() && !by_field();
        }
        ask.who.is_some() || ask.headers.contains_key(AUTHORIZATION) && !by_field()
    }

    /// Whether a request has cookies by which its answers are not told apart.
    pub fn has_cookies(&self, request: &HeaderMap) -> bool {
        let by = |part: &Part| match part {
            Part::Cookie(_) => true,
            Part::Header(name) => *name == COOKIE,
            _ => false,
        };
        request.contains_key(COOKIE) && !self.recipe.parts.iter().any(by)
    }

    /// The header fields by which answers are told apart.
    pub fn fields(&self) -> impl Iterator<Item = &HeaderName> {
        self.recipe.parts.iter().filter_map(|part| match part {
            Part::Header(name) => Some(name),
            _ => None,
        })
    }

    /// What it is, for people.
    pub fn describe(&self) -> Option<String> {
        (!self.recipe.parts.is_empty()).then(|| self.recipe.names().join(" and "))
    }
}
