//! `janua lint-api`: what is to be said of a document of OpenAPI.

use std::{fmt::Write as _, path::Path};

use super::{Exit, fail, print};
use crate::{
    app::cli::{Form, LintApi},
    config::read_file_up_to,
    contract::{Advice, MAX_SIZE, lint},
};

/// Says it.
pub(super) fn lint_api(arguments: &LintApi) -> Exit {
    let bytes = match read_file_up_to(&arguments.file, MAX_SIZE) {
        Ok(bytes) => bytes,
        Err(why) => return fail(&why),
    };
    let said = lint(&bytes);
    let shown = match arguments.format {
        Form::Json => json(&said),
        Form::Text => text(&arguments.file, &said),
    };
    let wrong = said.iter().any(|advice| advice.is_error || arguments.strict);
    match print(&shown) {
        Exit::Ok if wrong => Exit::Config,
        exit => exit,
    }
}

fn text(file: &Path, said: &[Advice]) -> String {
    let mut text = String::new();
    for Advice { pointer, what, help, is_error } in said {
        let word = if *is_error { "error" } else { "advice" };
        // A `String` takes everything; there is no error to see.
        let _ = writeln!(text, "{word}: {what}\n  --> {}#{pointer}", file.display());
        if let Some(help) = help {
            let _ = writeln!(text, "  = help: {help}");
        }
    }
    text
}

fn json(said: &[Advice]) -> String {
    let list = said.iter().map(|Advice { pointer, what, help, is_error }| {
        let severity = if *is_error { "error" } else { "advice" };
        serde_json::json!({
            "severity": severity, "pointer": pointer, "message": what, "help": help,
        })
    });
    format!("{:#}\n", serde_json::Value::from_iter(list))
}
