//! What the process says: its own log on standard error, and a line for each request.
//!
//! In: settings at load, a [`Record`] when a request ends. Out: lines. The two logs share nothing: the
//! daemon's goes through `tracing` and is for rare events, the access log never does, because an
//! event there costs allocations and locks. Neither knows the configuration's types or a refusal.

mod access_log;
mod daemon;
mod line;

pub use self::{
    access_log::{AccessLog, Losses, OpenError, Options, Sink},
    daemon::{Handle, InitError, LevelError, check_level, init},
    line::{Operation, Paint, Record, Redaction, Tls, write_json, write_text},
};

/// The form of a log.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Format {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// A JSON object on a line.
    Json,
    /// A line of text, in colours on a terminal.
    Text,
}
