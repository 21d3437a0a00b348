//! Stage 1: a request that means one thing, in one form, whatever protocol it came by.
//!
//! In: the head that hyper parsed; for HTTP/1 the guard has seen every byte of it before. Out: a head
//! in origin form with a `Host`, without hop-by-hop fields; and what was taken off. RFC 9112 section
//! 3.2 (targets), RFC 9113 section 8.3 (pseudo-header fields).

use http::{
    HeaderMap, HeaderValue, Method, Uri, Version,
    header::{CONTENT_LENGTH, HOST},
    request::Parts,
    uri::{PathAndQuery, Scheme},
};
use hyper::ext::Protocol;

use super::exchange::Exchange;
use crate::{
    message::{
        Kept, Signal, are_one_authority, is_authority, join_cookies, may_pass,
        path::{self, Dots},
        strip_request, text,
    },
    reject::Reject,
};

/// Brings a request into its one form.
pub(super) fn validate(exchange: &mut Exchange, head: &mut Parts) -> Result<Kept, Reject> {
    if exchange.client.state.signal() >= Signal::Expel {
        return Err(Reject::Misdirected);
    }
    // RFC 8441: an upgrade by HTTP/2. Any other CONNECT would make us an open proxy.
    let protocol = head.extensions.get::<Protocol>().map(Protocol::as_str);
    if head.method == Method::CONNECT && !protocol.is_some_and(may_pass) {
        return Err(Reject::MethodRefused);
    }
    // An origin that takes it for the other would do what the rules for that were to prevent.
    if exchange.world.methods.are_mimicked_by(&head.method) {
        return Err(Reject::MethodRefused);
    }
    let connect =
        protocol.map(|name| HeaderValue::from_str(name).map_err(|_| Reject::RequestHeader));
    // For HTTP/1 the guard has held these bounds already; HTTP/2 knows only one for all fields.
    let limits = &exchange.listener.head;
    let length = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if length > limits.max_request_line {
        return Err(Reject::TargetTooLong);
    }
    if head.headers.len() > usize::from(limits.max_headers) {
        return Err(Reject::TooManyHeaders);
    }
    let (host, given) = host(&head.uri, &head.headers)?;
    if host.is_none() && head.version == Version::HTTP_2 {
        // Of HTTP/1.1 the guard has asked for it, and HTTP/1.0 may do without.
        return Err(Reject::RequestHost);
    }
    if let Some(target) = target(&head.uri, &head.method)? {
        exchange.resolved = Some(Box::new(target.clone()));
        head.uri = target;
    }
    if let Some(host) = &host
        && !given
    {
        head.headers.insert(HOST, host.clone());
    }
    let mut kept = strip_request(
        &mut head.headers,
        head.version,
        exchange.client.is_trusted(),
        &exchange.world.reserved,
    );
    if head.version == Version::HTTP_2 {
        one_length(&head.headers)?;
        join_cookies(&mut head.headers);
    }
    if kept.expect == Some(false) {
        return Err(Reject::Expectation);
    }
    if let Some(protocol) = connect {
        kept.upgrade = Some(protocol?);
        // What by HTTP/1.1 is a GET: one route takes it, however it comes.
        head.method = Method::GET;
    }
    exchange.name(host, kept.accept.take(), head);
    Ok(kept)
}

/// What the client asks for: the target's authority where it has one, else `Host`; and whether a `Host` says the same.
fn host(uri: &Uri, headers: &HeaderMap) -> Result<(Option<HeaderValue>, bool), Reject> {
    let mut fields = headers.get_all(HOST).iter();
    let field = fields.next();
    if fields.next().is_some() || field.is_some_and(|host| !is_authority(host.as_bytes())) {
        return Err(Reject::RequestHost);
    }
    let Some(authority) = uri.authority() else { return Ok((field.cloned(), true)) };
    if !is_authority(authority.as_str().as_bytes()) {
        return Err(Reject::RequestHost);
    }
    if let Some(field) = field {
        if field.as_bytes() == authority.as_str().as_bytes() {
            return Ok((Some(field.clone()), true));
        }
        // Two names for one request are a way to be routed by one and served by the other. Of two spellings of one
        // name the target's holds (RFC 9112 section 3.2.2).
        if !are_one_authority(text(field), authority.as_str(), uri.scheme() == Some(&Scheme::HTTPS))
        {
            return Err(Reject::RequestHost);
        }
    }
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Reject::RequestHost)?;
    Ok((Some(host), false))
}

/// By HTTP/1 the guard has seen to it: there is one length, in digits, or none. The origin may go by it.
fn one_length(headers: &HeaderMap) -> Result<(), Reject> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Ok(()) };
    let digits = !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit);
    if digits && lengths.next().is_none() { Ok(()) } else { Err(Reject::RequestFraming) }
}

/// The target in origin form, without dot segments, or `*`; none if that is what it is.
fn target(uri: &Uri, method: &Method) -> Result<Option<Uri>, Reject> {
    let Some(target) = uri.path_and_query() else {
        // `GET http://example.com`: RFC 9112 section 3.2.1 has it as `/`.
        return Ok(Some(Uri::from_static("/")));
    };
    // By HTTP/1 the guard has refused it. A URI has no such bytes, and origins differ in what they make of them.
    if !target.as_str().is_ascii() {
        return Err(Reject::RequestTarget);
    }
    let without_authority = || uri.authority().map(|_| Uri::from(target.clone()));
    match target.path() {
        "*" if method == Method::OPTIONS => return Ok(without_authority()),
        path if !path.starts_with('/') => return Err(Reject::RequestTarget),
        _ => {}
    }
    match path::dots(target.path()) {
        Dots::None => return Ok(without_authority()),
        Dots::Hidden => return Err(Reject::RequestTarget),
        Dots::Plain => {}
    }
    PathAndQuery::try_from(&*path::without_dot_segments(target.as_str()))
        .map(|target| Some(target.into()))
        .map_err(|_| Reject::RequestTarget)
}

/// Whether a request came by a protocol in which an upgrade is answered with 101.
pub(super) fn answers_101(version: Version) -> bool {
    version < Version::HTTP_2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_segments_are_resolved_as_the_origin_would() {
        for (path, resolved) in [
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/../../etc", "/etc"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("/..", "/"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/b?x=/../y", "/b?x=/../y"),
            ("/a//../b", "/a/b"),
            ("/a/b;x/..", "/a/"),
            ("/...", "/..."),
        ] {
            let uri: Uri = path.parse().unwrap();
            let target = target(&uri, &Method::GET).unwrap().unwrap_or(uri);
            assert_eq!(target.to_string(), resolved, "{path}");
        }
    }

    #[test]
    fn a_target_has_one_form() {
        for (method, uri, expected) in [
            (Method::GET, "http://a.example/x?y", Ok("/x?y")),
            (Method::GET, "http://a.example", Ok("/")),
            (Method::OPTIONS, "*", Ok("*")),
            (Method::GET, "*", Err(Reject::RequestTarget)),
            (Method::GET, "/a/..%2fb", Err(Reject::RequestTarget)),
            (Method::GET, "/a/b\\..", Err(Reject::RequestTarget)),
            (Method::GET, "/a/..;/b", Err(Reject::RequestTarget)),
        ] {
            let given: Uri = uri.parse().unwrap();
            let target = target(&given, &method).map(|uri| uri.unwrap_or(given).to_string());
            assert_eq!(target.as_deref(), expected.as_ref().map(|ok| *ok), "{method} {uri}");
        }
    }
}
