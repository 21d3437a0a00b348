//! Stages 4 and 5, identify and authorize: who is it, and may they do this.
//!
//! In: the request's head. Out: an [`Identity`], which later stages are handed as a value: limits by
//! identity, the log's user, header fields for the origin. This is the stages' place; so far a
//! configuration has no way to ask for an identity, so everybody is a stranger and may do all.

use http::HeaderMap;

use crate::reject::Reject;

/// Who makes a request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Identity {
    /// Nobody asked.
    #[default]
    Stranger,
}

/// What a route asks of an identity.
#[derive(Clone, Debug, Default)]
pub struct Auth {}

impl Auth {
    /// Finds out who makes a request. It may have to ask somebody, so it may wait.
    ///
    /// # Errors
    /// Why nobody can be made out.
    pub async fn identify(&self, _headers: &HeaderMap) -> Result<Identity, Reject> {
        Ok(Identity::Stranger)
    }

    /// Whether this identity may make this request.
    ///
    /// # Errors
    /// What it lacks.
    pub fn authorize(&self, _who: &Identity) -> Result<(), Reject> {
        Ok(())
    }
}
