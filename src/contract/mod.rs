//! Contracts: what an API's document says of each operation, and whether a message keeps to it.
//!
//! In: a document of OpenAPI 3.0 or 3.1, from a file. Out: an [`Api`]: its [`Operation`]s, each of which
//! becomes a route, and the document for those who read it. Or schemas alone, for one route. Everything is compiled at load; nothing is
//! fetched; regular expressions never go back. Nothing here knows of connections or routes.

mod answer;
mod body;
mod compile;
mod dialect;
mod document;
mod drift;
mod form;
mod lint;
mod mock;
mod multipart;
mod operation;
mod page;
mod parameter;
mod read;
mod schema;
mod security;
mod shape;
mod validate;
mod ways;

pub use self::{
    compile::{Api, Given, Policy},
    dialect::modernised,
    document::MAX_SIZE,
    drift::{Drift, Sample},
    lint::{Advice, lint},
    mock::Mocked,
    operation::{Head, Operation, reason},
    page::{OperationPage, Page},
};
