//! The request line (RFC 9112, 3): `method SP request-target SP HTTP-version CRLF`.
//!
//! In: bytes from the method's first on. Out: the version. One space between the parts, and CRLF at
//! the end: the leniencies that RFC 9112 permits here are how two parsers come to disagree.

use http::Version;

use super::{
    input::{Input, Step},
    octets::TOKEN,
    target::Target,
    word::Word,
};
use crate::reject::Reject;

/// What every version looks like; the zeros stand for digits.
const VERSION: &[u8] = b"HTTP/0.0";

/// A line so far.
pub(super) struct Line {
    place: Place,
    method: Word,
}

/// Where in the line the next byte stands.
enum Place {
    /// In the method.
    Method,
    /// In the target.
    Target(Target),
    /// In the version, before this byte of [`VERSION`], and its digits so far.
    Version(u8, [u8; 2]),
    /// Before the line end.
    Cr(Version),
    /// In the line end.
    Lf(Version),
}

impl Line {
    pub(super) const fn new() -> Self {
        Self { place: Place::Method, method: Word::new() }
    }

    /// Another line begins.
    pub(super) const fn clear(&mut self) {
        self.place = Place::Method;
        self.method.clear();
    }

    pub(super) fn advance(&mut self, input: &mut Input<'_>) -> Step<Version> {
        if matches!(self.place, Place::Method) {
            let Some(target) = method(&mut self.method, input)? else { return Ok(None) };
            self.place = Place::Target(target);
        }
        if let Place::Target(target) = &mut self.place {
            let Some(()) = target.advance(input)? else { return Ok(None) };
            self.place = Place::Version(0, [0; 2]);
        }
        if let Place::Version(at, digits) = &mut self.place {
            let Some(version) = version(at, digits, input)? else { return Ok(None) };
            self.place = Place::Cr(version);
        }
        if let Place::Cr(version) = self.place {
            let Some(()) = input.one(b'\r', Reject::RequestLine)? else { return Ok(None) };
            self.place = Place::Lf(version);
        }
        let Place::Lf(version) = self.place else { return Ok(None) };
        Ok(input.one(b'\n', Reject::RequestLine)?.map(|()| version))
    }
}

fn method(word: &mut Word, input: &mut Input<'_>) -> Step<Target> {
    let piece = input.run(&TOKEN);
    let Some(byte) = input.peek() else {
        word.add(piece);
        return Ok(None);
    };
    let method = word.join(piece);
    if byte != b' ' || method.is_empty() {
        return Err(Reject::RequestLine);
    }
    input.skip(1);
    Ok(Some(Target::of(method)))
}

/// A version that we do not speak is refused as such, at its last digit; what is no version at all
/// makes the line malformed.
fn version(at: &mut u8, digits: &mut [u8; 2], input: &mut Input<'_>) -> Step<Version> {
    // Nearly every request says this, so it is worth one comparison before eight.
    if *at == 0 && input.skip_prefix(b"HTTP/1.1") {
        return Ok(Some(Version::HTTP_11));
    }
    while let Some(&want) = VERSION.get(usize::from(*at)) {
        let Some(byte) = input.peek() else { return Ok(None) };
        let fits = if want == b'0' { byte.is_ascii_digit() } else { byte == want };
        if !fits {
            return Err(Reject::RequestLine);
        }
        if want == b'0' {
            *digits = [digits[1], byte];
        }
        *at += 1;
        input.skip(1);
    }
    match &*digits {
        b"11" => Ok(Some(Version::HTTP_11)),
        b"10" => Ok(Some(Version::HTTP_10)),
        _ => Err(Reject::RequestVersion),
    }
}
