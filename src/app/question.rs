//! A request that somebody asks about: the words of `explain` or of a `[[test]]`, understood.
//!
//! In: a method, a URL or a path, header fields, an address, a listener's name. Out: a [`Question`] that
//! a plan can be made for, or which of the words is wrong. No socket is opened, no name is resolved.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri,
    header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
    uri::{Authority, PathAndQuery},
};

use crate::{
    auth::Pretended,
    chain::{self, Asked, MOST_REHEARSED, Plan},
    config::{self, Who},
    reject::Reject,
    server::guard::Guard,
    snapshot::{Bind, Listener, Snapshot},
};

/// The address of somebody whom nobody knows (RFC 5737).
const ANYBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// The words of a question.
#[derive(Clone, Debug, Default)]
pub(super) struct Words<'a> {
    pub(super) method: &'a str,
    pub(super) url: &'a str,
    pub(super) headers: Vec<(&'a str, &'a str)>,
    pub(super) from: Option<&'a str>,
    pub(super) listener: Option<&'a str>,
    pub(super) who: Option<&'a Who>,
    pub(super) body: Option<&'a [u8]>,
}

/// Which of the words is wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Word {
    Request,
    Headers,
    From,
    Listener,
    Body,
}

/// What is wrong with a word.
#[derive(Clone, Debug)]
pub(super) struct Wrong {
    pub(super) word: Word,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

/// A request that somebody asks about, and the listener that takes it.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) asked: Asked,
    pub(super) listener: Arc<Listener>,
    /// Why it is that listener.
    pub(super) why: String,
}

impl Question {
    /// Understands the words, for this world.
    pub(super) fn read(words: &Words<'_>, world: &Snapshot) -> Result<Self, Wrong> {
        let method = words.method.parse::<Method>();
        let method = method.map_err(|_| {
            Wrong::new(Word::Request, format!("`{}` is not a method", words.method))
                .help("write it like \"GET https://api.example.com/orders/7\"")
        })?;
        let url = url(words.url)?;
        let from = match words.from {
            None => ANYBODY,
            Some(text) => text.parse().map_err(|_| {
                Wrong::new(Word::From, format!("`{text}` is not an IP address"))
                    .help("write it like \"203.0.113.7\"")
            })?,
        };
        let (listener, why) = choose(words.listener, &url, world)?;
        let body = words.body.map(Bytes::copy_from_slice);
        if body.as_ref().is_some_and(|body| body.len() > MOST_REHEARSED) {
            return Err(Wrong::new(Word::Body, format!("it has more than {MOST_REHEARSED} bytes")));
        }
        let mut request = Request::new(body.filter(|body| !body.is_empty()));
        *request.method_mut() = method;
        *request.headers_mut() = headers(&words.headers, url.authority())?;
        let target = url.path_and_query().cloned();
        let length = request.body().as_ref().map(Bytes::len);
        // As a client would: it names a length, unless it was told to send its body in chunks.
        if let Some(length) = length.filter(|_| !request.headers().contains_key(TRANSFER_ENCODING))
        {
            request.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        *request.uri_mut() = target.unwrap_or_else(|| PathAndQuery::from_static("/")).into();
        let malformed = malformed(&request, listener);
        let asked = Asked { request, from, who: words.who.map(Pretended::from), malformed };
        Ok(Self { asked, listener: listener.clone(), why })
    }

    /// What the chain would do.
    pub(super) fn plan(&self, world: &Arc<Snapshot>) -> Plan {
        chain::plan(world, &self.listener, &self.asked)
    }
}

impl Wrong {
    fn new(word: Word, message: impl Into<String>) -> Self {
        Self { word, message: message.into(), help: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

fn url(text: &str) -> Result<Uri, Wrong> {
    let wrong = |message: String| {
        let whole = "write http://HOST/PATH, https://HOST/PATH, or a path that begins with `/`";
        Wrong::new(Word::Request, message).help(whole)
    };
    let url: Uri = text.parse().map_err(|_| wrong(format!("`{text}` is not a URL")))?;
    match (url.scheme_str(), url.authority()) {
        (Some("http" | "https"), Some(authority)) if authority.as_str().contains('@') => {
            Err(wrong("a request carries no user in its URL".into()))
        }
        (Some("http" | "https"), Some(_)) | (None, None) => Ok(url),
        (Some(other), _) => Err(wrong(format!("`{other}` is not http or https"))),
        (None, Some(_)) => Err(wrong(format!("`{text}` has no http:// or https://"))),
    }
}

/// What is wrong with the head as it comes by HTTP/1.1, which is looked at byte by byte there.
fn malformed<B>(request: &Request<B>, listener: &Listener) -> Option<Reject> {
    // It has an authority for a target, and is refused in any case.
    if request.method() == Method::CONNECT {
        return None;
    }
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method(), request.uri()).into_bytes();
    for (name, value) in request.headers() {
        let parts: [&[u8]; 4] = [name.as_ref(), b": ", value.as_bytes(), b"\r\n"];
        parts.iter().for_each(|part| head.extend_from_slice(part));
    }
    head.extend_from_slice(b"\r\n");
    let refused = Guard::new().inspect(&head, &listener.head).err();
    refused.map(|refused| refused.reject)
}

/// The fields, and `Host` unless it is among them; every client sends one.
fn headers(fields: &[(&str, &str)], host: Option<&Authority>) -> Result<HeaderMap, Wrong> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let wrong = |what, text| Wrong::new(Word::Headers, format!("`{text}` is not a {what}"));
        let field: HeaderName =
            name.trim().parse().map_err(|_| wrong("header field's name", name))?;
        let value = HeaderValue::from_str(value.trim())
            .map_err(|_| wrong("header field's value", value))?;
        headers.append(field, value);
    }
    if !headers.contains_key(HOST) {
        let host = host.map_or("localhost", Authority::as_str);
        let host = HeaderValue::from_str(host)
            .map_err(|_| Wrong::new(Word::Request, format!("`{host}` is not a host")))?;
        headers.insert(HOST, host);
    }
    Ok(headers)
}

/// The listener that takes a request for this URL, and why.
fn choose<'w>(
    name: Option<&str>,
    url: &Uri,
    world: &'w Snapshot,
) -> Result<(&'w Arc<Listener>, String), Wrong> {
    let listeners = &world.listeners;
    if let Some(name) = name {
        let named = listeners.iter().find(|listener| *listener.name == *name);
        return named.map(|named| (named, "it was named".into())).ok_or_else(|| {
            let wrong = Wrong::new(Word::Listener, format!("there is no listener `{name}`"));
            match config::nearest(name, listeners.iter().map(|listener| &*listener.name)) {
                Some(near) => wrong.help(format!("did you mean `{near}`?")),
                None => wrong,
            }
        });
    }
    let Some(scheme) = url.scheme_str() else {
        let first = listeners.first().map(|first| (first, "it is the first one".into()));
        return first.ok_or_else(|| Wrong::new(Word::Listener, "there is no listener"));
    };
    let speaks = |listener: &&Arc<Listener>| listener.tls.is_some() == (scheme == "https");
    let port = url.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    let ip = url.host().and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
    let here = listeners.iter().filter(speaks).filter(|listener| port_of(listener) == Some(port));
    if let Some(here) = here.min_by_key(|listener| ip.is_none() || ip_of(listener) != ip) {
        return Ok((here, format!("it speaks {scheme} on port {port}")));
    }
    let first = listeners.iter().find(speaks).ok_or_else(|| {
        let known: Vec<_> =
            listeners.iter().map(|listener| format!("`{}`", listener.name)).collect();
        Wrong::new(Word::Request, format!("no listener speaks {scheme}"))
            .help(format!("name the one that takes it all the same: {}", known.join(", ")))
    })?;
    Ok((first, format!("it is the first that speaks {scheme}; none does so on port {port}")))
}

fn port_of(listener: &Listener) -> Option<u16> {
    match &listener.bind {
        Bind::Tcp(address) => Some(address.port()),
        Bind::Unix(_) | Bind::Systemd(_) => None,
    }
}

fn ip_of(listener: &Listener) -> Option<IpAddr> {
    match &listener.bind {
        Bind::Tcp(address) => Some(address.ip()),
        Bind::Unix(_) | Bind::Systemd(_) => None,
    }
}

impl Words<'_> {
    /// The command that explains it.
    pub(super) fn command(&self) -> String {
        let mut command = format!("janua explain {} {}", quoted(self.method), quoted(self.url));
        for (name, value) in &self.headers {
            command += &format!(" -H {}", quoted(&format!("{name}: {value}")));
        }
        for (flag, value) in [("--from", self.from), ("--listener", self.listener)] {
            if let Some(value) = value {
                command += &format!(" {flag} {}", quoted(value));
            }
        }
        if let Some(Who { user, roles, scopes, .. }) = self.who {
            let (roles, scopes) = (roles.join(","), scopes.join(","));
            for (flag, value) in [("--as", user), ("--roles", &roles), ("--scopes", &scopes)] {
                if !value.is_empty() {
                    command += &format!(" {flag} {}", quoted(value));
                }
            }
        }
        if let Some(body) = self.body {
            command += &format!(" --data {}", quoted(&String::from_utf8_lossy(body)));
        }
        command
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+=,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "; {help}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_pasted_into_a_shell() {
        let words = Words {
            method: "GET",
            url: "https://a.example/x?y=1",
            headers: vec![("x-who", "it's me")],
            from: Some("::1"),
            listener: None,
            who: None,
            body: Some(b"{}"),
        };
        let expected = "janua explain GET 'https://a.example/x?y=1' -H 'x-who: it'\\''s me' \
                        --from ::1 --data '{}'";
        assert_eq!(words.command(), expected);
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for text in ["", "example.com/x", "ftp://a/x", "http://u@a/x", "example.com", "/a b"] {
            assert!(url(text).is_err(), "{text}");
        }
        for text in ["/", "/a?b", "*", "http://a", "https://a:8443/x"] {
            assert!(url(text).is_ok(), "{text}");
        }
    }
}
