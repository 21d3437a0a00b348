//! What a split makes of a request, for people and programs.

use super::{Ask, Cause, Split, When, sticky::Sticky};

/// The shares of a split, and which of them a request falls to.
#[derive(Clone, Debug, PartialEq)]
pub struct Shares {
    /// All ways, in their order.
    pub ways: Vec<Share>,
    /// The way that takes the request; none if that is a matter of chance.
    pub takes: Option<usize>,
    /// Why.
    pub why: String,
}

/// A way and its share.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// What it leads to.
    pub upstream: Box<str>,
    /// Its weight.
    pub weight: u16,
    /// The part of requests without conditions that goes there, from 0 to 1.
    pub part: f64,
    /// The conditions by which requests go there, in words.
    pub conditions: Option<String>,
}

impl Shares {
    /// The ways that the request may go.
    pub fn possible(&self) -> Vec<usize> {
        match self.takes {
            Some(way) => vec![way],
            None => (0..self.ways.len()).filter(|way| self.ways[*way].weight > 0).collect(),
        }
    }

    /// The way to show: the one that takes it, or the one that is the most likely to.
    pub fn shown(&self) -> usize {
        let likely = || self.possible().into_iter().rev().max_by_key(|way| self.ways[*way].weight);
        self.takes.or_else(likely).unwrap_or(0)
    }
}

impl Split {
    /// What it makes of a request. Nothing is drawn.
    pub fn explain(&self, ask: &Ask<'_>) -> Shares {
        let settled = self.settled(ask);
        let weights = self.ways.iter().map(|way| u32::from(way.weight));
        let total = weights.fold(0, u32::saturating_add);
        let ways = self.ways.iter().map(|way| Share {
            upstream: way.name.clone(),
            weight: way.weight,
            part: f64::from(way.weight) / f64::from(total.max(1)),
            conditions: way.when.as_ref().map(|when| when.words()),
        });
        let why = match settled {
            Some((_, Cause::Condition)) => "its conditions hold".into(),
            Some((_, Cause::Point(point))) => self.by_point(ask, point),
            None => match self.cookie_name() {
                None => "by chance, anew for each request".into(),
                Some(name) => format!("by chance; the cookie `{name}` remembers it"),
            },
        };
        Shares { ways: ways.collect(), takes: settled.map(|(way, _)| way), why }
    }

    fn by_point(&self, ask: &Ask<'_>, point: u32) -> String {
        let place = f64::from(point) / f64::from(u32::MAX);
        let by = match &self.sticky {
            Some(Sticky::Key(key)) if key.is_there(ask) => key.words(),
            Some(Sticky::Key(key)) => format!("address, for want of its {}", key.words()),
            _ => format!("cookie `{}`", self.cookie_name().unwrap_or_default()),
        };
        format!("by the client's {by}, which is at {:.1} % of the line", place * 100.0)
    }
}

impl When {
    fn words(&self) -> String {
        let headers = self.headers.names().map(|name| format!("header `{name}`"));
        let cookies = self.cookies.names().map(|name| format!("cookie `{name}`"));
        headers.chain(cookies).collect::<Vec<_>>().join(" and ")
    }
}
