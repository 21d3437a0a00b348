//! Stage 3, access: who may come in, by address and header lists.
//!
//! In: the client's address and the request's header fields. Out: nothing, or the reason why not.
//! This is the stage's place: a route's [`Access`] is compiled here and the chain asks it. So far a
//! configuration has no way to name a list, so there is one kind: everybody.

use std::net::IpAddr;

use http::HeaderMap;

use crate::reject::Reject;

/// The lists of a route.
#[derive(Clone, Debug, Default)]
pub struct Access {}

impl Access {
    /// Admits a request, or says why not.
    ///
    /// # Errors
    /// The list that refuses it.
    pub fn admit(&self, _client: Option<IpAddr>, _headers: &HeaderMap) -> Result<(), Reject> {
        Ok(())
    }
}
