//! A stream of values as it goes by: a line of JSON for each, or an event.
//!
//! In: pieces of a body as they come. Out: the same stream, with what a filter makes of each value; it may be
//! several, or none. No more is held than the line or the event that is not whole yet. What of an event is no
//! data stays, and comes with each event that is made of it.

use std::{mem, sync::Arc};

use http::HeaderMap;

use super::{
    filter::Known,
    section::{Failed, Transform},
};
use crate::message::{essence, is_plain};

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

/// A stream on its way through a filter.
#[derive(Debug)]
pub struct Pieces {
    transform: Arc<Transform>,
    known: Known,
    form: Lines,
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
        let (line, fields, data) = (Vec::new(), Vec::new(), Vec::new());
        Self { transform, known, form, line, fields, data }
    }

    /// Writes what becomes of the next piece.
    ///
    /// # Errors
    /// Why the stream cannot go on behind what was written.
    pub fn piece(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Failed> {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            let held = self.line.len() + self.fields.len() + self.data.len();
            if held as u64 > self.transform.max_body {
                return Err(Failed::TooLarge);
            }
            if self.line.ends_with(b"\n") {
                let line = mem::take(&mut self.line);
                self.line(&line, out)?;
            }
        }
        Ok(())
    }

    /// Writes what becomes of what is left at the end. An event that is not whole is none.
    ///
    /// # Errors
    /// Why it cannot be.
    pub fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Failed> {
        let line = mem::take(&mut self.line);
        match self.form {
            Lines::Json => self.line(&line, out),
            Lines::Events => Ok(()),
        }
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), Failed> {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        match self.form {
            Lines::Json if text.trim_ascii().is_empty() => Ok(()),
            Lines::Json => self.value(text, (b"", b""), b"\n", out),
            Lines::Events if text.is_empty() => self.event(out),
            // Comments keep the connection alive: they do not wait.
            Lines::Events if text.starts_with(b":") => {
                out.extend_from_slice(line);
                Ok(())
            }
            Lines::Events => {
                match text.strip_prefix(b"data:") {
                    Some(data) => {
                        self.data.extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
                        self.data.push(b'\n');
                    }
                    None if text == b"data" => self.data.push(b'\n'),
                    None => {
                        self.fields.extend_from_slice(text);
                        self.fields.push(b'\n');
                    }
                }
                Ok(())
            }
        }
    }

    /// The end of an event.
    fn event(&mut self, out: &mut Vec<u8>) -> Result<(), Failed> {
        let (fields, data) = (mem::take(&mut self.fields), mem::take(&mut self.data));
        match data.strip_suffix(b"\n") {
            Some(data) => self.value(data, (&fields, b"data: "), b"\n\n", out),
            // Without data it is no event, but says something of those to come.
            None => {
                out.extend_from_slice(&fields);
                out.push(b'\n');
                Ok(())
            }
        }
    }

    /// What becomes of a value, between what stands before and behind it.
    fn value(
        &self,
        value: &[u8],
        (fields, before): (&[u8], &[u8]),
        after: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Failed> {
        let mut write = |text: &[u8]| {
            out.extend_from_slice(fields);
            for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
                if at > 0 {
                    out.push(b'\n');
                }
                out.extend_from_slice(before);
                out.extend_from_slice(line);
            }
            out.extend_from_slice(after);
        };
        match self.transform.item(value, &self.known, &mut write) {
            Err(Failed::Syntax(_)) if self.transform.passes_other => {
                write(value);
                Ok(())
            }
            done => done,
        }
    }
}
