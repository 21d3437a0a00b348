//! How an attempt to reach an origin fails: a reason for the client, details for the log.

use std::{error::Error as StdError, io, sync::Arc};

use super::pool::Pool;
use crate::{
    dial::NoConnection, message::BodyError, overload::Outcome, reject::Reject, stream::is_exhausted,
};

/// What is told of a cause, in bytes.
const CAUSE: usize = 300;

/// Why there is no answer from the origin.
#[derive(Debug)]
pub struct Failure {
    /// How the request ends for it.
    pub reject: Reject,
    /// The endpoint that was tried last.
    pub endpoint: Option<Arc<Pool>>,
    /// Whether an endpoint, that one or one before it, may have acted on the request.
    pub arrived: bool,
    /// What the system or library said. For the log only.
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Failure {
    /// A failure without an endpoint or a cause.
    pub const fn new(reject: Reject) -> Self {
        Self { reject, endpoint: None, arrived: false, source: None }
    }

    /// A failure for this cause.
    pub fn caused(reject: Reject, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { reject, endpoint: None, arrived: false, source: Some(source.into()) }
    }

    /// What it tells of the upstream: too slow, overloaded, or nothing that its load has to do with.
    pub fn outcome(&self) -> Outcome {
        use Reject::{
            ConnectFailed, ConnectRefused, ConnectTimeout, FirstByteTimeout, IdleTimeout,
            TotalTimeout, UpstreamReset,
        };
        let late = [ConnectTimeout, FirstByteTimeout, IdleTimeout, TotalTimeout];
        let overloaded = [ConnectFailed, ConnectRefused, UpstreamReset];
        match self.reject {
            reject if late.contains(&reject) => Outcome::Late,
            reject if overloaded.contains(&reject) => Outcome::Overloaded,
            _ => Outcome::Nothing,
        }
    }

    /// What the system or library said, from the outermost to the innermost, in one line; the beginning of
    /// what is long.
    pub fn cause(&self) -> Option<Box<str>> {
        let source = self.source.as_deref()?;
        let mut text = source.to_string();
        let mut next = source.source();
        while let Some(inner) = next {
            let said = inner.to_string();
            // Many repeat what they are made of.
            if !text.contains(&said) {
                text = format!("{text}: {said}");
            }
            next = inner.source();
        }
        text.truncate(text.floor_char_boundary(CAUSE));
        Some(text.into())
    }

    /// What a connect came to.
    pub fn from_connect(error: io::Error) -> Self {
        let reject = match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Reject::ConnectRefused,
            io::ErrorKind::TimedOut => Reject::ConnectTimeout,
            // No endpoint's fault, and no other would do better.
            _ if is_exhausted(&error) => Reject::OverloadSystem,
            _ => Reject::ConnectFailed,
        };
        Self::caused(reject, error)
    }

    /// What sending a request, or waiting for its answer, came to.
    pub fn from_exchange(error: hyper::Error) -> Self {
        if let Some(body) = find::<BodyError>(&error) {
            return Self::caused(body.reject(), error);
        }
        let reset = find::<io::Error>(&error).is_some()
            || error.is_incomplete_message()
            || error.is_canceled()
            || error.is_closed()
            // The request's body apart, which is no cause here: the library dropped the exchange.
            || error.is_user();
        let reject = match find::<h2::Error>(&error) {
            // What the library resets by itself is malformed or, without telling, too large.
            Some(h2) if h2.is_io() || h2.is_remote() => Reject::UpstreamReset,
            Some(_) => Reject::UpstreamProtocol,
            None if error.is_parse_too_large() => Reject::UpstreamHeaderTooLarge,
            None if reset => Reject::UpstreamReset,
            None => Reject::UpstreamProtocol,
        };
        Self::caused(reject, error)
    }
}

impl From<NoConnection> for Failure {
    fn from(error: NoConnection) -> Self {
        match error {
            NoConnection::Resolve(error) if is_exhausted(&error) => {
                Self::caused(Reject::OverloadSystem, error)
            }
            NoConnection::Resolve(error) => Self::caused(Reject::Resolve, error),
            NoConnection::Connect(error) => Self::from_connect(error),
        }
    }
}

/// What an answer's body broke off for: that the origin's connection ended, or that what came is not HTTP.
pub(super) fn of_body(error: &hyper::Error) -> Reject {
    let is_reset = match (find::<h2::Error>(error), find::<io::Error>(error)) {
        (Some(h2), _) => h2.is_io() || h2.is_remote(),
        // What the library says of chunks, and TLS of records.
        (None, Some(io)) => {
            !matches!(io.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
        }
        (None, None) => true,
    };
    if is_reset { Reject::UpstreamReset } else { Reject::UpstreamProtocol }
}

/// The first error of this type in a chain of causes.
pub(super) fn find<'a, E: StdError + 'static>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_to_its_root_and_no_further_than_a_line_is_long() {
        #[derive(Debug, thiserror::Error)]
        #[error("{0}")]
        struct Outer(String, #[source] io::Error);
        for (outer, inner, expected) in [
            ("no TLS", "no certificate", "no TLS: no certificate"),
            ("no TLS: no certificate", "no certificate", "no TLS: no certificate"),
        ] {
            let error = Outer(outer.into(), io::Error::other(inner));
            let cause = Failure::caused(Reject::UpstreamTls, error).cause();
            assert_eq!(cause.as_deref(), Some(expected));
        }
        let long = Failure::caused(Reject::UpstreamTls, "ä".repeat(1_000)).cause();
        assert_eq!(long.map(|cause| cause.len()), Some(CAUSE));
        assert_eq!(Failure::new(Reject::UpstreamTls).cause(), None);
    }

    #[test]
    fn a_failure_tells_of_load_only_if_it_is_the_upstreams() {
        for (reject, expected) in [
            (Reject::FirstByteTimeout, Outcome::Late),
            (Reject::TotalTimeout, Outcome::Late),
            (Reject::ConnectTimeout, Outcome::Late),
            (Reject::ConnectRefused, Outcome::Overloaded),
            (Reject::UpstreamReset, Outcome::Overloaded),
            (Reject::UpstreamProtocol, Outcome::Nothing),
            (Reject::Resolve, Outcome::Nothing),
            (Reject::BodyTooLarge, Outcome::Nothing),
            (Reject::RequestIncomplete, Outcome::Nothing),
        ] {
            assert_eq!(Failure::new(reject).outcome(), expected, "{reject:?}");
        }
    }
}
