//! `janua healthcheck`: whether the running gateway is ready.

use std::time::Duration;

use http::Method;

use super::{
    Exit,
    answer::show,
    ask::{Question, ask},
};
use crate::app::cli::AdminDoor;

/// How long the gateway may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks whether it is ready.
pub(super) fn healthcheck(door: &AdminDoor) -> Exit {
    let question =
        Question { method: Method::GET, path: "/readyz".into(), accept: "*/*", patience: PATIENCE };
    match show(ask(door, &question)) {
        // To whoever asks this it is all the same: not healthy.
        Exit::Config => Exit::Failed,
        exit => exit,
    }
}
