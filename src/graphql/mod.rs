//! GraphQL: what clients may ask of a service, and its answers for clients that speak plain HTTP and JSON.
//!
//! In: a schema and documents, from files, at load; then requests of GraphQL over HTTP. Out: a [`Guard`], which
//! says of each operation what it is and what it costs, or why it may not be asked; and [`Stored`] operations,
//! each of which is a route of JSON, with a document of OpenAPI that describes them. Documents are read by
//! `apollo-compiler`, and never before they are bounded in tokens and depth. Pure: this sends nothing and waits
//! for nothing.

mod answer;
mod cost;
mod document;
mod guard;
mod memory;
mod openapi;
mod persisted;
mod request;
mod schema;
mod shape;
mod stored;

#[cfg(test)]
mod tests;
mod variables;
mod weights;

pub use self::{
    answer::{Form, errors},
    document::Kind,
    guard::{Asked, Checked, Given, Guard, Instead, OTHER},
    openapi::door,
    schema::Types,
    stored::{Answered, Stored, StoredSet},
};
use crate::{message::Violations, reject::Reject};

/// Why something is not taken.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The reason.
    pub reject: Reject,
    /// What is wrong.
    pub violations: Violations,
    /// What was asked, as far as that is known.
    pub asked: Option<Box<Asked>>,
}

impl Refused {
    /// With nothing to add to the reason.
    fn by(reject: Reject) -> Self {
        Self::with(reject, Violations::default())
    }

    fn with(reject: Reject, violations: impl Into<Violations>) -> Self {
        Self { reject, violations: violations.into(), asked: None }
    }
}
