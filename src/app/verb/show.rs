//! `janua config show` and `janua schema`.

use super::{Exit, Source, print, refuse};
use crate::config;

/// Prints the configuration in force.
pub(super) fn config(source: &Source) -> Exit {
    match source.load() {
        Ok(loaded) => {
            let report = loaded.report(config::Problems::new());
            if report.has_errors() { refuse(&report) } else { print(&config::show(&loaded.config)) }
        }
        Err(report) => refuse(&report),
    }
}

/// Prints the JSON Schema.
pub(super) fn schema() -> Exit {
    print(&format!("{:#}\n", config::schema()))
}
