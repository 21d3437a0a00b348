//! The chunks of a chunked body (RFC 9112, 7.1), up to and with the line of the last one.
//!
//! In: bytes from the first chunk's size on. Out: done, before the trailers. Data is skipped, not read.
//! Extensions are let through as bytes that a field value may have: nobody here or behind us reads them.

use super::input::{Input, Step};
use crate::reject::Reject;

/// How many digits a size may have; leading zeros count.
const MAX_DIGITS: u8 = 16;
/// How many bytes the extensions of one body may have together, hyper's own bound.
const MAX_EXTENSIONS: u16 = 16 * 1024 - 1;

/// The chunks of one body so far.
pub(super) struct Chunks {
    place: Place,
    /// The size so far, then how much of the data is still to come.
    left: u64,
    digits: u8,
    /// How many bytes of extensions may still come.
    extensions_left: u16,
}

/// Where the next byte stands.
#[derive(Clone, Copy)]
enum Place {
    Size,
    /// In the white space between a size and its `;`.
    Space,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
}

impl Chunks {
    pub(super) const fn new() -> Self {
        Self { place: Place::Size, left: 0, digits: 0, extensions_left: MAX_EXTENSIONS }
    }

    pub(super) fn advance(&mut self, input: &mut Input<'_>) -> Step<()> {
        loop {
            let Some(byte) = input.peek() else { return Ok(None) };
            if matches!(self.place, Place::Data) {
                skip(input, &mut self.left);
                if self.left == 0 {
                    self.place = Place::DataCr;
                }
                continue;
            }
            self.place = self.take(byte).ok_or(Reject::RequestChunk)?;
            input.skip(1);
            if matches!(self.place, Place::Data) && self.left == 0 {
                return Ok(Some(()));
            }
        }
    }

    /// Takes one byte that is not data, unless it may not stand here.
    fn take(&mut self, byte: u8) -> Option<Place> {
        match (self.place, byte) {
            (Place::Size, _) if byte.is_ascii_hexdigit() => self.take_digit(byte),
            (Place::Size | Place::Extension, b'\r') if self.digits > 0 => Some(Place::SizeLf),
            (Place::Size | Place::Space, b' ' | b'\t') if self.digits > 0 => {
                self.take_extension(Place::Space)
            }
            (Place::Size | Place::Space, b';') if self.digits > 0 => {
                self.take_extension(Place::Extension)
            }
            (Place::Extension, b'\t' | b' '..=0x7E | 0x80..) => {
                self.take_extension(Place::Extension)
            }
            (Place::SizeLf, b'\n') => Some(Place::Data),
            (Place::DataCr, b'\r') => Some(Place::DataLf),
            (Place::DataLf, b'\n') => {
                self.digits = 0;
                Some(Place::Size)
            }
            _ => None,
        }
    }

    /// A size is below 2^63, so that it can be added up and cast without a thought.
    fn take_digit(&mut self, byte: u8) -> Option<Place> {
        let digit = char::from(byte).to_digit(16)?;
        self.digits = self.digits.checked_add(1).filter(|&digits| digits <= MAX_DIGITS)?;
        self.left = self.left.checked_mul(16)?.checked_add(u64::from(digit))?;
        i64::try_from(self.left).ok().map(|_| Place::Size)
    }

    fn take_extension(&mut self, place: Place) -> Option<Place> {
        self.extensions_left = self.extensions_left.checked_sub(1)?;
        Some(place)
    }
}

/// Skips what is left of a body or a chunk, as far as it has come.
pub(super) fn skip(input: &mut Input<'_>, left: &mut u64) {
    let come = u64::try_from(input.len()).unwrap_or(u64::MAX);
    let taken = come.min(*left);
    *left -= taken;
    input.skip(usize::try_from(taken).unwrap_or(usize::MAX));
}
