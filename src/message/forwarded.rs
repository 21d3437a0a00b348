//! Where a request came from, and how the origin is told.
//!
//! A trusted peer's word counts: `X-Forwarded-For`, or `Forwarded` where it is said so, is walked from
//! the right, past trusted addresses, to the first one that is not; that is the client. Anybody else's
//! fields were taken off before (`headers::strip_request`). What the origin reads is always ours, in both dialects only where it
//! is asked for: `X-Forwarded-For`, `-Proto`, `-Host`, and RFC 7239's `Forwarded`.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header::FORWARDED};

use super::{
    authority::is_authority,
    client::{Client, Scheme},
    headers::names_url,
    networks::Networks,
};
use crate::config::AddressField;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The client's address: the peer's, unless trusted proxies stand between.
///
/// An entry that is no address ends the walk: what stands left of it was said by somebody who is not
/// trusted to speak. Then the last good address, from the right, is the client's.
pub fn client_address(
    client: &Client,
    headers: &HeaderMap,
    trusted: &Networks,
    field: AddressField,
) -> Option<IpAddr> {
    let peer = client.ip();
    if !client.is_trusted() {
        return peer;
    }
    let (name, parse): (_, fn(&str) -> Option<IpAddr>) = match field {
        AddressField::XForwardedFor => (X_FORWARDED_FOR, parse_entry),
        AddressField::Forwarded => (FORWARDED, parse_element),
    };
    let mut address = peer;
    for value in headers.get_all(name).iter().rev() {
        let Ok(value) = value.to_str() else { return address };
        for entry in value.rsplit(',') {
            let Some(ip) = parse(entry.trim()) else { return address };
            address = Some(ip);
            if !trusted.contains(ip) {
                return address;
            }
        }
    }
    address
}

/// An entry of `X-Forwarded-For`: an address, also with a port as some proxies write it.
fn parse_entry(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(entry)
        .parse()
        .or_else(|_| entry.parse::<std::net::SocketAddr>().map(|address| address.ip()))
        .ok()
        .map(|ip: IpAddr| ip.to_canonical())
}

/// An element of `Forwarded`, by its `for`. One that may begin or end within quotes is none: a comma
/// that a client has put there would make elements of the client's own.
fn parse_element(element: &str) -> Option<IpAddr> {
    if element.contains('\\') || element.matches('"').count() % 2 == 1 {
        return None;
    }
    let mut found = None;
    for pair in element.split(';') {
        let (name, value) = pair.trim().split_once('=')?;
        if name.eq_ignore_ascii_case("for") {
            let bare = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let ip = parse_entry(bare.unwrap_or(value))?;
            if found.replace(ip).is_some() {
                return None;
            }
        }
    }
    found
}

/// Scheme, host and port as the client asked for them, as trusted peers tell it; none without a host.
pub fn client_origin(
    headers: &HeaderMap,
    client: &Client,
    host: Option<&HeaderValue>,
) -> Option<String> {
    let told = told(headers, client, &X_FORWARDED_HOST);
    let told = told.filter(|host| is_authority(host.as_bytes()));
    let host = told.or_else(|| host?.to_str().ok())?;
    Some(format!("{}://{host}", client_scheme(headers, client).as_str()))
}

/// The scheme by which the client came, as trusted peers tell it.
pub fn client_scheme(headers: &HeaderMap, client: &Client) -> Scheme {
    match told(headers, client, &X_FORWARDED_PROTO) {
        Some("https") => Scheme::Https,
        Some("http") => Scheme::Http,
        _ => client.scheme,
    }
}

/// Gives each thing that a trusted peer says of the URL that its client asked for and that `host` and `scheme` do not
/// say: the origin gets it, and may make links of it.
pub fn beyond_host(
    headers: &HeaderMap,
    client: &Client,
    (scheme, host): (&str, Option<&HeaderValue>),
    each: &mut dyn FnMut(&[u8]),
) {
    if !client.is_trusted() {
        return;
    }
    let host = host.map(HeaderValue::as_bytes).unwrap_or_default();
    for (name, value) in headers {
        let (name, value) = (name.as_str(), value.as_bytes());
        if names_url(name) {
            each(name.as_bytes());
            each(value);
        } else if name == "forwarded" {
            beyond_host_forwarded(value, (scheme, host), each);
        } else if let Some(what) = name.strip_prefix("x-forwarded-") {
            let said = match what {
                // Who it is for is another thing, and for `Vary` to say.
                "for" => true,
                "host" => value.eq_ignore_ascii_case(host),
                "proto" => value == scheme.as_bytes(),
                _ => false,
            };
            if !said {
                each(name.as_bytes());
                each(value);
            }
        }
    }
}

/// The same of a value of `Forwarded`, whose other parts are each client's.
fn beyond_host_forwarded(value: &[u8], (scheme, host): (&str, &[u8]), each: &mut dyn FnMut(&[u8])) {
    let (mut quoted, mut hides) = (false, false);
    for byte in value {
        quoted ^= *byte == b'"';
        hides |= *byte == b'\\' || quoted && matches!(byte, b',' | b';');
    }
    // Where it ends what is quoted is not to be guessed, nor whether an origin knows of quotes.
    if quoted || hides {
        return each(value);
    }
    let parts = value.split(|byte| {
        quoted ^= *byte == b'"';
        !quoted && matches!(byte, b',' | b';')
    });
    for part in parts {
        let part = part.trim_ascii();
        let (name, said) = match part.iter().position(|byte| *byte == b'=') {
            Some(at) => (part[..at].trim_ascii(), part[at + 1..].trim_ascii()),
            None => (part, &[][..]),
        };
        let bare = said.strip_prefix(b"\"").and_then(|said| said.strip_suffix(b"\""));
        let bare = bare.unwrap_or(said);
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let known = match () {
            () if is("host") => bare.eq_ignore_ascii_case(host),
            () if is("proto") => bare == scheme.as_bytes(),
            () => true,
        };
        if !known {
            each(part);
        }
    }
}

/// What a trusted peer says in a field.
fn told<'h>(headers: &'h HeaderMap, client: &Client, name: &HeaderName) -> Option<&'h str> {
    let value = if client.is_trusted() { headers.get(name)? } else { return None };
    value.to_str().ok().filter(|value| !value.is_empty())
}

/// Tells the origin where the request came from.
///
/// `headers` hold the forwarded fields of a trusted peer, or none. `host` is what the client asked for.
pub fn set_forwarded(headers: &mut HeaderMap, client: &Client, host: Option<&HeaderValue>) {
    let earlier = if client.is_trusted() { join(headers, &X_FORWARDED_FOR) } else { None };
    let chain = match &earlier {
        None => client.peer_text.clone(),
        Some(earlier) => extend(earlier, &client.peer_text),
    };
    headers.insert(X_FORWARDED_FOR, chain);
    if !(client.is_trusted() && headers.contains_key(X_FORWARDED_PROTO)) {
        headers.insert(X_FORWARDED_PROTO, proto(client.scheme));
    }
    if let Some(host) = host
        && !(client.is_trusted() && headers.contains_key(X_FORWARDED_HOST))
    {
        headers.insert(X_FORWARDED_HOST, host.clone());
    }
    // The standard's field is kept up where a trusted proxy uses it; it is not begun by us, so that
    // an origin never has to choose between two truths.
    if let Some(earlier) = join(headers, &FORWARDED) {
        headers.insert(FORWARDED, forwarded_element(&earlier, client, host));
    }
}

fn proto(scheme: Scheme) -> HeaderValue {
    match scheme {
        Scheme::Http => HeaderValue::from_static("http"),
        Scheme::Https => HeaderValue::from_static("https"),
    }
}

/// All values of a field in one.
fn join(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.clone();
    Some(values.fold(first, |joined, next| extend(&joined, next)))
}

fn extend(earlier: &HeaderValue, next: &HeaderValue) -> HeaderValue {
    let joined = [earlier.as_bytes(), b", ", next.as_bytes()].concat();
    // Both were values before; a list of them is one too.
    HeaderValue::from_bytes(&joined).unwrap_or_else(|_| next.clone())
}

/// RFC 7239 section 4: an element of ours behind the earlier ones.
fn forwarded_element(
    earlier: &HeaderValue,
    client: &Client,
    host: Option<&HeaderValue>,
) -> HeaderValue {
    let node = match client.ip() {
        Some(IpAddr::V4(ip)) => ip.to_string(),
        Some(IpAddr::V6(ip)) => format!("\"[{ip}]\""),
        None => "unknown".into(),
    };
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let element = format!("for={node};host=\"{host}\";proto={}", client.scheme.as_str());
    match HeaderValue::try_from(element) {
        Ok(element) => extend(earlier, &element),
        Err(_) => earlier.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::{Clock, Worker};

    fn client(peer: &str, trusted: bool) -> Client {
        let worker = Worker { index: 0, clock: Clock::new() };
        Client::new(Some(format!("{peer}:999").parse().unwrap()), None, 0, trusted, worker)
    }

    fn fields(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_client_is_the_first_from_the_right_that_nobody_trusts() {
        let trusted = Networks::parse(&["10.0.0.0/8", "192.0.2.1"]).unwrap();
        for (chain, expected) in [
            (vec!["203.0.113.7"], "203.0.113.7"),
            (vec!["6.6.6.6, 203.0.113.7"], "203.0.113.7"),
            (vec!["6.6.6.6, 203.0.113.7, 10.1.1.1 , 192.0.2.1"], "203.0.113.7"),
            (vec!["6.6.6.6", "203.0.113.7, 10.1.1.1"], "203.0.113.7"),
            (vec!["203.0.113.7:5555"], "203.0.113.7"),
            (vec!["[2001:db8::7]:443"], "2001:db8::7"),
            (vec!["[2001:db8::7]"], "2001:db8::7"),
            (vec!["[2001:db8::7]443"], "10.0.0.1"),
            (vec!["2001:db8::7"], "2001:db8::7"),
            (vec!["::ffff:203.0.113.7"], "203.0.113.7"),
            (vec!["6.6.6.6, garbage, 10.1.1.1"], "10.1.1.1"),
            (vec!["6.6.6.6, , 10.1.1.1"], "10.1.1.1"),
            (vec![""], "10.0.0.1"),
            (vec!["203.0.113.7, fe80::1%eth0"], "10.0.0.1"),
            (vec!["203.0.113.7, 010.1.1.1"], "10.0.0.1"),
            (vec!["203.0.113.7, unknown"], "10.0.0.1"),
            (vec!["203.0.113.7, 10.1.1.1\tx"], "10.0.0.1"),
            (vec!["203.0.113.7, _hidden, 10.1.1.1"], "10.1.1.1"),
            (vec!["203.0.113.7, [10.1.1.1"], "10.0.0.1"),
            (vec!["203.0.113.7;10.1.1.1"], "10.0.0.1"),
            (vec!["203.0.113.7, ::ffff:10.1.1.1"], "203.0.113.7"),
            (vec!["203.0.113.7", ""], "10.0.0.1"),
            (vec!["10.2.2.2, 10.1.1.1"], "10.2.2.2"),
        ] {
            let mut headers = HeaderMap::new();
            for value in &chain {
                headers.append(X_FORWARDED_FOR, HeaderValue::from_static(value));
            }
            let field = AddressField::XForwardedFor;
            let address = client_address(&client("10.0.0.1", true), &headers, &trusted, field);
            assert_eq!(address.unwrap().to_string(), expected, "{chain:?}");
            let address = client_address(&client("198.51.100.1", false), &headers, &trusted, field);
            assert_eq!(address.unwrap().to_string(), "198.51.100.1", "a stranger's {chain:?}");
        }
    }

    #[test]
    fn the_standards_field_is_walked_where_it_is_the_one_that_counts() {
        let trusted = Networks::parse(&["10.0.0.0/8"]).unwrap();
        for (chain, expected) in [
            (vec!["for=203.0.113.7"], "203.0.113.7"),
            (vec!["for=6.6.6.6, FOR=203.0.113.7;proto=https;by=10.0.0.9"], "203.0.113.7"),
            (
                vec!["for=6.6.6.6;x=1", "proto=http;for=\"203.0.113.7:99\", for=10.1.1.1"],
                "203.0.113.7",
            ),
            (vec!["for=\"[2001:db8::7]:443\";host=\"a.example\""], "2001:db8::7"),
            (vec!["for=6.6.6.6, for=unknown"], "10.0.0.1"),
            (vec!["for=6.6.6.6, for=_hidden, for=10.1.1.1"], "10.1.1.1"),
            (vec!["for=6.6.6.6, proto=http"], "10.0.0.1"),
            (vec!["for=6.6.6.6;for=203.0.113.7"], "10.0.0.1"),
            (vec!["for=6.6.6.6;"], "10.0.0.1"),
            (vec!["203.0.113.7"], "10.0.0.1"),
            (vec!["for=203.0.113.7;host=\"x, for=6.6.6.6\""], "10.0.0.1"),
            (vec!["for=203.0.113.7;host=\"x, for=6.6.6.6;by=\\\"\""], "10.0.0.1"),
            (vec!["for=\"6.6.6.6"], "10.0.0.1"),
            (vec![], "10.0.0.1"),
        ] {
            let mut headers = fields(&[("x-forwarded-for", "6.6.6.6")]);
            for value in &chain {
                headers.append(FORWARDED, HeaderValue::from_static(value));
            }
            let field = AddressField::Forwarded;
            let address = client_address(&client("10.0.0.1", true), &headers, &trusted, field);
            assert_eq!(address.unwrap().to_string(), expected, "{chain:?}");
        }
    }

    #[test]
    fn what_a_trusted_peer_says_of_the_url_is_known_where_host_and_scheme_do_not_say_it() {
        for (lines, beyond) in [
            (vec![], vec![]),
            (vec![("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=\"[::1]\";by=x")], vec![]),
            (vec![("x-forwarded-host", "A.example"), ("x-forwarded-proto", "https")], vec![]),
            (vec![("forwarded", "for=1.2.3.4;host=\"a.example\", for=b;Proto=https")], vec![]),
            (vec![("x-forwarded-host", "evil")], vec!["x-forwarded-host", "evil"]),
            (
                vec![("x-forwarded-host", "a.example"), ("x-forwarded-host", "evil")],
                vec!["x-forwarded-host", "evil"],
            ),
            (vec![("x-forwarded-proto", "HTTPS")], vec!["x-forwarded-proto", "HTTPS"]),
            (vec![("x-forwarded-prefix", "/x")], vec!["x-forwarded-prefix", "/x"]),
            (vec![("forwarded", "for=1.2.3.4;HOST=evil")], vec!["HOST=evil"]),
            // To some origins what is quoted is not.
            (vec![("forwarded", "for=\";host=evil\"")], vec!["for=\";host=evil\""]),
            // Joined, these two say `host=evil`.
            (
                vec![("forwarded", "for=\"x"), ("forwarded", "for=\";host=evil")],
                vec!["for=\"x", "for=\";host=evil"],
            ),
            (vec![("forwarded", "for=\"\\\";host=evil")], vec!["for=\"\\\";host=evil"]),
            (vec![("forwarded", "host=\"a,b\"")], vec!["host=\"a,b\""]),
        ] {
            let (host, headers) = (HeaderValue::from_static("a.example"), fields(&lines));
            let said = |trusted| {
                let (client, mut said) = (client("10.0.0.1", trusted), Vec::new());
                beyond_host(&headers, &client, ("https", Some(&host)), &mut |bytes| {
                    said.push(String::from_utf8_lossy(bytes).into_owned());
                });
                said
            };
            assert_eq!(said(true), beyond, "{lines:?}");
            assert!(said(false).is_empty(), "{lines:?}");
        }
    }

    #[test]
    fn the_origin_is_told_the_whole_chain() {
        let host = HeaderValue::from_static("api.example.com");
        let mut headers = fields(&[
            ("x-forwarded-for", "203.0.113.7"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "outer.example.com"),
            ("forwarded", "for=203.0.113.7"),
        ]);
        set_forwarded(&mut headers, &client("10.0.0.1", true), Some(&host));
        assert_eq!(headers["x-forwarded-for"], "203.0.113.7, 10.0.0.1");
        assert_eq!(headers["x-forwarded-proto"], "https");
        assert_eq!(headers["x-forwarded-host"], "outer.example.com");
        let expected = "for=203.0.113.7, for=10.0.0.1;host=\"api.example.com\";proto=http";
        assert_eq!(headers["forwarded"], expected);
    }

    #[test]
    fn without_a_trusted_proxy_the_origin_is_told_what_the_socket_shows() {
        let host = HeaderValue::from_static("api.example.com");
        let mut headers = HeaderMap::new();
        set_forwarded(&mut headers, &client("198.51.100.1", false), Some(&host));
        assert_eq!(headers["x-forwarded-for"], "198.51.100.1");
        assert_eq!(headers["x-forwarded-proto"], "http");
        assert_eq!(headers["x-forwarded-host"], "api.example.com");
        assert!(!headers.contains_key("forwarded"));
    }
}
