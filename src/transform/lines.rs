//! A stream of values as it goes by: a line of JSON for each, or an event.
//!
//! In: pieces of a body as they come. Out: the same stream, with what a filter makes of each value; it may be
//! several, or none. No more is held than a piece, and the line or the event that is not whole yet. What of an
//! event is no data stays, and comes with each event that is made of it. Lines of events end by CR, LF or both,
//! as clients read them, so that nothing of one gets round the filter.

use std::{mem, sync::Arc};

use bytes::{Buf as _, Bytes};
use http::HeaderMap;

use super::{
    filter::Known,
    section::{Effort, FEW_STEPS, Failed, Transform},
};
use crate::message::{essence, is_plain};

/// Steps that a line takes at least, and bytes of it that take one.
const EACH: u64 = 16;

/// What may stand before the first line (a byte order mark), and is none of it.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// The form of a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lines {
    /// A line of JSON for each value.
    Json,
    /// An event for each, of those that `EventSource` reads.
    Events,
}

impl Lines {
    /// The form of a body, by its header; none if it is no such stream.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let kind = headers.get(http::header::CONTENT_TYPE)?.to_str().ok()?;
        let form = match &*essence(kind) {
            "application/x-ndjson" | "application/jsonl" => Self::Json,
            "text/event-stream" => Self::Events,
            _ => return None,
        };
        is_plain(headers).then_some(form)
    }
}

/// How far a stream has come.
#[derive(Debug)]
pub enum Progress {
    /// What came has been looked at; there may be more.
    Through,
    /// As much was done as a worker may do at a time.
    Rest,
    /// A value that takes more than a worker may do.
    Beside(Item),
}

/// A value of a stream, and what of its event is no data.
#[derive(Debug)]
pub struct Item {
    by: Arc<By>,
    fields: Vec<u8>,
    value: Vec<u8>,
}

/// What a stream is changed by.
#[derive(Debug)]
struct By {
    transform: Arc<Transform>,
    known: Known,
    form: Lines,
}

/// A stream on its way through a filter.
#[derive(Debug)]
pub struct Pieces {
    by: Arc<By>,
    /// What came and was not looked at yet.
    rest: Bytes,
    /// Whether nothing more comes.
    ended: bool,
    /// Whether no line was there yet.
    fresh: bool,
    /// Whether a line ended by CR, of which a line feed may be a part.
    returned: bool,
    /// What came of a line so far.
    line: Vec<u8>,
    /// What an event has beside its data.
    fields: Vec<u8>,
    /// The data of the event so far, a line end behind each line.
    data: Vec<u8>,
}

impl Pieces {
    /// A stream at its beginning.
    pub fn new(transform: Arc<Transform>, known: Known, form: Lines) -> Self {
        Self {
            by: Arc::new(By { transform, known, form }),
            rest: Bytes::new(),
            ended: false,
            fresh: true,
            returned: false,
            line: Vec::new(),
            fields: Vec::new(),
            data: Vec::new(),
        }
    }

    /// Takes the next piece, when what came before has been looked at.
    pub fn feed(&mut self, piece: Bytes) {
        self.rest = piece;
    }

    /// Notes that nothing more comes. An event that is not whole then is none.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Writes what becomes of what came, as far as a worker may do that at a time.
    ///
    /// # Errors
    /// Why the stream cannot go on behind what was written.
    pub fn next(&mut self, out: &mut Vec<u8>) -> Result<Progress, Failed> {
        let mut steps = 0;
        while let Some(line) = self.whole_line()? {
            steps += EACH + line.len() as u64 / EACH;
            if let Some(item) = self.line(&line, out) {
                let before = out.len();
                match item.write(Effort::Little, out, &mut steps) {
                    Err(Failed::TooMuch) if self.by.transform.does_more() => {
                        out.truncate(before);
                        return Ok(Progress::Beside(item));
                    }
                    done => done?,
                }
            }
            if steps >= u64::from(FEW_STEPS) {
                return Ok(Progress::Rest);
            }
        }
        Ok(Progress::Through)
    }

    /// The next line, without its end.
    fn whole_line(&mut self) -> Result<Option<Vec<u8>>, Failed> {
        let events = self.by.form == Lines::Events;
        if self.returned && !self.rest.is_empty() {
            self.returned = false;
            if self.rest.first() == Some(&b'\n') {
                self.rest.advance(1);
            }
        }
        let ends = |byte: &u8| *byte == b'\n' || events && *byte == b'\r';
        let end = self.rest.iter().position(ends);
        let part = self.rest.split_to(end.unwrap_or(self.rest.len()));
        let held = self.line.len() + part.len() + self.fields.len() + self.data.len();
        if held as u64 > self.by.transform.max_body {
            return Err(Failed::TooLarge);
        }
        self.line.extend_from_slice(&part);
        if end.is_some() {
            self.returned = events && self.rest.first() == Some(&b'\r');
            self.rest.advance(1);
        }
        let last = self.ended && !events && !self.line.is_empty();
        Ok((end.is_some() || last).then(|| mem::take(&mut self.line)))
    }

    /// What a line ends: a value, if there is one.
    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<Item> {
        if self.by.form == Lines::Json {
            let text = line.strip_suffix(b"\r").unwrap_or(line);
            let some = !text.trim_ascii().is_empty();
            return some.then(|| self.item(Vec::new(), text.to_vec()));
        }
        let text = match mem::take(&mut self.fresh) {
            true => line.strip_prefix(MARK).unwrap_or(line),
            false => line,
        };
        if text.is_empty() {
            return self.event(out);
        }
        // Comments keep the connection alive: they do not wait.
        if text.starts_with(b":") {
            out.extend_from_slice(text);
            out.push(b'\n');
        } else if let Some(data) = text.strip_prefix(b"data:") {
            self.data.extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
            self.data.push(b'\n');
        } else if text == b"data" {
            self.data.push(b'\n');
        } else {
            self.fields.extend_from_slice(text);
            self.fields.push(b'\n');
        }
        None
    }

    /// The end of an event.
    fn event(&mut self, out: &mut Vec<u8>) -> Option<Item> {
        let (fields, mut data) = (mem::take(&mut self.fields), mem::take(&mut self.data));
        if data.pop().is_some() {
            return Some(self.item(fields, data));
        }
        // Without data it is no event, but says something of those to come.
        out.extend_from_slice(&fields);
        out.push(b'\n');
        None
    }

    fn item(&self, fields: Vec<u8>, value: Vec<u8>) -> Item {
        Item { by: self.by.clone(), fields, value }
    }
}

impl Item {
    /// What becomes of it, if all may be done that the operator says, on a stack of [`Transform::stack`].
    ///
    /// # Errors
    /// Why nothing does.
    pub fn make(&self) -> Result<Vec<u8>, Failed> {
        let mut out = Vec::new();
        self.write(Effort::All, &mut out, &mut 0)?;
        Ok(out)
    }

    /// The stack that this needs.
    pub fn stack(&self) -> usize {
        self.by.transform.stack()
    }

    /// Writes what becomes of it, each value between what stands before and behind it; counts the steps.
    fn write(&self, effort: Effort, out: &mut Vec<u8>, steps: &mut u64) -> Result<(), Failed> {
        let By { transform, known, form } = &*self.by;
        let (before, after): (&[u8], &[u8]) = match form {
            Lines::Json => (b"", b"\n"),
            Lines::Events => (b"data: ", b"\n\n"),
        };
        let mut write = |text: &[u8]| {
            out.extend_from_slice(&self.fields);
            for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
                if at > 0 {
                    out.push(b'\n');
                }
                out.extend_from_slice(before);
                out.extend_from_slice(line);
            }
            out.extend_from_slice(after);
        };
        match transform.item((&self.value, known), effort, steps, &mut write) {
            Err(Failed::Syntax(_)) if transform.passes_other => {
                write(&self.value);
                Ok(())
            }
            done => done,
        }
    }
}
