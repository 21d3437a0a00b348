//! The access log of a configuration: the one before goes on if it is to do the same.

use std::{path::Path as FilePath, sync::Arc};

use super::{Purpose, Snapshot};
use crate::{
    config::{self, Config, Path, Problem, Problems},
    telemetry::{self, AccessLog, Format, Losses, Options, Redaction, Sink},
};

/// Bytes of lines that may wait to be written, at most: all workers take theirs at once.
const MOST_WAITING: u64 = 1 << 30;

/// The access log, the one before if nothing of it changed; and what those of this process lost.
pub(super) fn access_log(
    config: &Config,
    purpose: Purpose,
    workers: usize,
    previous: Option<&Snapshot>,
    problems: &mut Problems,
) -> (Option<Arc<AccessLog>>, Arc<Losses>) {
    let losses = previous.map_or_else(Arc::default, |previous| previous.losses.clone());
    (log(config, purpose, workers, previous, &losses, problems), losses)
}

fn log(
    config: &Config,
    purpose: Purpose,
    workers: usize,
    previous: Option<&Snapshot>,
    losses: &Arc<Losses>,
    problems: &mut Problems,
) -> Option<Arc<AccessLog>> {
    let at = Path::root().key("log");
    if let Err(error) = telemetry::check_level(&config.log.level) {
        problems.push(Problem::error(at.key("level"), error.to_string()));
    }
    if config.log.buffer.0 > MOST_WAITING {
        let problem = Problem::error(at.key("buffer"), "more than a gibibyte of lines would wait");
        problems.push(problem.help("`\"8MiB\"` is the default"));
        return None;
    }
    let format = match config.log.access {
        config::AccessLog::Off => return Some(Arc::new(AccessLog::off())),
        config::AccessLog::Auto => Format::Auto,
        config::AccessLog::Json => Format::Json,
        config::AccessLog::Text => Format::Text,
    };
    if purpose == Purpose::Look {
        let folder = config.log.access_file.as_deref().and_then(FilePath::parent);
        if let Some(folder) =
            folder.filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir())
        {
            let message = format!("there is no folder `{}`", folder.display());
            problems.push(Problem::finding(at.key("access-file"), message));
        }
        if let Some(file) = config.log.access_file.as_deref().filter(|file| file.is_dir()) {
            let message = format!("`{}` is a folder", file.display());
            problems.push(Problem::error(at.key("access-file"), message));
        }
        return Some(Arc::new(AccessLog::off()));
    }
    let options = Options {
        sink: config.log.access_file.clone().map_or(Sink::Stdout, Sink::File),
        format,
        redaction: Redaction::new(config.log.redact_query.iter().chain(config.query_credentials())),
        workers,
        buffer: config.log.buffer.as_usize(),
    };
    if let Some(previous) = previous
        && previous.access_log.options() == Some(&options)
    {
        return Some(previous.access_log.clone());
    }
    let opened = AccessLog::open(options, losses.clone());
    let opened = opened.map_err(|error| Problem::error(at.key("access-file"), error.to_string()));
    problems.keep(opened).map(Arc::new)
}
