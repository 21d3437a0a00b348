//! `janua check`: everything that is wrong with a configuration, without a trace.

use std::io;

use super::{Exit, print};
use crate::{
    app::{
        cli::{Check, Form},
        gateway::compile,
    },
    config::Report,
    snapshot::Purpose,
};

/// Checks, and says what there is to say; nothing if all is well.
pub(super) fn check(arguments: &Check) -> Exit {
    let report = report(arguments);
    let wrong = report.has_errors() || arguments.strict && !report.problems().is_empty();
    match arguments.format {
        Form::Json => {
            print(&format!("{:#}\n", report.json()));
        }
        Form::Text if report.problems().is_empty() => {}
        Form::Text => {
            let _ = report.write_to(&mut io::stderr().lock());
        }
    }
    if wrong { Exit::Config } else { Exit::Ok }
}

fn report(arguments: &Check) -> Report {
    let compiled = arguments.file.source().load().and_then(|loaded| {
        // It runs the configuration's own tests too.
        let (_, findings) = compile(&loaded, Purpose::Look, None)?;
        Ok(loaded.report(findings))
    });
    compiled.unwrap_or_else(|report| report)
}
