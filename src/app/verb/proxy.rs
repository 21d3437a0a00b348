//! `janua proxy`: a configuration out of two options.

use crate::{
    app::{Source, cli::Proxy},
    config::{
        self, AccessLog, Admin, Config, Endpoint, Listener, Log, OneOrMany, Route, To, Upstream,
    },
};

/// The name of its only upstream.
const ORIGIN: &str = "origin";

/// The configuration: no admin door, so that any number of these may run.
pub(super) fn source(arguments: &Proxy) -> Source {
    let endpoints = arguments.to.iter().map(|to| Endpoint::Url(url(to))).collect();
    let upstream = Upstream { endpoints: OneOrMany(endpoints), ..Upstream::default() };
    let listener = Listener { address: arguments.listen.to_string(), ..Listener::default() };
    let config = Config {
        // Whoever types this reads along, through a pipe too.
        log: Log { access: AccessLog::Text, ..Log::default() },
        admin: Admin { address: "off".into(), ..Admin::default() },
        listener: vec![listener],
        upstream: [(ORIGIN.into(), upstream)].into(),
        route: vec![Route { to: To::Name(ORIGIN.into()), ..Route::default() }],
        ..Config::default()
    };
    Source::Text("the command line".into(), config::show(&config))
}

/// A URL, from what people write for one.
fn url(to: &str) -> String {
    if to.contains("://") || to.starts_with("unix:") {
        to.to_owned()
    } else if to.starts_with(':') {
        format!("http://127.0.0.1{to}")
    } else if to.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("http://127.0.0.1:{to}")
    } else {
        format!("http://{to}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_becomes_a_configuration() {
        for (to, meant) in [
            (":3000", "http://127.0.0.1:3000"),
            ("3000", "http://127.0.0.1:3000"),
            ("localhost:3000", "http://localhost:3000"),
            ("https://a.example", "https://a.example"),
            ("unix:/run/a.sock", "unix:/run/a.sock"),
        ] {
            assert_eq!(url(to), meant);
        }
        let listen = "127.0.0.1:0".parse().unwrap();
        let arguments = Proxy { to: vec![":1".into(), "http://b/${X}".into()], listen };
        let loaded = source(&arguments).load().unwrap();
        assert_eq!(loaded.config.upstream[ORIGIN].endpoints[1].url(), "http://b/${X}");
        assert_eq!(loaded.config.admin.address, "off");
        assert_eq!(loaded.config.log.access, AccessLog::Text);
    }
}
