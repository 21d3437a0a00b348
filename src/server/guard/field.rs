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
#[derive(Clone, Copy)]
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
    pub(super) fn new(max_fields: u16) -> Self {
        let (name, value) = (Word::default(), Value::Any);
        Self { place: Place::Start, name, value, left: max_fields }
    }

    pub(super) fn advance(&mut self, input: &mut Input<'_>, facts: &mut Facts) -> Step<()> {
        loop {
            let next = match self.place {
                Place::Start => self.start(input)?,
                Place::Name => self.name(input, facts)?,
                Place::Value => self.value(input, facts)?,
                Place::Lf => line_feed(input)?.map(|()| Place::Start),
                Place::LastLf => return line_feed(input),
            };
            let Some(next) = next else { return Ok(None) };
            self.place = next;
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
                self.name = Word::default();
                Ok(Some(Place::Name))
            }
        }
    }

    fn name(&mut self, input: &mut Input<'_>, facts: &mut Facts) -> Step<Place> {
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
        Ok(Some(Place::Value))
    }

    fn value(&mut self, input: &mut Input<'_>, facts: &mut Facts) -> Step<Place> {
        self.value.take(input.value_run())?;
        match input.peek() {
            None => Ok(None),
            Some(b'\r') => {
                input.skip(1);
                facts.end(&self.value)?;
                Ok(Some(Place::Lf))
            }
            Some(_) => Err(Reject::RequestHeader),
        }
    }
}

fn line_feed(input: &mut Input<'_>) -> Step<()> {
    match input.peek() {
        None => Ok(None),
        Some(b'\n') => {
            input.skip(1);
            Ok(Some(()))
        }
        Some(_) => Err(Reject::RequestHeader),
    }
}
