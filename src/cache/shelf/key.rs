//! What answers are kept under, and what a request looks for.
//!
//! In: a partition (whose it is, as a digest) and a URL. Out: a [`Seek`], which borrows, or a [`Key`], which
//! does not. The hash is keyed: nobody outside can make keys meet.

use std::{
    borrow::Cow,
    hash::{BuildHasher as _, Hasher as _, RandomState},
};

use crate::message::{path, without_port};

/// What a request looks for; borrowed, so that to look allocates nothing.
#[derive(Clone, Copy, Debug)]
pub struct Seek<'a> {
    hash: u64,
    partition: u128,
    url: Url<'a>,
}

/// The parts of a URL as keys have it.
#[derive(Clone, Copy, Debug)]
pub(in crate::cache) struct Url<'a> {
    scheme: &'a str,
    host: &'a str,
    target: &'a str,
}

/// What an answer is kept under.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key {
    /// The upper bits are of the URL alone, however it is spelled, so all that is kept of one is found by them.
    hash: u64,
    /// In two words, which need not be aligned to four.
    partition: [u64; 2],
    url: Box<str>,
}

/// Bits of the hash that are of the URL alone: as many as tell places of [`Stamps`](crate::cache::stamps::Stamps) apart
/// at most.
pub(in crate::cache) const URL_BITS: u32 = 20;

impl<'a> Seek<'a> {
    pub(in crate::cache) fn new(seed: &RandomState, partition: u128, url: Url<'a>) -> Self {
        let exact = url.digest(seed);
        let whole = seed.hash_one((exact, partition));
        let of_url = match url.respelled() {
            None => exact,
            Some(target) => url.with(&target).digest(seed),
        };
        let hash = (of_url >> (64 - URL_BITS) << (64 - URL_BITS)) | (whole >> URL_BITS);
        Self { hash, partition, url }
    }

    /// The same, owned.
    pub fn to_key(&self) -> Key {
        let url = self.url.text().into_boxed_str();
        Key { hash: self.hash, partition: halves(self.partition), url }
    }

    /// A keyed digest of it.
    #[inline]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    pub(in crate::cache) fn url(&self) -> &Url<'a> {
        &self.url
    }

    /// Whether this is the key that it looks for.
    #[inline]
    pub(in crate::cache) fn is(&self, key: &Key) -> bool {
        self.hash == key.hash
            && halves(self.partition) == key.partition
            && self.url.is(key.url.as_bytes())
    }
}

impl Key {
    /// A request for the same.
    pub fn seek(&self) -> Seek<'_> {
        let [high, low] = self.partition.map(u128::from);
        Seek { hash: self.hash, partition: (high << 64) | low, url: Url::read(&self.url) }
    }

    /// Whose it is.
    pub(in crate::cache) fn partition(&self) -> u128 {
        self.seek().partition
    }

    /// `https://host/path?query`
    pub fn url(&self) -> &str {
        &self.url
    }

    #[inline]
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }
}

fn halves(partition: u128) -> [u64; 2] {
    [(partition >> 64) as u64, partition as u64]
}

impl<'a> Url<'a> {
    pub(in crate::cache) fn new(scheme: &'a str, host: &'a str, target: &'a str) -> Self {
        Self { scheme, host, target }
    }

    /// Takes a text apart, of whatever form.
    pub(in crate::cache) fn read(text: &'a str) -> Self {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let end = rest.find(['/', '?', '*']).unwrap_or(rest.len());
        Self { scheme, host: &rest[..end], target: &rest[end..] }
    }

    /// Its text.
    pub(in crate::cache) fn text(&self) -> String {
        let Url { scheme, host, target } = *self;
        [scheme, "://", host, target].concat()
    }

    /// The same place with another target.
    pub(in crate::cache) fn with(self, target: &'a str) -> Self {
        Self { target, ..self }
    }

    /// The target in the one spelling that is compared where something is made void, if it has another: an origin
    /// takes `/a%62` and `//ab` for `/ab`, or may.
    #[inline]
    pub(in crate::cache) fn respelled(&self) -> Option<String> {
        let (path, _) = self.target.split_at(self.target.find('?').unwrap_or(self.target.len()));
        let mut before = 0;
        let odd = path.bytes().fold(false, |odd, byte| {
            let doubled = (before, byte) == (b'/', b'/');
            before = byte;
            odd | doubled | !path::is_plain(byte)
        });
        odd.then(|| respelled(path, &self.target[path.len()..]))
    }

    /// Whether a text is of the same place, however its path is spelled.
    pub(in crate::cache) fn is_as(&self, text: &str) -> bool {
        let other = Url::read(text);
        self.is(text.as_bytes())
            || (self.scheme, self.host) == (other.scheme, other.host)
                && self.spelled() == other.spelled()
    }

    fn spelled(&self) -> Cow<'a, str> {
        self.respelled().map_or(Cow::Borrowed(self.target), Cow::Owned)
    }

    /// A digest of its text. A hasher is slow at the beginning and the end of each part, so a short text is
    /// put together first.
    #[inline]
    fn digest(&self, seed: &RandomState) -> u64 {
        let mut hasher = seed.build_hasher();
        let parts = self.parts();
        let mut whole = [0; 256];
        let mut length = 0;
        for part in parts {
            match whole.get_mut(length..length + part.len()) {
                Some(place) => place.copy_from_slice(part),
                None => {
                    parts.iter().for_each(|part| hasher.write(part));
                    return hasher.finish();
                }
            }
            length += part.len();
        }
        hasher.write(&whole[..length]);
        hasher.finish()
    }

    /// Its host without a port.
    pub(in crate::cache) fn host(&self) -> &'a str {
        without_port(self.host)
    }

    fn parts(&self) -> [&'a [u8]; 4] {
        [self.scheme, "://", self.host, self.target].map(str::as_bytes)
    }

    pub(in crate::cache) fn is(&self, text: &[u8]) -> bool {
        self.after(text).is_some_and(<[u8]>::is_empty)
    }

    /// Whether its text begins so.
    pub(in crate::cache) fn begins_with(&self, prefix: &[u8]) -> bool {
        let mut rest = prefix;
        for part in self.parts() {
            if rest.len() <= part.len() {
                return part.starts_with(rest);
            }
            let Some(after) = rest.strip_prefix(part) else { return false };
            rest = after;
        }
        false
    }

    /// What a text has after this, if it begins with it.
    #[inline]
    fn after<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        self.parts().into_iter().try_fold(text, |text, part| text.strip_prefix(part))
    }
}

#[cold]
fn respelled(path: &str, query: &str) -> String {
    let mut target = String::with_capacity(path.len() + query.len());
    for sign in path::normalise(path).chars() {
        if sign != '/' || !target.ends_with('/') {
            target.push(sign);
        }
    }
    target + query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_one_spelling_where_it_is_made_void() {
        let seed = RandomState::new();
        let place =
            |target| Seek::new(&seed, 1, Url::new("http", "a", target)).hash() >> (64 - URL_BITS);
        for (target, other) in [
            ("/ab", "/a%62"),
            ("/ab", "//ab"),
            ("/a/b?x=%61", "/a///%62?x=%61"),
            ("/caf%C3%A9", "/caf%c3%a9"),
            ("/a[1]|^{}\"\\", "/a%5B1%5d%7C%5E%7b%7D%22%5C"),
            ("/a;b", "/a%3Bb"),
        ] {
            assert_eq!(place(target), place(other), "{target} {other}");
            assert!(Url::new("http", "a", target).is_as(&format!("http://a{other}")), "{target}");
            let (one, two) = (Url::new("http", "a", target), Url::new("http", "a", other));
            let (one, two) = (Seek::new(&seed, 1, one), Seek::new(&seed, 1, two));
            assert_ne!(one.hash(), two.hash(), "as keys they are two");
            assert!(!one.is(&two.to_key()));
        }
        for (target, other) in [("/a/b", "/a%2Fb"), ("/a?b=//c", "/a?b=/c"), ("/a", "/A")] {
            assert_ne!(place(target), place(other), "{target} {other}");
        }
    }

    #[test]
    fn a_key_is_what_was_looked_for_and_nothing_else() {
        let seed = RandomState::new();
        let url = Url::new("https", "a.example:8443", "/x?y=https://b/");
        let seek = Seek::new(&seed, 7 << 64 | 8, url);
        let key = seek.to_key();
        assert_eq!(key.url(), "https://a.example:8443/x?y=https://b/");
        assert!(seek.is(&key) && key.seek().is(&key));
        assert_eq!(key.seek().hash(), Seek::new(&seed, 7 << 64 | 8, Url::read(key.url())).hash());
        for (partition, scheme, target) in [
            (7, "https", "/x?y=https://b/"),
            (8 << 64 | 7, "https", "/x?y=https://b/"),
            (7 << 64 | 8, "http", "/x?y=https://b/"),
            (7 << 64 | 8, "https", "/x?y=https://b"),
            (7 << 64 | 8, "https", "/x?y=https://b//"),
        ] {
            let other = Seek::new(&seed, partition, Url::new(scheme, "a.example:8443", target));
            assert!(!other.is(&key), "{other:?}");
        }
    }

    #[test]
    fn all_that_is_kept_of_a_url_shares_the_upper_bits() {
        let seed = RandomState::new();
        let of = |partition| Seek::new(&seed, partition, Url::new("http", "a", "/")).hash();
        assert_ne!(of(1), of(2));
        assert_eq!(of(1) >> (64 - URL_BITS), of(2) >> (64 - URL_BITS));
    }

    #[test]
    fn a_prefix_is_of_the_text() {
        let url = Url::new("http", "a.example", "/shop/1");
        for prefix in ["", "h", "http:", "http://a.example", "http://a.example/shop/1"] {
            assert!(url.begins_with(prefix.as_bytes()), "{prefix}");
        }
        for prefix in ["https", "http://a.example/shop/1/", "http://a.exampl3", "/shop"] {
            assert!(!url.begins_with(prefix.as_bytes()), "{prefix}");
        }
    }

    #[test]
    fn a_host_is_without_its_port() {
        for (host, name) in
            [("a:80", "a"), ("a", "a"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("a:", "a")]
        {
            assert_eq!(Url::new("http", host, "/").host(), name);
        }
    }
}
