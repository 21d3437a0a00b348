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

/// Where in the line the next byte stands.
pub(super) enum Line {
    /// In the method.
    Method(Word),
    /// In the target.
    Target(Target),
    /// In the version, before this byte of [`VERSION`], and its digits so far.
    Version(usize, [u8; 2]),
    /// Before the line end.
    Cr(Version),
    /// In the line end.
    Lf(Version),
}

impl Default for Line {
    fn default() -> Self {
        Self::Method(Word::default())
    }
}

impl Line {
    pub(super) fn advance(&mut self, input: &mut Input<'_>) -> Step<Version> {
        loop {
            let next = match self {
                Self::Method(word) => method(word, input)?.map(Self::Target),
                Self::Target(target) => target.advance(input)?.map(|()| Self::Version(0, [0; 2])),
                Self::Version(at, digits) => version(at, digits, input)?.map(Self::Cr),
                Self::Cr(version) => line_end(input, b'\r')?.map(|()| Self::Lf(*version)),
                Self::Lf(version) => return Ok(line_end(input, b'\n')?.map(|()| *version)),
            };
            let Some(next) = next else { return Ok(None) };
            *self = next;
        }
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
fn version(at: &mut usize, digits: &mut [u8; 2], input: &mut Input<'_>) -> Step<Version> {
    while let Some(&want) = VERSION.get(*at) {
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

fn line_end(input: &mut Input<'_>, want: u8) -> Step<()> {
    match input.peek() {
        None => Ok(None),
        Some(byte) if byte == want => {
            input.skip(1);
            Ok(Some(()))
        }
        Some(_) => Err(Reject::RequestLine),
    }
}
