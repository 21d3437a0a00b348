//! Whose a request is: the parts of a key, and how a request answers them.
//!
//! In: what the chain knows of a request, as an [`Ask`]. Out: a digest of 64 bits, by the hasher of who asks:
//! limits take a keyed one, so that nobody outside can make two keys meet; upstreams one that is the same in
//! every gateway. Of what a client sends nothing else is held, however long it is.

use std::{
    borrow::Cow,
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState},
    net::{IpAddr, Ipv6Addr},
};

use aws_lc_rs::digest::{SHA256, digest};
use http::{HeaderMap, HeaderName, Method};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    config::{Path, Problem, Problems, nearest},
    message::{self, hex},
};

/// What a request says to whoever asks whose it is.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// The time that it has.
    pub now: Instant,
    /// The same time by the calendar, in milliseconds since 1970.
    pub wall: &'a dyn Fn() -> u64,
    /// The client's address; none for a Unix socket.
    pub client: Option<IpAddr>,
    /// How.
    pub method: &'a Method,
    /// Its header fields.
    pub headers: &'a HeaderMap,
    /// The route that takes it.
    pub route: &'a str,
    /// Its path parameters.
    pub param: &'a dyn Fn(&str) -> Option<&'a str>,
    /// Who makes it, if that is known.
    pub who: Option<&'a dyn Who>,
}

/// Somebody who is known, as far as keys ask.
pub trait Who {
    /// Which section knows them, and by what name.
    fn name(&self) -> (&str, &str);
    /// Whose key it is, where that is another thing.
    fn owner(&self) -> Option<&str>;
    /// Whether they have this role.
    fn has_role(&self, role: &str) -> bool;
    /// Whether they have this scope.
    fn has_scope(&self, scope: &str) -> bool;
    /// A claim.
    fn claim(&self, name: &str) -> Option<Cow<'_, Value>>;
    /// Whether that name is one person's, rather than that of all whom the section lets in.
    fn has_name(&self) -> bool;
    /// Whether that is so of all sections that know them.
    fn is_somebody(&self) -> bool;
    /// Gives each thing beside the name by which an origin may tell what it answers them from what it answers others.
    fn told(&self, each: &mut dyn FnMut(&[u8]));
}

/// A part of a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Part {
    /// The client's address.
    Ip,
    /// Who makes it.
    Identity,
    /// A claim of theirs.
    Claim(Box<str>),
    /// A header field.
    Header(HeaderName),
    /// A cookie.
    Cookie(Box<str>),
    /// A path parameter.
    Path(Box<str>),
    /// The route that takes it.
    Route,
}

/// What makes a key. Without parts there is one for all.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recipe {
    /// What is looked at.
    pub parts: Box<[Part]>,
    /// Bits of an address of IPv6.
    pub prefix: u8,
}

/// A map by keys. They are digests that nobody outside can choose, so it makes none of its own; what is in
/// several of these is shared out by [`shard`].
pub type ByKey<V> = HashMap<u64, V, BuildHasherDefault<AsItIs>>;

/// Which of so many shards a key is in: by other bits than a map looks at.
#[inline]
pub const fn shard(key: u64, shards: usize) -> usize {
    // The remainder is below the number.
    ((key >> 32) % shards as u64) as usize
}

/// Leaves a number as it is.
#[derive(Debug, Default)]
pub struct AsItIs(u64);

impl Hasher for AsItIs {
    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    /// For what is no number, which no map by keys has.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

/// Who a client is, whatever a limit counts by: the identity, else the address.
pub fn client(
    seed: &RandomState,
    (ip, who): (Option<IpAddr>, Option<&dyn Who>),
    prefix: u8,
) -> u64 {
    let mut hasher = seed.build_hasher();
    if !identity(who.filter(|who| who.has_name()), &mut hasher) {
        stranger(ip, prefix, &mut hasher);
    }
    hasher.finish()
}

impl Recipe {
    /// Reads the words at `at`, each of which is to be there once.
    pub fn compile(
        words: &[String],
        prefix: u8,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let mut parts = Vec::new();
        for (index, word) in words.iter().enumerate() {
            let at = if words.len() == 1 { at.clone() } else { at.index(index) };
            let problem = match Part::parse(word) {
                Ok(part) if parts.contains(&part) => {
                    Problem::error(at, format!("`{word}` is here twice"))
                }
                Ok(part) => {
                    parts.push(part);
                    continue;
                }
                Err(_) if word == "global" => {
                    Problem::error(at, "`global` is for all, whatever else is named")
                        .help("leave it out, or alone")
                }
                Err((message, help)) => Problem::error(at, message).help(help),
            };
            problems.push(problem);
        }
        (parts.len() == words.len()).then(|| Self { parts: parts.into(), prefix })
    }

    /// The key of a request.
    #[inline]
    pub fn key(&self, seed: &impl BuildHasher, ask: &Ask<'_>) -> u64 {
        let mut hasher = seed.build_hasher();
        self.feed(ask, &mut hasher);
        hasher.finish()
    }

    /// Puts what a request says into a digest.
    #[inline]
    pub fn feed(&self, ask: &Ask<'_>, hasher: &mut impl Hasher) {
        for part in &self.parts {
            part.feed(ask, self.prefix, hasher);
        }
    }

    /// The same for whoever keeps apart only what a request says: what it does not say is nothing there, rather
    /// than its address; and whoever it is counts with all that an origin is told of them.
    pub fn feed_said(&self, ask: &Ask<'_>, hasher: &mut impl Hasher) {
        for part in &self.parts {
            if !part.feed_said(ask, self.prefix, hasher) {
                hasher.write_u8(0);
            }
            if let (Part::Identity, Some(who)) = (part, ask.who) {
                who.told(&mut |bytes| {
                    text(bytes, hasher);
                });
                hasher.write_u8(0);
            }
        }
    }

    /// Whether a key is somebody's, rather than shared by many.
    pub fn is_personal(&self) -> bool {
        self.parts.iter().any(|part| !matches!(part, Part::Path(_) | Part::Route))
    }

    /// Whether there is one key for each route, or for all.
    pub fn is_single(&self) -> bool {
        self.parts.is_empty() || self.is_per_route()
    }

    /// Whether it is a matter of the route alone.
    pub fn is_per_route(&self) -> bool {
        !self.parts.is_empty() && self.parts.iter().all(|part| *part == Part::Route)
    }

    /// The words that it is made of.
    pub fn names(&self) -> Vec<String> {
        self.parts.iter().map(Part::word).collect()
    }

    /// What it is, in words that mean the same tomorrow.
    pub fn words(&self) -> String {
        format!("{:?}/{}", self.names(), self.prefix)
    }

    /// The key of a request, for people; `hidden` if they are not those who made the request, so that they
    /// must not see what may be a credential.
    pub fn describe(&self, ask: &Ask<'_>, hidden: bool) -> String {
        let describe = |part: &Part| part.describe(ask, self.prefix, hidden);
        let parts: Vec<_> = self.parts.iter().map(describe).collect();
        if parts.is_empty() { "global".into() } else { parts.join(" and ") }
    }
}

impl Part {
    /// Reads a word.
    fn parse(text: &str) -> Result<Self, (String, String)> {
        const WORDS: [&str; 8] =
            ["ip", "identity", "claim:", "header:", "cookie:", "path:", "route", "global"];
        let bad = |message: String| {
            let help = "`ip`, `identity`, `claim:NAME`, `header:NAME`, `cookie:NAME`, \
                        `path:PARAMETER`, `route` or `global`";
            Err((message, help.to_owned()))
        };
        match text.split_once(':') {
            None if text == "ip" => Ok(Self::Ip),
            None if text == "identity" => Ok(Self::Identity),
            None if text == "route" => Ok(Self::Route),
            Some((kind @ ("claim" | "header" | "cookie" | "path"), "")) => {
                bad(format!("`{kind}:` names nothing"))
            }
            Some(("claim", name)) => Ok(Self::Claim(name.into())),
            Some(("cookie", name)) if !is_cookie(name) => Err((
                format!("`{name}` is no cookie's name"),
                "a name without `;` and `=`, and without a space at its ends".into(),
            )),
            Some(("cookie", name)) => Ok(Self::Cookie(name.into())),
            Some(("path", name)) => Ok(Self::Path(name.into())),
            Some(("header", name)) => match HeaderName::try_from(name) {
                Ok(name) => Ok(Self::Header(name)),
                Err(_) => bad(format!("`{name}` is not a field name")),
            },
            _ => match nearest(text, WORDS) {
                Some(word) => {
                    Err((format!("`{text}` is no key"), format!("did you mean `{word}`?")))
                }
                None => bad(format!("`{text}` is no key")),
            },
        }
    }

    /// Its word.
    fn word(&self) -> String {
        match self {
            Self::Ip => "ip".into(),
            Self::Identity => "identity".into(),
            Self::Route => "route".into(),
            Self::Claim(name) => format!("claim:{name}"),
            Self::Header(name) => format!("header:{name}"),
            Self::Cookie(name) => format!("cookie:{name}"),
            Self::Path(name) => format!("path:{name}"),
        }
    }

    /// Puts what a request says into the digest; what is not there, as the address.
    #[inline]
    fn feed(&self, ask: &Ask<'_>, prefix: u8, hasher: &mut impl Hasher) {
        // A name that all have would make one of all.
        let nameless = *self == Self::Identity && ask.who.is_some_and(|who| !who.has_name());
        if *self == Self::Ip || nameless || !self.feed_said(ask, prefix, hasher) {
            stranger(ask.client, prefix, hasher);
        }
    }

    /// Puts what a request says into the digest; whether it says anything.
    #[inline]
    fn feed_said(&self, ask: &Ask<'_>, prefix: u8, hasher: &mut impl Hasher) -> bool {
        match self {
            Self::Ip => {
                stranger(ask.client, prefix, hasher);
                true
            }
            Self::Route => text(ask.route.as_bytes(), hasher),
            Self::Identity => identity(ask.who, hasher),
            Self::Path(name) => {
                (ask.param)(name).is_some_and(|value| text(value.as_bytes(), hasher))
            }
            Self::Header(name) => {
                joined(ask.headers.get_all(name).iter().map(http::HeaderValue::as_bytes), hasher)
            }
            Self::Cookie(name) => joined(cookies(ask.headers, name), hasher),
            Self::Claim(name) => claim(ask, name, |value| text(value, hasher)),
        }
    }

    fn describe(&self, ask: &Ask<'_>, prefix: u8, hidden: bool) -> String {
        const SHOWN: usize = 40;
        let short = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            let cut: String = text.chars().take(SHOWN).collect();
            if cut.len() < text.len() { format!("`{cut}`…") } else { format!("`{cut}`") }
        };
        let ip = || match ask.client.map(|ip| neighbourhood(ip, prefix)) {
            Some(IpAddr::V6(ip)) => format!("ip {ip}/{prefix}"),
            Some(ip) => format!("ip {ip}"),
            None => "no ip".into(),
        };
        let all = |values: Vec<&[u8]>| {
            let text = values.join(&b", "[..]);
            (!values.is_empty()).then(|| if hidden { sign(&text) } else { short(&text) })
        };
        let (kind, found) = match self {
            Self::Ip => return ip(),
            Self::Route => return format!("route `{}`", ask.route),
            Self::Identity => {
                let who = ask.who.filter(|who| who.has_name());
                ("identity".into(), who.map(|who| short(who.name().1.as_bytes())))
            }
            Self::Path(name) => {
                (format!("path {name}"), (ask.param)(name).map(|value| short(value.as_bytes())))
            }
            Self::Header(name) => {
                let values = ask.headers.get_all(name).iter().map(http::HeaderValue::as_bytes);
                (format!("header {name}"), all(values.collect()))
            }
            Self::Cookie(name) => {
                (format!("cookie {name}"), all(cookies(ask.headers, name).collect()))
            }
            Self::Claim(name) => {
                let mut found = None;
                claim(ask, name, |value| {
                    found = Some(short(value));
                    true
                });
                (format!("claim {name}"), found)
            }
        };
        match found {
            Some(value) => format!("{kind} {value}"),
            None => format!("{} for want of {kind}", ip()),
        }
    }
}

/// The beginning of a text's SHA-256: enough to find who it is that has it, and no help to be them.
fn sign(text: &[u8]) -> String {
    let digest = digest(&SHA256, text);
    format!("#{}", hex(&digest.as_ref()[..4]))
}

/// Those behind an address: in IPv6, where everybody has many, the first bits.
#[inline]
fn neighbourhood(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let kept = 128 - u32::from(prefix.min(128));
            let mask = u128::MAX.checked_shl(kept).unwrap_or(0);
            Ipv6Addr::from(u128::from(address) & mask).into()
        }
    }
}

/// An address, in the digest.
#[inline]
pub fn address(address: Option<IpAddr>, prefix: u8, hasher: &mut impl Hasher) {
    match address.map(|address| neighbourhood(address, prefix)) {
        None => hasher.write_u8(0),
        Some(IpAddr::V4(address)) => hasher.write_u32(address.into()),
        Some(IpAddr::V6(address)) => hasher.write_u128(address.into()),
    }
}

/// Who makes a request, in the digest, if that is known.
#[inline]
fn identity(who: Option<&dyn Who>, hasher: &mut impl Hasher) -> bool {
    who.is_some_and(|who| {
        let (auth, name) = who.name();
        text(auth.as_bytes(), hasher) && text(name.as_bytes(), hasher)
    })
}

/// An address in the place of what a request does not say.
#[inline]
fn stranger(ip: Option<IpAddr>, prefix: u8, hasher: &mut impl Hasher) {
    // In one piece: each costs as much again.
    match ip.map(|address| neighbourhood(address, prefix)) {
        None => hasher.write(&[0, 0]),
        Some(IpAddr::V4(address)) => {
            let [a, b, c, d] = address.octets();
            hasher.write(&[0, a, b, c, d]);
        }
        Some(IpAddr::V6(address)) => {
            let mut bytes = [0; 17];
            bytes[1..].copy_from_slice(&address.octets());
            hasher.write(&bytes);
        }
    }
}

/// A text, in the digest; its end cannot be taken for another's beginning.
#[inline]
pub fn text(bytes: &[u8], hasher: &mut impl Hasher) -> bool {
    hasher.write_u8(1);
    hasher.write(bytes);
    hasher.write_usize(bytes.len());
    true
}

/// All values as one text, as a list has them (RFC 9110 section 5.2).
fn joined<'a>(values: impl Iterator<Item = &'a [u8]>, hasher: &mut impl Hasher) -> bool {
    let mut length = 0;
    for (at, value) in values.enumerate() {
        hasher.write(if at == 0 { &[1] } else { b", " });
        hasher.write(value);
        length += value.len() + 2;
    }
    if length > 0 {
        hasher.write_usize(length - 2);
    }
    length > 0
}

/// Whether a cookie can have this name.
fn is_cookie(name: &str) -> bool {
    name.trim() == name
        && !name.contains(|sign: char| matches!(sign, ';' | '=') || sign.is_control())
}

/// The values of a cookie.
fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    message::cookies(headers)
        .filter(move |(known, _)| *known == name.as_bytes())
        .map(|(_, value)| value)
}

/// Has `act` look at a claim's text; only what is no text is written out for it.
fn claim(ask: &Ask<'_>, name: &str, act: impl FnOnce(&[u8]) -> bool) -> bool {
    match ask.who.and_then(|who| who.claim(name)).as_deref() {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => act(text.as_bytes()),
        Some(other) => act(other.to_string().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use http::HeaderValue;

    use super::*;

    struct Alice {
        nameless: bool,
    }

    const ALICE: &Alice = &Alice { nameless: false };

    impl Who for Alice {
        fn name(&self) -> (&str, &str) {
            ("corp", "alice")
        }

        fn owner(&self) -> Option<&str> {
            None
        }

        fn has_role(&self, _: &str) -> bool {
            false
        }

        fn has_scope(&self, _: &str) -> bool {
            false
        }

        fn claim(&self, name: &str) -> Option<Cow<'_, Value>> {
            (name == "team").then(|| Cow::Owned(Value::from("red")))
        }

        fn has_name(&self) -> bool {
            !self.nameless
        }

        fn is_somebody(&self) -> bool {
            self.has_name()
        }

        fn told(&self, _: &mut dyn FnMut(&[u8])) {}
    }

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn recipe(words: &[&str]) -> Recipe {
        let parts = words.iter().map(|word| Part::parse(word).unwrap()).collect();
        Recipe { parts, prefix: 64 }
    }

    fn ask<'a>(client: &str, headers: &'a HeaderMap, who: Option<&'a dyn Who>) -> Ask<'a> {
        let param = &|name: &str| (name == "id").then_some("7");
        let client = Some(client.parse().unwrap());
        let (now, method) = (Instant::now(), &Method::GET);
        Ask { now, wall: &|| 0, client, method, headers, route: "r", param, who }
    }

    #[test]
    fn a_key_is_what_the_request_says_and_the_address_where_it_says_nothing() {
        let seed = RandomState::new();
        let none = headers(&[]);
        let key = |words: &[&str], ask: &Ask<'_>| recipe(words).key(&seed, ask);
        let (a, b) = (ask("192.0.2.1", &none, None), ask("192.0.2.2", &none, None));
        let alice = ask("192.0.2.2", &none, Some(ALICE));
        assert_ne!(key(&["ip"], &a), key(&["ip"], &b));
        assert_eq!(key(&["ip"], &b), key(&["ip"], &alice));
        for word in ["identity", "claim:team", "header:x-t", "cookie:s", "path:other"] {
            assert_eq!(key(&[word], &a), key(&["ip"], &a), "{word}: it falls back to the address");
        }
        for word in ["identity", "claim:team"] {
            let elsewhere = ask("192.0.2.9", &none, Some(ALICE));
            assert_eq!(key(&[word], &alice), key(&[word], &elsewhere), "{word}");
            assert_ne!(key(&[word], &alice), key(&[word], &b), "{word}");
        }
        // Whom a section lets in without saying who they are.
        let somebody = ask("192.0.2.2", &none, Some(&Alice { nameless: true }));
        assert_eq!(key(&["identity"], &somebody), key(&["identity"], &b));
        let standing = |ask: &Ask<'_>| client(&seed, (ask.client, ask.who), 64);
        assert_eq!(standing(&somebody), standing(&b));
        assert_ne!(standing(&alice), standing(&b));
        assert_eq!(key(&["path:id"], &a), key(&["path:id"], &b));
        assert_ne!(key(&["path:id", "ip"], &a), key(&["path:id", "ip"], &b));
        assert_eq!(key(&["route"], &a), key(&["route"], &alice));
        assert_eq!(key(&[], &a), key(&[], &b));
        assert_ne!(key(&["route"], &a), key(&["ip"], &a));
    }

    #[test]
    fn repeated_fields_count_as_one_and_none_hides_behind_another() {
        let seed = RandomState::new();
        let recipe = recipe(&["header:x-t"]);
        let key = |lines: &[(&'static str, &'static str)]| {
            recipe.key(&seed, &ask("192.0.2.1", &headers(lines), None))
        };
        assert_eq!(key(&[("x-t", "a"), ("x-t", "b")]), key(&[("x-t", "a, b")]));
        let others: HashSet<u64> = [
            &[("x-t", "a")][..],
            &[("x-t", "b")],
            &[("x-t", "a"), ("x-t", "b")],
            &[("x-t", "b"), ("x-t", "a")],
            &[("x-t", "a"), ("x-t", "a")],
            &[("x-t", "")],
            &[],
        ]
        .map(key)
        .into();
        assert_eq!(others.len(), 7);
    }

    #[test]
    fn cookies_are_found_wherever_they_stand() {
        let found = |lines: &[(&'static str, &'static str)]| {
            let headers = headers(lines);
            let values = cookies(&headers, "s").map(ToOwned::to_owned);
            String::from_utf8(values.collect::<Vec<_>>().join(&b'|')).unwrap()
        };
        assert_eq!(found(&[("cookie", "a=1; s=2;ss=3; xs=4")]), "2");
        assert_eq!(found(&[("cookie", "s=1"), ("cookie", "b=2; s=3 ")]), "1|3");
        // As origins read them.
        assert_eq!(found(&[("cookie", "a=1; s =2; s= 3; s\t=4")]), "2|3|4");
        assert_eq!(found(&[("cookie", "s"), ("x", "s=1")]), "");
    }

    #[test]
    fn addresses_of_one_network_of_ipv6_are_one() {
        let address = |text: &str, prefix| neighbourhood(text.parse().unwrap(), prefix).to_string();
        assert_eq!(address("2001:db8:1:2:3::4", 64), "2001:db8:1:2::");
        assert_eq!(address("2001:db8:1:2:3::4", 48), "2001:db8:1::");
        assert_eq!(address("2001:db8::4", 128), "2001:db8::4");
        assert_eq!(address("2001:db8::4", 0), "::");
        assert_eq!(address("192.0.2.1", 8), "192.0.2.1");
    }

    #[test]
    fn who_looks_on_sees_who_it_is_and_no_credential() {
        let lines = headers(&[("x-t", "s3cret"), ("cookie", "s=s3cret2"), ("x-t", "more")]);
        let ask = ask("192.0.2.1", &lines, Some(ALICE));
        for (word, hidden, open) in [
            ("ip", "ip 192.0.2.1", "ip 192.0.2.1"),
            ("identity", "identity `alice`", "identity `alice`"),
            ("claim:team", "claim team `red`", "claim team `red`"),
            ("path:id", "path id `7`", "path id `7`"),
            ("header:x-t", "header x-t #e059f8c7", "header x-t `s3cret, more`"),
            ("cookie:s", "cookie s #3aa61053", "cookie s `s3cret2`"),
            (
                "header:x-u",
                "ip 192.0.2.1 for want of header x-u",
                "ip 192.0.2.1 for want of header x-u",
            ),
        ] {
            let recipe = recipe(&[word]);
            assert_eq!(recipe.describe(&ask, true), hidden);
            assert_eq!(recipe.describe(&ask, false), open);
        }
    }

    #[test]
    fn words_come_back() {
        for word in ["ip", "identity", "route", "claim:a.b", "header:x-t", "cookie:s", "path:id"] {
            assert_eq!(Part::parse(word).unwrap().word(), word);
        }
        assert_eq!(recipe(&["ip", "cookie:a\", b"]).words(), r#"["ip", "cookie:a\", b"]/64"#);
    }

    #[test]
    fn words_that_are_no_keys_are_refused_with_help() {
        for (word, help) in [
            ("ipp", "did you mean `ip`?"),
            ("header:", "`header:NAME`"),
            ("header:a b", "`header:NAME`"),
            ("user", "`identity`"),
            ("glob", "`global`"),
            ("", "`ip`"),
        ] {
            let said = Part::parse(word).unwrap_err().1;
            assert!(said.contains(help), "{word}: {said}");
        }
    }
}
