//! What was purged: bans, that each object is compared with once.
//!
//! In: what an operator says is to go ([`Reach`]). Out: whether a ban reaches an object. The list is short
//! and bounded: the sweeper compares all that is kept, and then bans are forgotten. Numbers are the
//! [`Stamps`](super::stamps::Stamps)'.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{object::Object, shelf::Url};
use crate::message::without_port;

/// What is to go.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// One URL, in every partition and variant: `https://host/path?query`, as keys have it.
    Url(Box<str>),
    /// Every URL whose text begins so, to the byte.
    Prefix(Box<str>),
    /// Every URL of a host, whatever its port.
    Host(Box<str>),
    /// Every answer with a tag.
    Tag(Box<str>),
    /// All.
    All,
}

impl Reach {
    /// Whether an object kept under this URL is meant.
    pub(super) fn is_of(&self, object: &Object, url: &Url<'_>) -> bool {
        match self {
            Self::Url(text) => url.is_as(text),
            Self::Prefix(text) => url.begins_with(text.as_bytes()),
            Self::Host(host) => url.host().eq_ignore_ascii_case(without_port(host)),
            Self::Tag(tag) => object.has_tag(tag),
            Self::All => true,
        }
    }
}

/// There is no room for another ban until the sweeper has been round.
///
/// To widen one instead would empty the cache of somebody who purges much, and to forget one would show what
/// was purged: so the operator is told, and can ask again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Full {
    /// How many there may be.
    pub most: usize,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = self.most;
        write!(
            f,
            "{most} purges are still being carried out; try again in some seconds, or purge all"
        )
    }
}

impl std::error::Error for Full {}

/// A ban.
#[derive(Debug)]
struct Ban {
    number: u64,
    reach: Reach,
    /// What is meant may be used once its origin says so.
    soft: bool,
}

/// The bans that not everything was compared with yet, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Bans {
    list: Vec<Ban>,
    /// The newest that was forgotten.
    forgotten: u64,
}

/// What an object's bans come to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sentence {
    None,
    Soft,
    Hard,
}

impl Bans {
    /// Adds a ban. One that says the same is not needed any more, nor is any when all is to go.
    pub(super) fn add(
        &mut self,
        number: u64,
        reach: Reach,
        soft: bool,
        most: usize,
    ) -> Result<(), Full> {
        let is_less = |ban: &Ban| ban.soft >= soft && (ban.reach == reach || reach == Reach::All);
        self.list.retain(|ban| !is_less(ban));
        if self.list.len() >= most {
            return Err(Full { most });
        }
        self.list.push(Ban { number, reach, soft });
        Ok(())
    }

    /// Compares an object with the bans that are newer than it. What is older than a ban that was forgotten
    /// came too late to be compared with it, and goes.
    pub(super) fn judge(&self, object: &Object, url: &Url<'_>, stamp: u64) -> Sentence {
        if stamp < self.forgotten {
            return Sentence::Hard;
        }
        let newer = self.list.iter().rev().take_while(|ban| ban.number > stamp);
        let mut sentence = Sentence::None;
        for ban in newer.filter(|ban| ban.reach.is_of(object, url)) {
            if !ban.soft {
                return Sentence::Hard;
            }
            sentence = Sentence::Soft;
        }
        sentence
    }

    /// Forgets bans up to this one, once all that is kept was compared with them.
    pub(super) fn forget(&mut self, upto: u64) {
        let gone = self.list.iter().rev().find(|ban| ban.number <= upto).map(|ban| ban.number);
        if let Some(number) = gone {
            self.forgotten = self.forgotten.max(number);
            self.list.retain(|ban| ban.number > upto);
        }
    }

    /// All of them, by number.
    pub(super) fn list(&self) -> impl Iterator<Item = (u64, &Reach, bool)> {
        self.list.iter().map(|ban| (ban.number, &ban.reach, ban.soft))
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }
}
