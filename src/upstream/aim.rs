//! [`Aim`]: what of a request says which endpoint it is to have.
//!
//! In: a request, before anything is taken off it. Out: a key, a cookie's word and the moment, as numbers. An
//! upstream that asks for none of them looks at nothing.

use std::hash::Hasher as _;

use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;

use super::{Pool, Upstream};
use crate::{
    balance::{Algorithm, Digest},
    key::Ask,
};

/// What of a request says which endpoint it is to have.
#[derive(Clone, Copy, Debug, Default)]
pub struct Aim {
    /// Whose it is.
    pub(super) key: u64,
    /// The endpoint that the cookie names; 0 if none does.
    pub(super) named: u64,
    /// When it is sent, where it is asked how long answers take.
    pub(super) now: Option<Instant>,
    /// Whether the client came by TLS; known of those who are to be told a cookie.
    tls: bool,
}

impl Aim {
    /// Of a request that is nobody's: any endpoint will do.
    pub fn any() -> Self {
        Self { key: fastrand::u64(..), ..Self::default() }
    }
}

/// Which endpoint a request would have, for people.
#[derive(Debug)]
pub struct Choice {
    /// Which of the list; none if that depends on chance or on others.
    pub index: Option<usize>,
    /// Why.
    pub why: String,
}

impl Upstream {
    /// Whether it depends on what a request says.
    #[inline]
    pub fn aims(&self) -> bool {
        let sharing = self.roster.sharing();
        sharing.recipe.is_some() || sharing.sticky.is_some() || sharing.algorithm.is_timed()
    }

    /// What a request says of it, which came by TLS or not.
    pub fn aim(&self, ask: &Ask<'_>, tls: bool) -> Aim {
        let sharing = self.roster.sharing();
        let key = sharing.recipe.as_ref().map_or(0, |recipe| {
            let mut digest = Digest::default();
            recipe.feed(ask, &mut digest);
            digest.finish()
        });
        let named = sharing.sticky.as_ref().map_or(0, |sticky| sticky.named(ask.headers));
        let now = sharing.algorithm.is_timed().then_some(ask.now);
        Aim { key, named, now, tls }
    }

    /// Takes off a request what only said which endpoint it is to have.
    pub fn clear_aim(&self, headers: &mut HeaderMap) {
        if let Some(sticky) = &self.roster.sharing().sticky {
            sticky.clear(headers);
        }
    }

    /// The cookie for a client that this endpoint answered, if it has another one.
    #[inline]
    pub fn cookie(&self, aim: Aim, endpoint: &Pool) -> Option<HeaderValue> {
        let sticky = self.roster.sharing().sticky.as_ref()?;
        match self.roster.is_named(aim, endpoint) {
            true => None,
            false => sticky.cookie(&endpoint.origin.name, aim.tls),
        }
    }

    /// Which endpoint a request would have.
    pub fn choice(&self, aim: Aim, ask: &Ask<'_>) -> Choice {
        let (sharing, members) = (self.roster.sharing(), self.members());
        let sticky = sharing.sticky.as_ref();
        if let Some((sticky, index)) = sticky.zip(members.named(aim)) {
            return Choice {
                index: Some(index),
                why: format!("its cookie `{}` says so", sticky.name),
            };
        }
        let mut used = members.list.iter().enumerate().filter(|(_, member)| members.uses(member));
        let (only, others) = (used.next(), used.next());
        let (index, why) = match (only, others, sharing.algorithm) {
            (None, _, _) => (None, "nobody: none is up, or none has weight".into()),
            (Some((index, _)), None, _) => (Some(index), "there is no other".into()),
            (_, _, Algorithm::RoundRobin) => (None, "whose turn it is, by weight".into()),
            (_, _, Algorithm::Random) => (None, "by chance, by weight".into()),
            (_, _, Algorithm::LeastRequests) => {
                (None, "of two by chance, the one with fewer requests".into())
            }
            (_, _, Algorithm::PeakEwma) => {
                (None, "of two by chance, the one that is likely to answer first".into())
            }
            (_, _, Algorithm::Hash { bound }) => {
                let key = sharing.recipe.as_ref().map(|recipe| recipe.describe(ask, false));
                let key = key.unwrap_or_default();
                let more = if bound.is_some() { ", unless it has too many requests" } else { "" };
                let why = format!("the hash {:016x} of {key} is its own{more}", aim.key);
                (members.choose(aim, 0, 0), why)
            }
        };
        Choice { index, why }
    }

    /// How it is chosen, in a word.
    pub fn balance(&self) -> &'static str {
        self.roster.sharing().algorithm.word()
    }

    /// Says what of a key no request of this route has, and what to do.
    pub fn check_route(
        &self,
        route: &str,
        params: &[Box<str>],
        asks: bool,
    ) -> Option<(String, String)> {
        self.roster.sharing().check_route(route, params, asks)
    }
}
