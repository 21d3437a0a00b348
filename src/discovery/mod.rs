//! Endpoints that come and go without a reload: who is there, as somebody else knows it.
//!
//! In: a URL in an upstream's `endpoints`, and `[upstream.NAME.discovery]`. Out: sets of [`Found`], the last
//! good one at any time ([`Source::known`]). A source is asked for as long as a configuration with it holds
//! ([`Source::run`]); what it found lives on over reloads. Whatever it says or does not say, nothing stops: the
//! last good set is kept, visibly, and up to a bound. Nothing here knows what becomes of what is found.

mod cluster;
mod consul;
mod dns;
mod file;
mod kubeconfig;
mod kubernetes;
mod settings;
mod slices;
mod source;
mod srv;

pub use self::{
    settings::check,
    source::{Known, Running, Source},
};
use crate::dial::Address;

/// An endpoint that was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// Where it is.
    pub address: Address,
    /// Its share of requests beside the others.
    pub weight: u16,
    /// It is used when there is none of a lower number that is up.
    pub priority: u16,
    /// The zone that it is in, where that is known.
    pub zone: Option<Box<str>>,
    /// Requests that it may have at a time, if that is said of it alone.
    pub max_requests: Option<u32>,
}

impl Found {
    /// One like any other.
    fn at(address: Address) -> Self {
        Self { address, weight: 1, priority: 0, zone: None, max_requests: None }
    }
}

/// The beginnings of URLs that name a source.
const SCHEMES: [&str; 5] = ["dns", "srv", "consul", "kubernetes", "file"];

/// Whether a URL names a source of endpoints, and no endpoint.
pub fn is_source(url: &str) -> bool {
    url.split_once("://").is_some_and(|(scheme, _)| SCHEMES.contains(&scheme))
}
