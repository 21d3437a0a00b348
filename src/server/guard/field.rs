//! Field lines up to the empty line (RFC 9112, 5): of a head, or of trailers.
//!
//! In: bytes from a line's first on. Out: done, after the empty line. A line that begins with white
//! space (obs-fold) and white space before the colon are refused; a bare CR or LF is, too.

use super::{
    facts::Facts,
    input::{Input, Step},
    octets::TOKEN,
    value::Value,
    word::Word,
};
use crate::reject::Reject;

/// The longest field name that the `http` crate takes.
const LONGEST_NAME: usize = 65_535;

/// The lines of one section so far.
pub(super) struct Fields {
    place: Place,
    name: Word,
    value: Value,
    /// How many fields may still come.
    left: u16,
}

/// Where the next byte stands.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Place {
    /// At the beginning of a line.
    Start,
    /// In a name.
    Name,
    /// In a value.
    Value,
    /// In a field's line end.
    Lf,
    /// In the empty line's.
    LastLf,
}

impl Fields {
    pub(super) const fn new() -> Self {
        Self { place: Place::Start, name: Word::new(), value: Value::Any, left: 0 }
    }

    /// Another section begins.
    pub(super) const fn clear(&mut self, max_fields: u16) {
        self.place = Place::Start;
        self.left = max_fields;
    }

    pub(super) fn advance(&mut self, input: &mut Input<'_>, facts: &mut Facts) -> Step<()> {
        loop {
            if self.place == Place::Start {
                let Some(place) = self.start(input)? else { return Ok(None) };
                self.place = place;
            }
            if self.place == Place::Name {
                let Some(()) = self.name(input, facts)? else { return Ok(None) };
                self.place = Place::Value;
            }
            if self.place == Place::Value {
                let Some(()) = self.value(input, facts)? else { return Ok(None) };
                self.place = Place::Lf;
            }
            let Some(()) = input.one(b'\n', Reject::RequestHeader)? else { return Ok(None) };
            if self.place == Place::LastLf {
                return Ok(Some(()));
            }
            self.place = Place::Start;
        }
    }

    fn start(&mut self, input: &mut Input<'_>) -> Step<Place> {
        match input.peek() {
            None => Ok(None),
            Some(b'\r') => {
                input.skip(1);
                Ok(Some(Place::LastLf))
            }
            Some(_) => {
                self.left = self.left.checked_sub(1).ok_or(Reject::TooManyHeaders)?;
                self.name.clear();
                Ok(Some(Place::Name))
            }
        }
    }

    fn name(&mut self, input: &mut Input<'_>, facts: &mut Facts) -> Step<()> {
        let piece = input.run(&TOKEN);
        let Some(byte) = input.peek() else {
            self.name.add(piece);
            return Ok(None);
        };
        let length = self.name.length_with(piece);
        if byte != b':' || length == 0 {
            return Err(Reject::RequestHeader);
        }
        if length > LONGEST_NAME {
            return Err(Reject::HeaderTooLarge);
        }
        input.skip(1);
        self.value = facts.begin(self.name.join(piece))?;
        Ok(Some(()))
    }

    fn value(&mut self, input: &mut Input<'_>, facts: &mut Facts) -> Step<()> {
        let piece = input.value_run();
        // Nearly every field is one that does not matter.
        let matters = !matches!(self.value, Value::Any);
        if matters {
            self.value.take(piece)?;
        }
        let Some(()) = input.one(b'\r', Reject::RequestHeader)? else { return Ok(None) };
        if matters {
            facts.end(&self.value)?;
        }
        Ok(Some(()))
    }
}
