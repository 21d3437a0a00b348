//! The values of the fields that frame, route or upgrade a message, as they come.
//!
//! In: a value's bytes, already known to be ones that may stand in a value. Out: what it says, once it
//! has ended. Which fields may stand together is `facts`' matter.

use super::{authority::Authority, list::List};
use crate::reject::Reject;

/// A value so far.
pub(super) enum Value {
    /// Any other field's.
    Any,
    /// `Content-Length`.
    Length(Single<Length>),
    /// `Transfer-Encoding`.
    Coding(Single<Coding>),
    /// `Host`.
    Host(Single<Authority>),
    /// `Connection`.
    Connection(List),
    /// `Upgrade`.
    Upgrade(List),
}

impl Value {
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), Reject> {
        let (fits, refusal) = match self {
            Self::Any => return Ok(()),
            Self::Length(length) => (length.take(bytes), Reject::RequestFraming),
            Self::Coding(coding) => (coding.take(bytes), Reject::RequestFraming),
            Self::Host(host) => (host.take(bytes), Reject::RequestHost),
            Self::Connection(list) | Self::Upgrade(list) => {
                list.take(bytes);
                return Ok(());
            }
        };
        if fits { Ok(()) } else { Err(refusal) }
    }
}

/// Something that is known byte by byte.
pub(super) trait Shape {
    /// Takes one byte, unless it may not stand here.
    fn take(&mut self, byte: u8) -> bool;

    /// How many of the bytes that come next it would take without becoming another.
    fn run(&self, _next: &[u8]) -> usize {
        0
    }
}

/// One thing, with optional white space around it and none within.
#[derive(Default)]
pub(super) struct Single<T> {
    /// The thing.
    pub(super) thing: T,
    place: Place,
}

/// Where the next byte stands.
#[derive(Clone, Copy, Default)]
enum Place {
    #[default]
    Before,
    Within,
    After,
}

impl<T: Shape> Single<T> {
    fn take(&mut self, mut bytes: &[u8]) -> bool {
        while let Some((&byte, rest)) = bytes.split_first() {
            bytes = rest;
            match (byte, self.place) {
                (b' ' | b'\t', Place::Before | Place::After) => {}
                (b' ' | b'\t', Place::Within) => self.place = Place::After,
                (_, Place::After) => return false,
                (_, Place::Before | Place::Within) => {
                    self.place = Place::Within;
                    if !self.thing.take(byte) {
                        return false;
                    }
                    bytes = rest.get(self.thing.run(rest)..).unwrap_or_default();
                }
            }
        }
        true
    }
}

impl Shape for Authority {
    fn take(&mut self, byte: u8) -> bool {
        let next = self.with(byte);
        *self = next.unwrap_or(*self);
        next.is_some()
    }

    fn run(&self, next: &[u8]) -> usize {
        self.name_run(next)
    }
}

/// `Content-Length = 1*DIGIT` (RFC 9110, 8.6), below 2^63; none before the first digit.
#[derive(Default)]
pub(super) struct Length(pub(super) Option<u64>);

impl Shape for Length {
    fn take(&mut self, byte: u8) -> bool {
        let next = self.0.unwrap_or(0).checked_mul(10);
        let next = next.and_then(|length| length.checked_add(u64::from(byte.wrapping_sub(b'0'))));
        self.0 = next.filter(|&length| byte.is_ascii_digit() && i64::try_from(length).is_ok());
        self.0.is_some()
    }
}

/// The word `chunked`, of which so many letters have come.
#[derive(Default)]
pub(super) struct Coding(usize);

impl Coding {
    const CHUNKED: &[u8] = b"chunked";

    pub(super) const fn is_chunked(&self) -> bool {
        self.0 == Self::CHUNKED.len()
    }
}

impl Shape for Coding {
    fn take(&mut self, byte: u8) -> bool {
        let fits = Self::CHUNKED.get(self.0) == Some(&byte.to_ascii_lowercase());
        self.0 += 1;
        fits
    }
}
