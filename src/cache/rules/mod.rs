//! The rules of HTTP for caches, as pure functions: RFC 9110, 9111, 5861, 8246 and 9213.
//!
//! In: heads of requests and answers, times, a route's [`Policy`](super::policy::Policy). Out: what may be
//! kept and how ([`keep`]), what may be done with it later ([`reuse()`], [`on_error`], [`part`]), and what it
//! takes to keep it right ([`conditions`], [`is_about`], [`freshen()`], [`invalidates`]). No clock, no lock,
//! nothing is sent or read here; fields about one hop are gone before.
//!
//! ```text
//! request  -> Asked           kept answer -> Vary::matches -> reuse -> part -> the client
//! answer   -> Said, Vary -> keep -> Terms, fields to leave out
//! 304      -> is_about -> freshen -> keep
//! ```

mod asked;
mod combine;
mod conditional;
mod date;
mod dictionary;
mod etag;
mod freshen;
mod invalidate;
mod keep;
mod lifetime;
mod lists;
#[cfg(test)]
mod oracle;
mod preference;
mod ranges;
mod reuse;
mod said;
mod status;
mod terms;
#[cfg(test)]
mod tests;
mod validate;
mod vary;

pub use self::{
    asked::{Asked, is_plain},
    combine::{Piece, Pieces, are_of_one},
    conditional::{Part, Stored, part},
    freshen::freshen,
    invalidate::{also_invalid, invalidates, is_located},
    keep::{Exchange, Kept, Unkept, keep},
    ranges::Span,
    reuse::{Failed, Reuse, on_error, reuse},
    said::Said,
    status::{is_kept_unasked, is_never_kept},
    terms::{Terms, initial_age},
    validate::{conditions, is_about, is_of_head},
    vary::{Star, Vary},
};
