//! `janua explain`: what would become of a request.

use std::time::Duration;

use http::Method;

use super::{
    Exit,
    answer::show,
    ask::{Question, ask, encoded},
    fail, print, refuse,
};
use crate::app::{
    cli::{Explain, Form},
    explain::{self, Unexplained},
};

/// How long the gateway may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Explains.
pub(super) fn explain(explain: Explain) -> Exit {
    let body = match explain.data.as_deref().map(|data| (data, data.strip_prefix('@'))) {
        None => None,
        Some((data, None)) => Some(data.as_bytes().to_vec()),
        Some((_, Some(path))) => match std::fs::read(path) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                fail(&format!("`{path}` cannot be read: {error}"));
                return Exit::Usage;
            }
        },
    };
    if explain.live {
        return live(&explain, body.as_deref());
    }
    let Explain { method, url, headers, from, listener, user, roles, scopes, door, format, .. } =
        explain;
    let who = explain::known(user, roles, scopes);
    let arguments = explain::Arguments { method, url, headers, from, listener, who, body };
    match explain::explain(&door.file.source(), &arguments) {
        Ok(explanation) => print(&explanation.written(format == Form::Text)),
        Err(Unexplained::Config(report)) => refuse(&report),
        Err(Unexplained::Words(why)) => {
            fail(&why);
            Exit::Usage
        }
    }
}

/// Has the running gateway explain.
fn live(asked: &Explain, body: Option<&[u8]>) -> Exit {
    let Explain { method, url, headers, from, listener, user, roles, scopes, .. } = asked;
    let body = body.map(String::from_utf8_lossy);
    let one = [
        ("from", from.as_deref()),
        ("listener", listener.as_deref()),
        ("as", user.as_deref()),
        ("data", body.as_deref()),
    ];
    let one = one.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let many = [("header", headers), ("roles", roles), ("scopes", scopes)];
    let many = many.into_iter().flat_map(|(name, all)| all.iter().map(move |one| (name, &**one)));
    let mut path = format!("/explain?method={}&url={}", encoded(method), encoded(url));
    for (name, value) in one.chain(many) {
        path += &format!("&{name}={}", encoded(value));
    }
    let accept = match asked.format {
        Form::Text => "text/plain",
        Form::Json => "application/json",
    };
    show(ask(&asked.door, &Question { method: Method::GET, path, accept, patience: PATIENCE }))
}
