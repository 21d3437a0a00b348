//! A switch of protocols, as both sides have to agree on it.
//!
//! In: what a client asked for, and what an origin said. Out: whether that is an agreement.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, header::UPGRADE};

use super::may_pass;

/// What RFC 6455 section 1.3 adds to a key before it is hashed.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The protocols to which an answer switches, if all of them were asked for and may pass (RFC 9110 section 7.8).
pub fn switched_to<'a>(headers: &'a HeaderMap, asked: &HeaderValue) -> Option<&'a HeaderValue> {
    let mut fields = headers.get_all(UPGRADE).iter();
    let (said, None) = (fields.next()?, fields.next()) else { return None };
    let (words, asked) = (said.to_str().ok()?, asked.to_str().ok()?);
    let fits = |protocol: &str, one: &str| {
        let name = protocol.split_once('/').map_or(protocol, |(name, _)| name);
        // Who names no version takes any.
        let named = if one.contains('/') { protocol } else { name };
        named.eq_ignore_ascii_case(one)
    };
    let mut protocols = words.split(',').map(str::trim);
    let agreed = protocols.all(|one| asked.split(',').any(|known| fits(one, known.trim())));
    (agreed && may_pass(words)).then_some(said)
}

/// What proves that a server of WebSockets understood a key (RFC 6455 section 4.2.2).
pub fn websocket_accept(key: &HeaderValue) -> String {
    let proof = [key.as_bytes(), GUID.as_bytes()].concat();
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &proof))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_switches_to_what_was_asked_for() {
        for (asked, said, agreed) in [
            ("websocket", &["websocket"][..], true),
            ("websocket", &["WebSocket"], true),
            ("shout/1", &["shout/1"], true),
            ("shout", &["shout/2"], true),
            ("shout/1", &["shout/2"], false),
            ("shout/1", &["shout"], false),
            ("a, b", &["b"], true),
            ("a,b", &["b, a"], true),
            ("a, b", &["b, c"], false),
            ("websocket", &["h2c"], false),
            ("websocket", &[], false),
            ("websocket", &[""], false),
            ("websocket", &["websocket", "websocket"], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in said {
                headers.append(UPGRADE, HeaderValue::from_static(value));
            }
            let chosen = switched_to(&headers, &HeaderValue::from_static(asked));
            assert_eq!(chosen.is_some(), agreed, "{asked}: {said:?}");
        }
    }

    /// The example of RFC 6455, section 1.3.
    #[test]
    fn a_key_has_its_proof() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(websocket_accept(&key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
