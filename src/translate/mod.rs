//! Translation: clients speak one thing, and the origin another.
//!
//! In: a request that keeps to everything else, with its whole body; later the origin's whole answer. Out: both
//! as the other side speaks. What has no place in the other language is refused; nothing is left out, and
//! nothing is made by putting text together.

mod formats;
mod media;
pub mod soap;

use std::sync::Arc;

pub use self::formats::{Formats, Spoken};

/// What a route's origin speaks, where its clients speak something else.
#[derive(Clone, Debug)]
pub enum Translation {
    /// The other of JSON and XML.
    Formats(Arc<Formats>),
    /// SOAP.
    Soap(Arc<soap::Operation>),
    /// JSON, where clients speak SOAP.
    Door(Arc<soap::Door>),
}
