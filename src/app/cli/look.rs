//! Verbs that read a configuration and say something of it: offline, and nothing on the disk changes.

use std::io;

use super::{Exit, Form, complain, print};
use crate::{
    app::{Source, gateway::compile},
    config::{self, Report},
    snapshot::Purpose,
};

/// Everything that is wrong, the configuration's own tests included; nothing if all is well.
pub(super) fn check(source: &Source, format: Form, strict: bool) -> Exit {
    let checked = source.load().and_then(|loaded| {
        let (_, findings) = compile(&loaded, Purpose::Look, None)?;
        Ok(loaded.report(findings))
    });
    let (report, exit) = match checked {
        Ok(report) if strict && !report.problems().is_empty() => (report, Exit::Config),
        Ok(report) => (report, Exit::Ok),
        Err(report) => (report, Exit::Config),
    };
    if format == Form::Json {
        let printed = print(format!("{:#}\n", report.json()).as_bytes());
        return if exit == Exit::Ok { printed } else { exit };
    }
    tell(&report);
    exit
}

/// The configuration in force, secrets masked. What is only half right is still shown.
pub(super) fn show(source: &Source) -> Exit {
    match source.load() {
        Ok(loaded) => print(config::show(&loaded.config).as_bytes()),
        Err(report) => refuse(&report),
    }
}

/// The configuration's JSON Schema.
pub(super) fn schema() -> Exit {
    print(format!("{:#}\n", config::schema()).as_bytes())
}

/// Says what is wrong with a configuration.
pub(super) fn refuse(report: &Report) -> Exit {
    tell(report);
    Exit::Config
}

fn tell(report: &Report) {
    if let Err(error) = report.write_to(&mut io::stderr()) {
        complain(&error.to_string(), Exit::Failed);
    }
}
