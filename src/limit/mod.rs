//! Stage 6, limit: how much, and when.
//!
//! In: whose request it is, as a [`Key`] that the chain makes. Out: nothing, at once or after a wait,
//! or the reason why not. This is the stage's place; so far a configuration has no way to name a
//! limit, so nothing waits.

mod gcra;
mod table;

use std::net::IpAddr;

use crate::reject::Reject;

/// Whose allowance a request takes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A client's address; none for a Unix socket.
    Ip(Option<IpAddr>),
}

/// The limits of a route.
#[derive(Clone, Debug, Default)]
pub struct Limiter {}

impl Limiter {
    /// Takes from the allowance, waiting if that is what the limit says.
    ///
    /// # Errors
    /// The limit that is reached.
    pub async fn take(&self, _key: Key) -> Result<(), Reject> {
        Ok(())
    }
}
