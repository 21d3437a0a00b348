//! Stage 9, lookup, and its part of stage 11: answers kept.
//!
//! In: a request ready for the origin. Out: the answer, or a [`Miss`] that the answer is handed back
//! with. This is the stage's place; so far a configuration has no way to ask for a cache, so every
//! request misses and nothing is kept.

pub mod policy;
pub mod rules;

use http::request::Parts;

/// What a route keeps.
#[derive(Clone, Debug, Default)]
pub struct Cache {}

/// A request that has to go to the origin; its answer is kept under this, if at all.
#[derive(Debug)]
pub struct Miss {}

impl Cache {
    /// Looks for an answer.
    pub fn lookup(&self, _head: &Parts) -> Miss {
        Miss {}
    }
}
