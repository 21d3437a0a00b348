//! `janua healthcheck`: whether the running gateway is ready.

use std::time::Duration;

use http::{Method, StatusCode};

use super::{
    Exit,
    ask::{Question, Unanswered, ask},
    fail, print, refuse,
};
use crate::app::cli::AdminDoor;

/// How long the gateway may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks whether it is ready.
pub(super) fn healthcheck(door: &AdminDoor) -> Exit {
    let question =
        Question { method: Method::GET, path: "/readyz".into(), accept: "*/*", patience: PATIENCE };
    match ask(door, &question) {
        Ok((StatusCode::OK, text)) => print(&text),
        Ok((status, text)) => fail(&format!("the gateway says {status}: {}", text.trim())),
        Err(Unanswered::Config(report)) => {
            refuse(&report);
            // To whoever asks this it is all the same: not healthy.
            Exit::Failed
        }
        Err(Unanswered::Gateway(why)) => fail(&why),
    }
}
