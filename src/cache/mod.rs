//! Stage 9, lookup, and its part of stage 11: answers kept.
//!
//! In: a request ready for the origin. Out: the answer, or a [`Miss`] that the answer is handed back
//! with. This is the stage's place; so far a configuration has no way to ask for a cache, so every
//! request misses and nothing is kept.

pub mod ban;
mod names;
pub mod object;
pub mod shelf;
pub mod stamps;
mod tags;
mod terms;

use http::request::Parts;

pub use self::{
    names::{CONTENT_LENGTH, Code, DATE, ETAG, LAST_MODIFIED},
    tags::Tags,
    terms::Terms,
};

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
