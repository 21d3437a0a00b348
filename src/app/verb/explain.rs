//! `janua explain`: what would become of a request.

use super::{Exit, fail, print, refuse};
use crate::app::{
    cli::{Explain, Form},
    explain::{self, Unexplained},
};

/// Explains.
pub(super) fn explain(explain: Explain) -> Exit {
    let Explain { method, url, headers, from, listener, file, format } = explain;
    let arguments = explain::Arguments { method, url, headers, from, listener };
    match explain::explain(&file.source(), &arguments) {
        Ok(explanation) => match format {
            Form::Text => print(&explanation.to_string()),
            Form::Json => print(&format!("{:#}\n", explanation.json())),
        },
        Err(Unexplained::Config(report)) => refuse(&report),
        Err(Unexplained::Words(why)) => {
            fail(&why);
            Exit::Usage
        }
    }
}
