//! API keys: what is sent, and what is stored of it. Also the file with one in a line.
//!
//! In: a key as the operator stores it, or the wish for a new one. Out: a digest to look up; the line
//! to store. The key itself, `janua_ID_SECRET`, is nowhere but in the answer to `janua key new`.

use aws_lc_rs::{digest, rand};
use serde::Deserialize;
use time::{
    Date, OffsetDateTime,
    format_description::well_known::{Iso8601, Rfc3339},
};

use crate::{config::Key, message::hex};

/// Characters of a key's secret: 43 of 62 are 256 bits.
const SECRET: usize = 43;
/// Characters of it that are stored to know it again.
const VISIBLE: usize = 4;
/// Characters behind the owner's name in an id.
const SUFFIX: usize = 4;

/// The SHA-256 of a key.
pub(super) type Digest = [u8; 32];

/// The digest of a key that was sent.
pub(super) fn digest(key: &[u8]) -> Digest {
    let mut digest = [0; 32];
    digest.copy_from_slice(digest::digest(&digest::SHA256, key).as_ref());
    digest
}

/// A digest as it is written.
pub(super) fn parse_digest(hex: &str) -> Result<Digest, String> {
    let bad = || "a key's `sha256` is 64 hexadecimal digits".to_owned();
    if hex.len() != 64 || !hex.is_ascii() {
        return Err(bad());
    }
    let mut digest = [0; 32];
    for (at, byte) in digest.iter_mut().enumerate() {
        let digits = &hex[2 * at..2 * at + 2];
        let all_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        *byte = u8::from_str_radix(digits, 16).ok().filter(|_| all_hex).ok_or_else(bad)?;
    }
    Ok(digest)
}

/// When a key ends, in milliseconds since 1970: a day, which is part of its time, or a moment.
pub(super) fn parse_expiry(text: &str) -> Result<u64, String> {
    let day = (text.len() == 10).then(|| Date::parse(text, &Iso8601::DATE).ok()).flatten();
    let moment = match day.and_then(Date::next_day) {
        Some(day) => Some(day.midnight().assume_utc()),
        None => OffsetDateTime::parse(text, &Rfc3339).ok(),
    };
    let millis = moment.map(|moment| moment.unix_timestamp_nanos() / 1_000_000);
    millis.and_then(|millis| u64::try_from(millis).ok()).ok_or_else(|| {
        format!("`{text}` is not a date; write it like \"2027-12-31\" or \"2027-12-31T12:00:00Z\"")
    })
}

/// What a new key is to be.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Whose it is.
    pub owner: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// Its scopes.
    pub scopes: Vec<String>,
    /// When it ends, in seconds since 1970.
    pub expires: Option<i64>,
}

/// Makes a key: what is to be sent, and what is to be stored.
///
/// # Errors
/// The system has no random numbers, or the end is beyond the calendar.
pub fn make_key(wish: Wish) -> Result<(String, Key), String> {
    let plain = |c: char| c.is_ascii_alphanumeric();
    let mut id: String = wish.owner.chars().filter(|c| plain(*c)).take(16).collect();
    if id.is_empty() {
        id.push_str("key");
    }
    id = format!(
        "{}-{}",
        id.to_ascii_lowercase(),
        random(SUFFIX, b"23456789abcdefghjkmnpqrstuvwxyz")?
    );
    let front = format!("janua_{id}_");
    let secret = random(SECRET, ALPHANUMERIC)?;
    let key = front.clone() + &secret;
    let expires = wish.expires.map(|seconds| {
        let moment = OffsetDateTime::from_unix_timestamp(seconds).ok();
        moment.and_then(|moment| moment.format(&Rfc3339).ok()).ok_or("that is beyond the calendar")
    });
    let stored = Key {
        id,
        sha256: hex(&digest(key.as_bytes())),
        prefix: Some(front + &secret[..VISIBLE]),
        owner: Some(wish.owner),
        roles: crate::config::OneOrMany(wish.roles),
        scopes: crate::config::OneOrMany(wish.scopes),
        expires: expires.transpose()?,
        revoked: false,
    };
    Ok((key, stored))
}

const ALPHANUMERIC: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// So many characters of an alphabet, each as likely as the others.
fn random(count: usize, alphabet: &[u8]) -> Result<String, String> {
    let fair = 256 / alphabet.len() * alphabet.len();
    let mut text = String::new();
    while text.len() < count {
        let mut bytes = [0; 64];
        rand::fill(&mut bytes).map_err(|_| "the system has no random numbers")?;
        let fair = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < fair);
        text.extend(fair.map(|byte| char::from(alphabet[byte % alphabet.len()])));
        text.truncate(count);
    }
    Ok(text)
}

/// A key as a line to store: in a file of keys, or in the list `keys`.
///
/// # Errors
/// It cannot be written; there is no such key.
pub fn key_line(key: &Key) -> Result<String, String> {
    let table = toml::Table::try_from(key).map_err(|error| error.to_string())?;
    let pairs: Vec<_> = table.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    Ok(format!("{{ {} }}", pairs.join(", ")))
}

/// A line of a file of keys: none in an empty one or a comment.
///
/// # Errors
/// What is wrong with it.
pub fn parse_key_line(line: &str) -> Result<Option<Key>, String> {
    #[derive(Deserialize)]
    struct Line {
        key: Key,
    }
    let text = line.trim().trim_end_matches(',');
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let parsed = toml::from_str::<Line>(&format!("key = {text}"));
    let key = parsed.map_err(|error| error.message().trim().to_owned())?.key;
    check(&key)?;
    Ok(Some(key))
}

/// Whether a key has what it needs.
pub(super) fn check(key: &Key) -> Result<(Digest, Option<u64>), String> {
    if key.id.is_empty() || key.id.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(format!("a key's `id` is a word, and `{}` is none", key.id.escape_debug()));
    }
    let digest = parse_digest(&key.sha256)?;
    Ok((digest, key.expires.as_deref().map(parse_expiry).transpose()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_found_by_what_is_stored_and_its_line_comes_back() {
        let wish = Wish {
            owner: "Acme \"Inc\" #1".into(),
            roles: vec!["buyer".into()],
            scopes: vec!["a".into(), "b".into()],
            expires: Some(1_830_297_600),
        };
        let (key, stored) = make_key(wish).unwrap();
        assert_eq!(check(&stored).unwrap(), (digest(key.as_bytes()), Some(1_830_297_600_000)));
        let shape = regex::Regex::new("^janua_acmeinc1-[2-9a-z]{4}_[0-9A-Za-z]{43}$").unwrap();
        assert!(shape.is_match(&key), "{key}");
        let line = key_line(&stored).unwrap();
        assert!(!line.contains('\n') && !line.contains(&key[30..]), "{line}");
        assert_eq!(parse_key_line(&format!("  {line},")), Ok(Some(stored)));
        assert_ne!(make_key(Wish::default()).unwrap().0, make_key(Wish::default()).unwrap().0);
    }

    #[test]
    fn an_expiry_is_a_day_or_a_moment() {
        for (text, seconds) in [
            ("2027-12-31", 1_830_297_600),
            ("2027-12-31T00:00:00Z", 1_830_211_200),
            ("2027-12-31T02:00:00+02:00", 1_830_211_200),
        ] {
            assert_eq!(parse_expiry(text), Ok(seconds * 1_000), "{text}");
        }
        for text in
            ["", "2027", "2027-13-01", "31.12.2027", "1960-01-01", "2027-12-31T00:00", "90d"]
        {
            assert!(parse_expiry(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lines_that_are_no_keys_say_why() {
        let sha = "0".repeat(64);
        for (line, expected) in [
            (String::from("{ id = \"a\" }"), "64 hexadecimal digits"),
            (format!("{{ sha256 = \"{sha}\" }}"), "`id` is a word"),
            (format!("{{ id = \"a b\", sha256 = \"{sha}\" }}"), "`id` is a word"),
            (format!("{{ id = \"a\", sha256 = \"{}+1\" }}", &sha[..62]), "64 hexadecimal digits"),
            (format!("{{ id = \"a\", sha256 = \"{sha}\", rolls = \"x\" }}"), "unknown field"),
            (format!("{{ id = \"a\", sha256 = \"{sha}\", expires = \"soon\" }}"), "is not a date"),
            ("acme".into(), ""),
            ("{".into(), ""),
        ] {
            let error = parse_key_line(&line).unwrap_err();
            assert!(error.contains(expected) && !error.contains('\n'), "{line}: {error}");
        }
        assert_eq!(parse_key_line(" # a comment"), Ok(None));
        assert_eq!(parse_key_line("\t"), Ok(None));
    }
}
