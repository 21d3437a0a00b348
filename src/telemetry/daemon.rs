//! The daemon's own log: `tracing` events on standard error.
//!
//! In: a level or filter and a form, at start and at each reload. Out: a [`Handle`] that changes them.
//! An event is one write to standard error on the caller's thread, so a worker must not make one for
//! each request. A standard error that is full or closed loses the event and nothing else.

use std::{
    fmt,
    io::{self, IsTerminal as _},
};

use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::LevelFilter, layer::SubscriberExt as _, reload,
    util::SubscriberInitExt as _,
};

use super::Format;

type Filtered = tracing_subscriber::layer::Layered<reload::Layer<EnvFilter, Registry>, Registry>;
type Output = Box<dyn Layer<Filtered> + Send + Sync>;

/// Changes the daemon's log while it runs.
#[derive(Clone)]
pub struct Handle {
    filter: reload::Handle<EnvFilter, Registry>,
    output: reload::Handle<Output, Filtered>,
}

/// A level that is none.
#[derive(Debug, thiserror::Error)]
#[error("`{level}` is no log level: {why}")]
pub struct LevelError {
    level: String,
    why: String,
}

/// Why the daemon's log could not be set.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The level is none.
    #[error(transparent)]
    Level(#[from] LevelError),
    /// The process has a log already.
    #[error("the process has a log already")]
    Again,
    /// The log that [`init`] made is gone.
    #[error("the log is gone")]
    Gone(#[from] reload::Error),
}

/// Starts the daemon's log, once in the life of the process.
pub fn init(level: &str, format: Format) -> Result<Handle, InitError> {
    let (filter, filter_handle) = reload::Layer::new(filter(level)?);
    let (output, output_handle) = reload::Layer::new(output(format));
    tracing_subscriber::registry()
        .with(filter)
        .with(output)
        .try_init()
        .map_err(|_| InitError::Again)?;
    Ok(Handle { filter: filter_handle, output: output_handle })
}

impl fmt::Debug for Handle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Handle {
    /// Changes level and form; a bad level changes neither.
    pub fn change(&self, level: &str, format: Format) -> Result<(), InitError> {
        let filter = filter(level)?;
        self.output.reload(output(format))?;
        self.filter.reload(filter)?;
        Ok(())
    }
}

/// Says whether [`init`] would take this level: `"info"`, or a filter such as `"info,hyper=debug"`.
pub fn check_level(level: &str) -> Result<(), LevelError> {
    filter(level).map(drop)
}

fn filter(level: &str) -> Result<EnvFilter, LevelError> {
    let refuse = |why: String| LevelError { level: level.to_owned(), why };
    // A lone word that is no level would be taken for a module at its finest level: with a slip like
    // "inof" the log is silent, and nobody knows why.
    let words: Vec<_> = level.split(',').map(str::trim).collect();
    for word in &words {
        if word.is_empty() || !word.contains('=') && word.parse::<LevelFilter>().is_err() {
            let known = "use error, warn, info, debug, trace or off, or MODULE=LEVEL";
            return Err(refuse(known.to_owned()));
        }
    }
    EnvFilter::builder().parse(words.join(",")).map_err(|error| refuse(error.to_string()))
}

fn output(format: Format) -> Output {
    let terminal = io::stderr().is_terminal();
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(terminal)
        // It would say so on standard error, which is what just failed, and panic.
        .log_internal_errors(false);
    match format {
        Format::Text => layer.boxed(),
        Format::Auto if terminal => layer.boxed(),
        // Without the spans: after a reload the older of them have no fields in JSON, which the JSON
        // format takes for a bug. An event carries its own facts.
        Format::Auto | Format::Json => {
            layer.json().with_current_span(false).with_span_list(false).boxed()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_level_is_named() {
        for level in ["info", "WARN", "off", "info,hyper=debug", "warn, janua::upstream=trace"] {
            check_level(level).unwrap();
        }
        for level in ["", "inof", "info,", "info,hyper", "hyper=loud", "a=b=c"] {
            let message = check_level(level).unwrap_err().to_string();
            assert!(message.starts_with(&format!("`{level}` is no log level: ")), "{message}");
        }
    }

    #[test]
    fn it_changes_while_spans_are_open_and_starts_only_once() {
        let handle = init("info", Format::Text).unwrap();
        assert!(matches!(init("info", Format::Text), Err(InitError::Again)));
        let span = tracing::info_span!("reload", file = "janua.toml");
        let _inside = span.enter();
        assert!(tracing::enabled!(tracing::Level::INFO));
        handle.change("error", Format::Json).unwrap();
        assert!(!tracing::enabled!(tracing::Level::INFO));
        tracing::error!("in JSON, within a span from before");
        assert!(handle.change("loud", Format::Text).is_err());
        assert!(!tracing::enabled!(tracing::Level::INFO), "a bad level changes nothing");
    }
}
