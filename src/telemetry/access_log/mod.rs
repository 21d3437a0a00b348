//! The access log: [`AccessLog`] takes a line for each request and writes it some moments later.
//!
//! In: a worker's index and a [`Record`]. Out: lines at a sink, in batches. A worker only formats into
//! a buffer of its own; one thread takes the buffers away and writes them. So a request makes no
//! system call here and meets no other worker. Memory is bounded; a sink that is slow, full or gone
//! costs lines, which are counted, and never a request.
//!
//! A reload replaces the object. The old one ends when its last holder lets go, and writes what it has.

mod fault;
mod lanes;
mod losses;
mod sink;
mod writer;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use self::{
    lanes::{Appended, Lanes},
    writer::Writer,
};
pub use self::{
    losses::Losses,
    sink::{OpenError, Sink},
};
use super::{Format, Paint, Record, Redaction, write_json, write_text};

/// What an access log is made of. A reload that changes none of it keeps the [`AccessLog`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Options {
    /// Where lines go.
    pub sink: Sink,
    /// Their form.
    pub format: Format,
    /// What they leave out.
    pub redaction: Redaction,
    /// How many workers have a buffer of their own.
    pub workers: usize,
    /// Bytes for lines that are not yet written, all buffers together.
    pub buffer: usize,
}

/// The access log, or none.
#[derive(Debug)]
pub struct AccessLog {
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    options: Options,
    form: Form,
    lanes: Arc<Lanes>,
    losses: Arc<Losses>,
    writer: Writer,
}

/// A form that is decided.
#[derive(Clone, Copy, Debug)]
enum Form {
    Json,
    Text(Paint),
}

impl Form {
    fn decide(format: Format, terminal: bool) -> Self {
        match (format, terminal) {
            (Format::Json, _) | (Format::Auto, false) => Self::Json,
            (Format::Text, false) => Self::Text(Paint::Plain),
            (Format::Text | Format::Auto, true) => Self::Text(Paint::Colour),
        }
    }
}

impl AccessLog {
    /// None: lines cost nothing and go nowhere.
    pub const fn off() -> Self {
        Self { running: None }
    }

    /// Opens the sink and starts the thread that writes. `losses` outlive the log: pass the same ones
    /// at every reload.
    pub fn open(options: Options, losses: Arc<Losses>) -> Result<Self, OpenError> {
        let output = options.sink.open()?;
        let form = Form::decide(options.format, output.is_terminal());
        let lanes = Arc::new(Lanes::new(options.workers, options.buffer));
        let writer = Writer::start(output, Arc::clone(&lanes), Arc::clone(&losses))
            .map_err(OpenError::Thread)?;
        Ok(Self { running: Some(Running { options, form, lanes, losses, writer }) })
    }

    /// Whether lines go anywhere; if not, there is no need to make a record.
    pub const fn is_on(&self) -> bool {
        self.running.is_some()
    }

    /// What the log is made of; `None` if it is off.
    pub fn options(&self) -> Option<&Options> {
        self.running.as_ref().map(|running| &running.options)
    }

    /// Takes a line. It never waits for the sink; if the worker's buffer is full the line is lost and
    /// counted.
    pub fn write(&self, worker: usize, record: &Record<'_>) {
        let Some(running) = &self.running else { return };
        let redaction = &running.options.redaction;
        let appended = running.lanes.append(worker, |out| match running.form {
            Form::Json => write_json(record, redaction, out),
            Form::Text(paint) => write_text(record, redaction, paint, out),
        });
        match appended {
            Appended::Kept => {}
            Appended::Pressing => running.writer.wake(),
            Appended::Lost => running.losses.lose(1),
        }
    }

    /// Asks for the file to be opened anew, as after a rotation. If that fails, the old one stays.
    pub fn reopen(&self) {
        if let Some(running) = &self.running {
            running.writer.reopen();
        }
    }

    /// Waits until the lines taken and the reopening asked for before this call are done, but no
    /// longer than `bound`. Says whether they are. It blocks: not for a worker.
    pub fn settle(&self, bound: Duration) -> bool {
        self.running.as_ref().is_none_or(|running| running.writer.settle(bound))
    }

    /// Writes what is left and ends, but waits no longer than `bound`. Says whether all was tried;
    /// lines that come later are lost and counted. It blocks: not for a worker.
    pub fn finish(&self, bound: Duration) -> bool {
        self.running.as_ref().is_none_or(|running| running.writer.finish(bound))
    }
}
