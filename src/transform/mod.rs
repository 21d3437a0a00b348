//! Transformations: bodies of JSON changed by filters in the language of jq.
//!
//! In: filters, compiled once; then a body, and what is known of its message. Out: another body, and an answer's
//! status. The operator writes filters, strangers write bodies: a filter has so many steps for a body, and none
//! sees more than the message.

mod access;
mod arithmetic;
mod bound;
mod filter;
mod library;
mod lines;
mod patterns;
mod recursion;
mod removal;
mod search;
mod section;
mod value;
mod weight;

#[cfg(test)]
mod tests;

pub use self::{
    filter::{Known, Variable},
    lines::{Item, Lines, Pieces, Progress},
    section::{Effort, Failed, Made, Transform},
};
