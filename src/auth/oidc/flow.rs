//! [`Flow`]: a login that was begun and has not come back, kept by the browser itself in one cookie.
//!
//! In: what was asked of the provider. Out: a sealed text, and the same again when the browser brings it
//! back within its time. So nothing is kept for strangers; only logins that did come back are remembered
//! for as long as they could come back again ([`Once`]).

use std::{
    collections::{HashSet, VecDeque},
    fmt,
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey},
    digest::{SHA256, digest},
    rand,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// How long a login may take, in milliseconds.
pub(super) const LONGEST: u64 = 600_000;

/// The longest page that a browser comes back to; a cookie has 4 KiB in all.
const LONGEST_PAGE: usize = 2_048;

const NONCE: usize = 12;

/// A login that was begun.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Flow {
    /// What the answer has to say.
    #[serde(rename = "s")]
    pub(super) state: String,
    /// What the ID token has to say.
    #[serde(rename = "n")]
    pub(super) nonce: String,
    /// What proves that who brings the code is who asked for it (RFC 7636).
    #[serde(rename = "v")]
    pub(super) verifier: String,
    /// Path and query of the page that was asked for.
    #[serde(rename = "p")]
    pub(super) page: String,
    /// Scheme and host of it.
    #[serde(rename = "o")]
    pub(super) origin: String,
    /// When it began, in milliseconds since 1970.
    #[serde(rename = "t")]
    pub(super) begun: u64,
}

impl Flow {
    /// A login that begins now, for the page with this path and query.
    pub(super) fn begin(origin: String, page: &str, now: u64) -> Result<Self, String> {
        let page = if may_return(page) { page } else { "/" };
        let (page, begun) = (page.to_owned(), now);
        Ok(Self { state: random()?, nonce: random()?, verifier: random()?, page, origin, begun })
    }

    /// What the provider is shown of the verifier.
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.verifier.as_bytes()))
    }
}

/// The length of a text that nobody can guess.
pub(super) const RANDOM: usize = 43;

/// 32 bytes that nobody can guess, as text.
pub(super) fn random() -> Result<String, String> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| "the system has no random numbers")?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Whether a browser may be led back there: to a path of this origin, which no browser reads as another
/// host. It is put behind an origin all the same.
fn may_return(page: &str) -> bool {
    let mut bytes = page.bytes();
    bytes.next() == Some(b'/')
        && !matches!(bytes.next(), Some(b'/' | b'\\'))
        && page.len() <= LONGEST_PAGE
        && page.bytes().all(|byte| matches!(byte, b'!'..=b'~') && byte != b'\\')
}

/// The key that seals logins: this process's, or that of all gateways that share sessions.
pub(super) struct Key(RandomizedNonceKey);

impl Key {
    /// One that nobody else has.
    pub(super) fn new() -> Result<Self, String> {
        let mut key = [0; 32];
        rand::fill(&mut key).map_err(|_| "the system has no random numbers")?;
        Self::of(&key)
    }

    pub(super) fn of(key: &[u8; 32]) -> Result<Self, String> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key);
        Ok(Self(key.map_err(|_| "no key can be made")?))
    }

    /// Seals a login of the section with this name.
    pub(super) fn seal(&self, section: &str, flow: &Flow) -> Option<String> {
        let mut text = serde_json::to_vec(flow).ok()?;
        let nonce = self.0.seal_in_place_append_tag(Aad::from(section), &mut text).ok()?;
        Some(URL_SAFE_NO_PAD.encode([&nonce.as_ref()[..], &text].concat()))
    }

    /// Opens it again, within its time.
    pub(super) fn open(&self, section: &str, sealed: &[u8], now: u64) -> Option<Flow> {
        let mut bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, text) = bytes.split_at_mut_checked(NONCE)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let text = self.0.open_in_place(nonce, Aad::from(section), text).ok()?;
        let flow: Flow = serde_json::from_slice(text).ok()?;
        (now < flow.begun.saturating_add(LONGEST)).then_some(flow)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

/// What may be used once, remembered after that for as long as it could be used again. When there is more
/// than fits the oldest is forgotten; the provider takes no code twice either.
#[derive(Debug, Default)]
pub(super) struct Once(Mutex<Used>);

#[derive(Debug, Default)]
struct Used {
    known: HashSet<[u8; 32]>,
    order: VecDeque<([u8; 32], u64)>,
}

/// As much is remembered.
const MOST: usize = 65_536;

impl Once {
    /// Whether this is used for the first time; from now on, no more. All have the same time to live.
    pub(super) fn first(&self, what: &[u8], now: u64, keep: u64) -> bool {
        let mut tag = [0; 32];
        tag.copy_from_slice(digest(&SHA256, what).as_ref());
        let mut used = self.0.lock();
        while let Some((oldest, until)) = used.order.front().copied()
            && (until <= now || used.order.len() >= MOST)
        {
            used.order.pop_front();
            used.known.remove(&oldest);
        }
        if !used.known.insert(tag) {
            return false;
        }
        used.order.push_back((tag, now.saturating_add(keep)));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow() -> Flow {
        Flow::begin("https://a.example".into(), "/a?b=c", 1_000).unwrap()
    }

    #[test]
    fn a_login_comes_back_only_as_it_went_and_in_time() {
        let (key, flow) = (Key::new().unwrap(), flow());
        let sealed = key.seal("corp", &flow).unwrap();
        let open = |section, sealed: &str, now| key.open(section, sealed.as_bytes(), now);
        assert_eq!(open("corp", &sealed, 1_000 + LONGEST - 1), Some(flow.clone()));
        assert_eq!(open("corp", &sealed, 1_000 + LONGEST), None, "too late");
        assert_eq!(open("other", &sealed, 1_000), None, "another section's");
        assert_eq!(Key::new().unwrap().open("corp", sealed.as_bytes(), 1_000), None, "another's");
        for at in [0, NONCE, sealed.len() - 1] {
            let mut forged = sealed.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(key.open("corp", &forged, 1_000), None, "changed at {at}");
        }
        for garbage in ["", "A", "AAAAAAAAAAAAAAAAAAAA", "\u{e9}"] {
            assert_eq!(open("corp", garbage, 1_000), None, "{garbage}");
        }
        assert_ne!(key.seal("corp", &flow), key.seal("corp", &flow), "no two are the same");
    }

    #[test]
    fn a_browser_is_led_back_to_this_origin_only() {
        for (page, back) in [
            ("/", "/"),
            ("/a/b?c=d&e=//x", "/a/b?c=d&e=//x"),
            ("/%2f%2fevil", "/%2f%2fevil"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("/a\\b", "/"),
            ("https://evil.example/", "/"),
            ("evil", "/"),
            ("", "/"),
            ("*", "/"),
            ("/a\r\nset-cookie: x", "/"),
            ("/\t/evil", "/"),
            ("/\u{e9}", "/"),
        ] {
            let flow = Flow::begin(String::new(), page, 0).unwrap();
            assert_eq!(flow.page, back, "{page:?}");
        }
        assert_eq!(
            Flow::begin(String::new(), &format!("/{}", "a".repeat(4_000)), 0).unwrap().page,
            "/"
        );
    }

    #[test]
    fn what_was_used_once_is_used_up_for_its_time() {
        let once = Once::default();
        assert!(once.first(b"a", 0, 10) && once.first(b"b", 5, 10));
        assert!(!once.first(b"a", 9, 10) && !once.first(b"b", 14, 10));
        assert!(once.first(b"a", 15, 10));
        for number in 0..(MOST + 100) {
            once.first(&number.to_be_bytes(), 20, 10);
        }
        assert!(once.0.lock().known.len() <= MOST);
    }
}
