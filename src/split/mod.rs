//! Which of several ways a request goes: by a condition, by who its client is, or by chance.
//!
//! In: what a request says, as an [`Ask`]. Out: the number of a way, and why it is that one. Each way has a
//! stretch of a line that is as long as its share, in the order in which they are written; a client has a
//! point on it, which is drawn, kept in its cookie, or made of what it is known by. So a client stays where
//! it is unless the end of a stretch passes over its point. Nothing here knows what the ways lead to.

mod compile;
mod explain;
mod sticky;

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};

pub use self::explain::{Share, Shares};
use self::sticky::Sticky;
use crate::message::{Conditions, CookieName};

/// What a request says to a split.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Its header fields, as the client sent them.
    pub headers: &'a HeaderMap,
    /// The client's address; none for a Unix socket.
    pub client: Option<IpAddr>,
    /// Who makes it, if that is known: the section that knows them, and the name.
    pub who: Option<(&'a str, &'a str)>,
}

/// Several ways, each with a share of the requests.
#[derive(Debug)]
pub struct Split {
    ways: Box<[Way]>,
    sticky: Option<Sticky>,
}

#[derive(Debug)]
struct Way {
    name: Box<str>,
    weight: u16,
    /// Where its stretch of the line ends.
    until: u64,
    /// What makes requests go here; boxed, since few ways have it.
    when: Option<Box<When>>,
}

/// Conditions, all of which have to hold.
#[derive(Debug)]
struct When {
    headers: Conditions<HeaderName>,
    cookies: Conditions<CookieName>,
}

/// The length of the line.
const LINE: u64 = 1 << 32;

/// A way that was chosen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Choice {
    /// Its number, from 0.
    pub way: usize,
    /// The point that the client's cookie is to hold from now on.
    pub point: Option<u32>,
}

/// Why it is that way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Cause {
    /// Its conditions hold.
    Condition,
    /// The client's point is in its stretch.
    Point(u32),
}

impl Split {
    /// Chooses a way.
    #[inline]
    pub fn choose(&self, ask: &Ask<'_>) -> Choice {
        match self.settled(ask) {
            Some((way, _)) => Choice { way, point: None },
            None => {
                let point = fastrand::u32(..);
                let keeps = self.cookie_name().is_some();
                Choice { way: self.at(point), point: keeps.then_some(point) }
            }
        }
    }

    /// The way that is no matter of chance, if there is one.
    fn settled(&self, ask: &Ask<'_>) -> Option<(usize, Cause)> {
        let holds = |way: &Way| way.when.as_ref().is_some_and(|when| when.holds(ask.headers));
        if let Some(way) = self.ways.iter().position(holds) {
            return Some((way, Cause::Condition));
        }
        let point = self.sticky.as_ref()?.point(ask)?;
        Some((self.at(point), Cause::Point(point)))
    }

    /// The way whose stretch a point is in.
    fn at(&self, point: u32) -> usize {
        // The last stretch ends where the line does.
        self.ways.iter().position(|way| u64::from(point) < way.until).unwrap_or(0)
    }

    /// The name of the cookie that it keeps clients by, if it does.
    #[inline]
    pub fn cookie_name(&self) -> Option<&str> {
        self.sticky.as_ref()?.cookie_name()
    }

    /// The cookie that keeps a client at its point; `secure` if it came by TLS.
    pub fn cookie(&self, point: u32, secure: bool) -> Option<HeaderValue> {
        self.sticky.as_ref()?.cookie(point, secure)
    }
}

impl When {
    fn holds(&self, headers: &HeaderMap) -> bool {
        self.headers.failing(headers).is_none() && self.cookies.failing_cookie(headers).is_none()
    }

    /// Whether the other holds wherever this one does.
    fn within(&self, other: &Self) -> bool {
        self.headers.within(&other.headers) && self.cookies.within(&other.cookies)
    }
}

#[cfg(test)]
mod tests;
