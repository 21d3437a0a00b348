//! What a running gateway's answer comes to for the verbs that ask it: shown, or said to be wrong.

use http::StatusCode;
use serde::de::DeserializeOwned;

use super::{Exit, ask::Unanswered, fail, print, refuse};
use crate::app::cli::Form;

/// What the gateway said to a question.
pub(super) type Answer = Result<(StatusCode, String), Unanswered>;

/// Prints what the gateway says.
pub(super) fn show(answer: Answer) -> Exit {
    good(answer).map_or_else(|exit| exit, |text| print(&text))
}

/// Prints what the gateway says in JSON: as it is, or as the text that is made of its list.
pub(super) fn show_list<T: DeserializeOwned>(
    answer: Answer,
    format: Form,
    text: impl FnOnce(&[T]) -> String,
) -> Exit {
    match good(answer) {
        Ok(json) if format == Form::Json => print(&json),
        Ok(json) => match serde_json::from_str::<Vec<T>>(&json) {
            Ok(list) => print(&text(&list)),
            Err(error) => fail(&format!("the gateway is of another version: {error}")),
        },
        Err(exit) => exit,
    }
}

/// What the gateway says, if it did what it was asked; else that is said, and how it ends.
fn good(answer: Answer) -> Result<String, Exit> {
    match answer {
        Ok((StatusCode::OK, text)) => Ok(text),
        Ok((status, text)) => Err(fail(&format!("the gateway says {status}: {}", text.trim()))),
        Err(Unanswered::Config(report)) => Err(refuse(&report)),
        Err(Unanswered::Gateway(why)) => Err(fail(&why)),
    }
}
