//! The demo's stage hand: kills the demo's origins and starts them again, for those who want to see what a
//! gateway makes of that.
//!
//! In: `/_demo/kill/2`, `/_demo/start/2`; the first origin is 1. Out: a line that says what happened.

use std::{future::ready, io, sync::Arc};

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;

use super::{
    host::{Host, Speaks},
    origin::Origin,
};

type Origins = Arc<[Origin; 2]>;

/// Starts one for these origins.
pub(super) async fn start(origins: Origins) -> io::Result<Host> {
    Host::start(Speaks::Http1, Host::place().await?, move |request| {
        ready(answer(&origins, &request))
    })
}

fn answer(origins: &Origins, request: &Request<Incoming>) -> Response<String> {
    let path = request.uri().path().trim_start_matches("/_demo/");
    let (act, number) = path.split_once('/').unwrap_or((path, ""));
    let origin = match number {
        "1" => &origins[0],
        "2" => &origins[1],
        _ => return say(StatusCode::NOT_FOUND, "/_demo/kill/2, or /_demo/start/2".into()),
    };
    let name = origin.name;
    match act {
        "kill" => {
            origin.kill();
            say(StatusCode::OK, format!("{name} is dead"))
        }
        "start" => match origin.start_again() {
            Ok(()) => say(StatusCode::OK, format!("{name} lives")),
            Err(error) => say(StatusCode::INTERNAL_SERVER_ERROR, format!("{name}: {error}")),
        },
        _ => say(StatusCode::NOT_FOUND, "kill, or start".into()),
    }
}

fn say(status: StatusCode, text: String) -> Response<String> {
    let mut response = Response::new(text + "\n");
    *response.status_mut() = status;
    response
}
