//! The portal: pages that show APIs to those who are to use them.
//!
//! In: APIs, and what their routes ask for. Out: [`Page`]s, made once at load; who may see which is their
//! routes' business, as of any other. The page that shows a document is Scalar's, from this binary: nothing
//! is taken from elsewhere, and its Content-Security-Policy allows nothing else.

mod document;
mod merged;
mod page;
mod prune;

pub use self::{
    document::{Enforced, document},
    merged::{Shown, merged},
    page::{ALL, Page, api, index, script},
};
