//! By what a client is known again, and the point that it has for that.
//!
//! The digest is the same in every process and version, so that a restart or another gateway moves nobody.
//! A cookie holds the point itself: it says nothing of upstreams, and nobody has to keep a secret for it.
//! Whoever makes one up chooses a side, no more.

use std::net::IpAddr;

use aws_lc_rs::digest::{Context, SHA256};
use http::{HeaderName, HeaderValue};

use super::Ask;
use crate::{
    config::{self, Path, Problem, nearest},
    message::{CookieName, cookies},
};

/// The cookie, unless another name is written.
const COOKIE: &str = "janua-split";

/// By what a client is known again.
#[derive(Debug)]
pub(super) enum Sticky {
    /// A cookie of ours.
    Cookie {
        /// Its name.
        name: CookieName,
        /// What stands behind its value.
        attributes: Box<str>,
    },
    /// Something that it has anyway.
    Key(Key),
}

/// What a client has.
#[derive(Debug)]
pub(super) enum Key {
    Ip,
    Identity,
    Header(HeaderName),
    Cookie(CookieName),
}

impl Sticky {
    /// Compiles `sticky` at `at`.
    pub(super) fn compile(sticky: &config::SplitSticky, at: &Path) -> Result<Self, Problem> {
        match sticky {
            config::SplitSticky::By(word) if word == "cookie" => Self::of(COOKIE, None, at),
            config::SplitSticky::By(word) => Key::parse(word, at).map(Self::Key),
            config::SplitSticky::Cookie(cookie) => {
                let age = cookie.max_age.map(|age| age.0.as_secs());
                if age == Some(0) {
                    let problem = Problem::error(at.key("max-age"), "no browser would keep it");
                    return Err(problem.help("without it, browsers keep it until they are closed"));
                }
                Self::of(&cookie.cookie, age, &at.key("cookie"))
            }
        }
    }

    fn of(name: &str, age: Option<u64>, at: &Path) -> Result<Self, Problem> {
        let found = CookieName::new(name).ok_or_else(|| {
            Problem::error(at.clone(), format!("`{name}` is not a cookie's name"))
        })?;
        let age = age.map(|age| format!("; Max-Age={age}")).unwrap_or_default();
        let attributes = format!("; Path=/; HttpOnly; SameSite=Lax{age}").into();
        Ok(Self::Cookie { name: found, attributes })
    }

    /// Whether it is about who makes a request.
    pub(super) const fn asks(&self) -> bool {
        matches!(self, Self::Key(Key::Identity))
    }

    /// The point of a client, if it has one.
    pub(super) fn point(&self, ask: &Ask<'_>) -> Option<u32> {
        match self {
            Self::Cookie { name, .. } => {
                let name = name.as_ref().as_bytes();
                let mut ours = cookies(ask.headers).filter(|(known, _)| *known == name);
                ours.find_map(|(_, value)| read(value))
            }
            Self::Key(key) => Some(key.point(ask)),
        }
    }

    pub(super) fn cookie_name(&self) -> Option<&str> {
        match self {
            Self::Cookie { name, .. } => Some(name.as_ref()),
            Self::Key(_) => None,
        }
    }

    pub(super) fn cookie(&self, point: u32, secure: bool) -> Option<HeaderValue> {
        let Self::Cookie { name, attributes } = self else { return None };
        let secure = if secure { "; Secure" } else { "" };
        HeaderValue::try_from(format!("{}={point:08x}{attributes}{secure}", name.as_ref())).ok()
    }
}

/// The point that a cookie holds, if it is one of ours.
fn read(value: &[u8]) -> Option<u32> {
    let ours = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    let text = str::from_utf8(value).ok().filter(|text| text.len() == 8)?;
    value.iter().all(ours).then(|| u32::from_str_radix(text, 16).ok())?
}

impl Key {
    fn parse(word: &str, at: &Path) -> Result<Self, Problem> {
        const WORDS: [&str; 5] = ["cookie", "ip", "identity", "header:", "cookie:"];
        let wrong = |message: String| Problem::error(at.clone(), message);
        match word.split_once(':') {
            None if word == "ip" => Ok(Self::Ip),
            None if word == "identity" => Ok(Self::Identity),
            Some(("header", name)) => name
                .parse()
                .map(Self::Header)
                .map_err(|_| wrong(format!("`{name}` is not a field name"))),
            Some(("cookie", name)) => CookieName::new(name)
                .map(Self::Cookie)
                .ok_or_else(|| wrong(format!("`{name}` is not a cookie's name"))),
            _ => Err(wrong(format!("`{word}` is nothing to know a client by")).help(
                match nearest(word, WORDS) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "`cookie`, `ip`, `identity`, `header:NAME` or `cookie:NAME`".into(),
                },
            )),
        }
    }

    /// What it is called in a sentence.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Ip => "address".into(),
            Self::Identity => "identity".into(),
            Self::Header(name) => format!("header `{name}`"),
            Self::Cookie(name) => format!("cookie `{}`", name.as_ref()),
        }
    }

    /// Whether the request has it; without it, it goes by its address.
    pub(super) fn is_there(&self, ask: &Ask<'_>) -> bool {
        match self {
            Self::Ip => true,
            Self::Identity => ask.who.is_some(),
            Self::Header(name) => ask.headers.contains_key(name),
            Self::Cookie(name) => value_of(ask, name).is_some(),
        }
    }

    fn point(&self, ask: &Ask<'_>) -> u32 {
        let mut digest = Context::new(&SHA256);
        let mut add = |tag: u8, bytes: &[u8]| {
            digest.update(&[tag]);
            digest.update(bytes);
        };
        let there = match self {
            Self::Ip => None,
            Self::Identity => ask.who.map(|(section, name)| {
                add(1, section.as_bytes());
                add(0, name.as_bytes());
            }),
            Self::Header(name) => ask
                .headers
                .contains_key(name)
                .then(|| ask.headers.get_all(name).iter().for_each(|it| add(2, it.as_bytes()))),
            Self::Cookie(name) => value_of(ask, name).map(|value| add(3, value)),
        };
        match (there, ask.client) {
            (Some(()), _) => {}
            (None, None) => add(4, &[]),
            (None, Some(IpAddr::V4(ip))) => add(4, &ip.octets()),
            // Behind the first half of one of IPv6 is one client.
            (None, Some(IpAddr::V6(ip))) => add(6, &ip.octets()[..8]),
        }
        let digest = digest.finish();
        let first = digest.as_ref().iter().take(4);
        first.fold(0, |point, byte| point << 8 | u32::from(*byte))
    }
}

fn value_of<'a>(ask: &Ask<'a>, name: &CookieName) -> Option<&'a [u8]> {
    let named = |(known, _): &(&[u8], &[u8])| *known == name.as_ref().as_bytes();
    cookies(ask.headers).find(named).map(|(_, value)| value)
}
