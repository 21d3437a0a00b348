//! Where a request was when its client gave it up, which the log is to say: an endpoint that lets clients
//! wait until they leave gives no answer that would name it.

use std::sync::{Arc, OnceLock};

use super::{Call, pool::Pool};

/// The try at which a request was given up, if it was.
#[derive(Debug, Default)]
pub struct GivenUp(OnceLock<Box<Try>>);

/// A try.
#[derive(Debug)]
pub struct Try {
    /// The endpoint that had the request.
    pub endpoint: Arc<Pool>,
    /// Endpoints that were tried, this one included.
    pub number: u32,
}

impl GivenUp {
    /// The try, told once.
    pub fn take(&mut self) -> Option<Box<Try>> {
        self.0.take()
    }
}

/// A request that is at an endpoint. Dropped before it is over, it says so; until then it costs nothing.
pub(super) struct AtEndpoint<'a> {
    given_up: Option<&'a GivenUp>,
    endpoint: &'a Arc<Pool>,
    number: u32,
}

impl<'a> AtEndpoint<'a> {
    /// The call's request is sent to this endpoint.
    #[inline]
    pub(super) const fn new(call: &Call<'a>, endpoint: &'a Arc<Pool>) -> Self {
        Self { given_up: call.given_up, endpoint, number: call.tries }
    }

    /// The endpoint has answered, or failed it.
    #[inline]
    pub(super) fn end(mut self) {
        self.given_up = None;
    }
}

impl Drop for AtEndpoint<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(given_up) = self.given_up {
            let at = Try { endpoint: self.endpoint.clone(), number: self.number };
            let _ = given_up.0.set(Box::new(at));
        }
    }
}
