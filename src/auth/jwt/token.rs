//! [`Token`]: a token taken apart (RFC 7515, the compact form), before anybody believes what it says.
//!
//! In: its bytes. Out: its algorithm, key id, claims and signature. What could be read in two ways is
//! refused: names that are there twice, base64 with padding or spare bits, header parameters that
//! change what the rest means. Parameters that bring keys along (`jwk`, `jku`, `x5c`, `x5u`) are not
//! looked at.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::{Map, Value};

use crate::{config::Algorithm, message::parse_json, reject::Reject};

/// What a token may be called: an access token (RFC 9068), or nothing in particular.
const TYPES: [&str; 4] = ["jwt", "application/jwt", "at+jwt", "application/at+jwt"];

/// A token, as it says.
#[derive(Debug)]
pub(in crate::auth) struct Token<'a> {
    /// What is signed.
    pub(in crate::auth) signed: &'a [u8],
    pub(in crate::auth) algorithm: Algorithm,
    /// Which key signed it.
    pub(in crate::auth) kid: Option<String>,
    pub(in crate::auth) claims: Map<String, Value>,
    pub(in crate::auth) signature: Vec<u8>,
}

impl<'a> Token<'a> {
    /// Takes it apart.
    pub(in crate::auth) fn parse(text: &'a [u8]) -> Result<Self, Reject> {
        Self::parse_as(text, &TYPES)
    }

    /// Takes it apart; it may be called one of these types, in small letters.
    pub(in crate::auth) fn parse_as(text: &'a [u8], types: &[&str]) -> Result<Self, Reject> {
        let mut dots = (0..text.len()).filter(|at| text[*at] == b'.');
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(Reject::AuthJwtMalformed);
        };
        let header = decode(&text[..first]).ok_or(Reject::AuthJwtMalformed)?;
        let header = Header::parse(&header).ok_or(Reject::AuthJwtMalformed)?;
        let is_token = |kind: &str| types.iter().any(|known| kind.eq_ignore_ascii_case(known));
        if header.changes_the_rest() || header.typ.as_deref().is_some_and(|kind| !is_token(kind)) {
            return Err(Reject::AuthJwtMalformed);
        }
        let claims = decode(&text[first + 1..second]).ok_or(Reject::AuthJwtMalformed)?;
        Ok(Self {
            signed: &text[..second],
            algorithm: named(&header.alg).ok_or(Reject::AuthJwtAlgorithm)?,
            kid: header.kid.map(Cow::into_owned),
            claims: parse_object(&claims).map_err(|_| Reject::AuthJwtMalformed)?,
            signature: decode(&text[second + 1..]).ok_or(Reject::AuthJwtMalformed)?,
        })
    }
}

/// What a header says that matters here. None of these is there twice (RFC 7515 section 4); what else it
/// says nobody reads.
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text")]
    kid: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    typ: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "there")]
    crit: bool,
    #[serde(default, deserialize_with = "there")]
    b64: bool,
    #[serde(default, deserialize_with = "there")]
    zip: bool,
    #[serde(default, deserialize_with = "there")]
    enc: bool,
}

impl<'a> Header<'a> {
    fn parse(text: &'a [u8]) -> Option<Self> {
        // A list would do as well for serde.
        text.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(text).ok())?
    }

    /// Whether the rest means another thing than it says.
    const fn changes_the_rest(&self) -> bool {
        self.crit || self.b64 || self.zip || self.enc
    }
}

/// A text, and nothing else: `null` is not as if it were not there.
fn text<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<Cow<'a, str>>, D::Error> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    Text::deserialize(from).map(|text| Some(text.0))
}

/// Whether something is there, whatever it is.
fn there<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(from).map(|_| true)
}

/// The algorithm with this name, letter by letter. `none` is none.
pub(in crate::auth) fn named(name: &str) -> Option<Algorithm> {
    Some(match name {
        "RS256" => Algorithm::RS256,
        "RS384" => Algorithm::RS384,
        "RS512" => Algorithm::RS512,
        "PS256" => Algorithm::PS256,
        "PS384" => Algorithm::PS384,
        "PS512" => Algorithm::PS512,
        "ES256" => Algorithm::ES256,
        "ES384" => Algorithm::ES384,
        "ES512" => Algorithm::ES512,
        // RFC 9864 gives it a name that says which curve.
        "EdDSA" | "Ed25519" => Algorithm::EdDsa,
        "HS256" => Algorithm::HS256,
        "HS384" => Algorithm::HS384,
        "HS512" => Algorithm::HS512,
        _ => return None,
    })
}

/// Bytes in base64url, without padding and in its one form.
pub(in crate::auth) fn decode(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// A JSON object in which no name is there twice, however deep.
pub(in crate::auth) fn parse_object(text: &[u8]) -> Result<Map<String, Value>, String> {
    // It may be as deep as the library reads.
    match parse_json(text, u8::MAX) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("it is not a JSON object".into()),
        Err(error) => Err(format!("it is not JSON: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(header: &str, claims: &str) -> Vec<u8> {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", part(header), part(claims), part("sig")).into_bytes()
    }

    #[test]
    fn a_token_says_what_it_says_in_one_way_only() {
        let good = r#"{"alg":"ES256","kid":"a","typ":"at+JWT","jwk":{},"jku":"https://evil"}"#;
        let bytes = token(good, r#"{"sub":"x","n":[1,-1,0.5,null,true]}"#);
        let parsed = Token::parse(&bytes).unwrap();
        assert_eq!((parsed.algorithm, parsed.kid.as_deref()), (Algorithm::ES256, Some("a")));
        assert_eq!(parsed.signature, b"sig");
        assert_eq!(parsed.signed, &bytes[..bytes.len() - 5]);
        assert_eq!(
            Value::Object(parsed.claims).to_string(),
            r#"{"sub":"x","n":[1,-1,0.5,null,true]}"#
        );
        let (malformed, algorithm) = (Reject::AuthJwtMalformed, Reject::AuthJwtAlgorithm);
        for (header, claims, reject) in [
            (r#"{"alg":"none"}"#, "{}", algorithm),
            (r#"{"alg":"es256"}"#, "{}", algorithm),
            (r#"{"alg":"ES256K"}"#, "{}", algorithm),
            (r#"{"alg":256}"#, "{}", malformed),
            (r"{}", "{}", malformed),
            (r#"{"alg":"ES256","alg":"ES256"}"#, "{}", malformed),
            (r#"{"alg":"ES256","a\u006cg":"none"}"#, "{}", malformed),
            (r#"{"alg":"ES256","kid":7}"#, "{}", malformed),
            (r#"{"alg":"ES256","kid":null}"#, "{}", malformed),
            (r#"{"alg":"ES256","kid":"a","kid":"b"}"#, "{}", malformed),
            (r#"{"alg":"ES256","crit":[]}"#, "{}", malformed),
            (r#"{"alg":"ES256","crit":null}"#, "{}", malformed),
            (r#"{"alg":"ES256","zip":"DEF"}"#, "{}", malformed),
            (r#"{"alg":"ES256","enc":"A256GCM"}"#, "{}", malformed),
            (r#"["ES256"]"#, "{}", malformed),
            (r#"{"alg":"ES256","b64":false}"#, "{}", malformed),
            (r#"{"alg":"ES256","typ":"logout+jwt"}"#, "{}", malformed),
            (r#"{"alg":"ES256","typ":null}"#, "{}", malformed),
            (r#"{"alg":"ES256"} x"#, "{}", malformed),
            ("[]", "{}", malformed),
            (r#"{"alg":"ES256"}"#, "[]", malformed),
            (r#"{"alg":"ES256"}"#, "", malformed),
            (r#"{"alg":"ES256"}"#, r#"{"a":{"b":1,"b":2}}"#, malformed),
            (r#"{"alg":"ES256"}"#, r#"{"sub":"a",}"#, malformed),
        ] {
            let bytes = token(header, claims);
            assert_eq!(Token::parse(&bytes).err(), Some(reject), "{header} {claims}");
        }
    }

    #[test]
    fn base64_has_one_form() {
        assert_eq!(decode("YQ").as_deref(), Some(&b"a"[..]));
        for text in ["YQ==", "YQ=", "YR", "Y", "+/+/", "YQ ", "Y\nQ", " YQ"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Token::parse(&bytes);
            let _ = parse_object(&bytes);
        }
    }
}
