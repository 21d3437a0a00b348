//! `janua reload`: the running gateway's reload, and its outcome as this process's own.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use http::{Method, StatusCode};

use super::{
    Exit,
    answer::show,
    ask::{Question, ask},
    print,
};
use crate::app::cli::{Form, Reload};

/// How long a reload may take: it may wait for another one, and names for a slow resolver.
const PATIENCE: Duration = Duration::from_mins(5);

/// Has the gateway reload.
pub(super) fn reload(arguments: &Reload) -> Exit {
    let accept = match arguments.format {
        Form::Text => "text/plain",
        Form::Json => "application/json",
    };
    let path = "/reload".into();
    let question = Question { method: Method::POST, path, accept, patience: PATIENCE };
    match ask(&arguments.door, &question) {
        Ok((StatusCode::UNPROCESSABLE_ENTITY, report)) => {
            match arguments.format {
                Form::Text => {
                    let _ = io::stderr().lock().write_all(report.as_bytes());
                }
                Form::Json => {
                    print(&report);
                }
            }
            Exit::Config
        }
        answer => show(answer),
    }
}
