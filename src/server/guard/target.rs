//! The request target (RFC 9112, 3.2), in its four forms.
//!
//! In: bytes from the target's first on. Out: done, after the space that ends it. Whether the form
//! suits the method is the chain's matter, but for CONNECT, whose target is nothing but an authority.
//! What passes here, `http::Uri` takes too: hyper would refuse the rest without a word.

use super::{
    authority::Authority,
    input::{Input, Step},
    octets::{PATH, QUERY},
};
use crate::reject::Reject;

/// Both schemes; the `s` may be left out.
const SCHEME: &[u8] = b"https://";
/// Where the `s` stands in it.
const SCHEME_S: u8 = 4;

/// Where in the target the next byte stands.
#[derive(Clone, Copy)]
pub(super) enum Target {
    /// Nothing has come.
    Start,
    /// After `*`.
    Asterisk,
    /// In a path.
    Path,
    /// In a query.
    Query,
    /// In `http://` or `https://`, before this byte of [`SCHEME`].
    Scheme(u8),
    /// In the authority of the absolute form.
    Absolute(Authority),
    /// In the authority that is all of CONNECT's target.
    Connect(Authority),
}

impl Target {
    pub(super) fn of(method: &[u8]) -> Self {
        if method == b"CONNECT" { Self::Connect(Authority::Empty) } else { Self::Start }
    }

    pub(super) fn advance(&mut self, input: &mut Input<'_>) -> Step<()> {
        loop {
            match self {
                Self::Path => input.skip_run(&PATH),
                Self::Query => input.skip_run(&QUERY),
                _ => {}
            }
            let Some(byte) = input.peek() else { return Ok(None) };
            if byte == b' ' && self.is_whole() {
                input.skip(1);
                return Ok(Some(()));
            }
            *self = self.with(byte).ok_or_else(|| self.fault(byte))?;
            input.skip(1);
        }
    }

    /// With one byte more, unless it may not stand here.
    fn with(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Start, b'/') => Some(Self::Path),
            (Self::Start, b'*') => Some(Self::Asterisk),
            (Self::Start, b'h' | b'H') => Some(Self::Scheme(1)),
            (Self::Path, b'?') => Some(Self::Query),
            (Self::Scheme(SCHEME_S), b':') => Some(Self::Scheme(SCHEME_S + 2)),
            (Self::Scheme(at), _) => match SCHEME.get(usize::from(at)..) {
                Some([want]) if *want == byte => Some(Self::Absolute(Authority::Empty)),
                Some([want, ..]) if *want == byte.to_ascii_lowercase() => {
                    Some(Self::Scheme(at + 1))
                }
                _ => None,
            },
            (Self::Absolute(authority), b'/') if authority.is_whole() => Some(Self::Path),
            (Self::Absolute(authority), b'?') if authority.is_whole() => Some(Self::Query),
            (Self::Absolute(authority), _) => authority.with(byte).map(Self::Absolute),
            (Self::Connect(authority), _) => authority.with(byte).map(Self::Connect),
            _ => None,
        }
    }

    const fn is_whole(self) -> bool {
        match self {
            Self::Start | Self::Scheme(_) => false,
            Self::Asterisk | Self::Path | Self::Query => true,
            Self::Absolute(authority) => authority.is_whole(),
            Self::Connect(authority) => authority.is_whole() && authority.has_port(),
        }
    }

    /// A line that ends too early, or that has no target at all, is the line's fault.
    const fn fault(self, byte: u8) -> Reject {
        match (byte, self) {
            (b'\r' | b'\n', _) | (b' ', Self::Start | Self::Connect(Authority::Empty)) => {
                Reject::RequestLine
            }
            _ => Reject::RequestTarget,
        }
    }
}
