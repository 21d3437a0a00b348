//! Who may come in: names, origins, the token. Pure.
//!
//! A door on loopback is open to every browser on the machine. A page of the web can have its own
//! name point at 127.0.0.1 (DNS rebinding) and then read what it gets; or post a form here without
//! reading. The first gives itself away by `Host`, the second by `Origin` or `Sec-Fetch-Site`. Doors that others can
//! reach have a token, which no page knows, and a Unix socket is out of a browser's reach.

use std::net::IpAddr;

use aws_lc_rs::constant_time;
use http::{
    header::{AUTHORIZATION, HOST, ORIGIN},
    request::Parts,
    uri::Authority,
};
use zeroize::Zeroizing;

use super::refusal::Refusal;
use crate::snapshot::Bind;

/// What a request must bring; compared without telling how much of it was right.
pub(super) struct Token(Zeroizing<String>);

impl Token {
    /// A token of this text.
    pub(super) const fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// Refuses a request that does not bring it.
    pub(super) fn admit(&self, request: &Parts) -> Result<(), Refusal> {
        let brought = request.headers.get(AUTHORIZATION).and_then(|value| {
            let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
            scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
        });
        let right = brought.is_some_and(|brought| {
            constant_time::verify_slices_are_equal(brought, self.0.as_bytes()).is_ok()
        });
        if right { Ok(()) } else { Err(Refusal::Token) }
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// By which names a door may be asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Names {
    /// By any: no browser comes here, or only with the token.
    Any,
    /// By those of this machine, and by this address.
    Local(IpAddr),
}

impl Names {
    /// The names of a door at this address.
    pub(super) const fn of(address: &Bind) -> Self {
        match address {
            Bind::Tcp(address) if address.ip().is_loopback() => Self::Local(address.ip()),
            Bind::Tcp(_) | Bind::Unix(_) | Bind::Systemd(_) => Self::Any,
        }
    }

    /// Refuses a request that came here by another's name, or from another's page.
    pub(super) fn admit(self, request: &Parts) -> Result<(), Refusal> {
        let Self::Local(own) = self else { return Ok(()) };
        let hosts = request.headers.get_all(HOST).iter().map(|value| value.to_str().ok());
        // A request without a name, as of HTTP/1.0, is no browser's.
        let target = request.uri.authority().map(|name| Some(name.as_str()));
        let mut names = hosts.chain(target);
        if !names.all(|name| name.is_some_and(|name| is_local(name, own))) {
            return Err(Refusal::Host);
        }
        // By the name that it was asked by: another port of this machine is another site.
        let host = request.headers.get(HOST);
        let from_here = |origin: &http::HeaderValue| {
            let authority = origin.as_bytes().strip_prefix(b"http://");
            authority.zip(host).is_some_and(|(own, host)| own.eq_ignore_ascii_case(host.as_bytes()))
        };
        // A page that reads nothing need not name its origin, and browsers say all the same that it is another's.
        let is_ours = |site: &http::HeaderValue| site == "same-origin" || site == "none";
        let sites = request.headers.get_all("sec-fetch-site");
        if request.headers.get_all(ORIGIN).iter().all(from_here) && sites.iter().all(is_ours) {
            Ok(())
        } else {
            Err(Refusal::Origin)
        }
    }
}

fn is_local(authority: &str, own: IpAddr) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let host = authority.host().trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback() || ip == own)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn request(uri: &str, fields: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_our_own_names_open_a_door_on_loopback() {
        let names = Names::of(&"127.0.0.1:2019".parse().unwrap());
        for (uri, host, welcome) in [
            ("/", "localhost", true),
            ("/", "LOCALHOST:2019", true),
            ("/", "127.0.0.1:2019", true),
            ("/", "127.8.8.8", true),
            ("/", "[::1]:2019", true),
            ("http://localhost/", "localhost", true),
            ("/", "evil.example", false),
            ("/", "127.0.0.1.evil.example", false),
            ("/", "localhost.evil.example:2019", false),
            ("/", "10.0.0.1", false),
            ("/", "", false),
            ("http://evil.example/", "localhost", false),
        ] {
            let admitted = names.admit(&request(uri, &[("host", host)]));
            assert_eq!(admitted.is_ok(), welcome, "{uri} {host}");
        }
        assert!(names.admit(&request("/", &[])).is_ok(), "HTTP/1.0");
        let two = [("host", "localhost"), ("host", "evil.example")];
        assert_eq!(names.admit(&request("/", &two)), Err(Refusal::Host));
        let unix = Names::of(&"unix:/run/janua/admin.sock".parse().unwrap());
        assert!(unix.admit(&request("/", &[("host", "anything")])).is_ok());
    }

    #[test]
    fn pages_of_other_sites_may_not_ask() {
        let names = Names::of(&"[::1]:2019".parse().unwrap());
        for (origin, welcome) in [
            ("http://[::1]:2019", true),
            ("http://[::1]:3000", false),
            ("http://localhost:2019", false),
            ("https://evil.example", false),
            ("null", false),
        ] {
            let fields = [("host", "[::1]:2019"), ("origin", origin)];
            assert_eq!(names.admit(&request("/", &fields)).is_ok(), welcome, "{origin}");
        }
        for (site, welcome) in
            [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false)]
        {
            let fields = [("host", "[::1]:2019"), ("sec-fetch-site", site)];
            assert_eq!(names.admit(&request("/", &fields)).is_ok(), welcome, "{site}");
        }
    }

    #[test]
    fn the_token_must_be_brought_whole() {
        let token = Token::new(Zeroizing::new("0123456789abcdef".to_owned()));
        for (value, welcome) in [
            ("Bearer 0123456789abcdef", true),
            ("bearer  0123456789abcdef", true),
            ("Bearer 0123456789abcde", false),
            ("Bearer 0123456789abcdefg", false),
            ("Bearer ", false),
            ("Bearer", false),
            ("Basic 0123456789abcdef", false),
            ("", false),
        ] {
            let admitted = token.admit(&request("/", &[("authorization", value)]));
            assert_eq!(admitted.is_ok(), welcome, "{value}");
        }
        assert!(token.admit(&request("/", &[])).is_err());
        assert_eq!(format!("{token:?}"), "***");
    }
}
