//! Stage 3, access: who may come in, by address, country, network operator and header lists.
//!
//! In: an address and a request's header fields. Out: nothing, or the reason why not. A [`List`] is an
//! `[access.NAME]`; an [`Access`] is those that a route or a listener names, each of which has to let
//! the request in. A listener asks about the peer before anything is read from it
//! ([`Access::admit_peer`]), and about each of its requests as a route does ([`Access::admit`]).
//!
//! Nothing here allocates, waits or counts. What a list that only reports would refuse is told to the
//! caller, and refused by nobody.

mod compile;
mod geo;
mod prefixes;
mod table;

use std::{net::IpAddr, sync::Arc};

use http::{HeaderMap, HeaderName};

pub use self::compile::Lists;
use self::{
    geo::{Asn, Country, Places},
    prefixes::Prefixes,
};
use crate::{message::Conditions, metrics::Counters, reject::Reject};

/// The lists of a route or a listener.
#[derive(Clone, Debug, Default)]
pub struct Access(Box<[Arc<List>]>);

/// An `[access.NAME]`.
#[derive(Debug)]
pub struct List {
    /// Its name.
    pub name: Box<str>,
    /// What it would have refused, by reason, if it did not only report.
    pub reports: Arc<Counters>,
    /// Whether it only reports.
    only_reports: bool,
    addresses: Option<Prefixes>,
    countries: Option<Places<Country>>,
    asns: Option<Places<Asn>>,
    allow_headers: Conditions<HeaderName>,
    deny_headers: Conditions<HeaderName>,
}

impl Access {
    /// Admits a request, or says why not; `report` is told what a list would refuse that only reports.
    ///
    /// # Errors
    /// The first reason why not.
    #[inline]
    pub fn admit(
        &self,
        client: Option<IpAddr>,
        headers: &HeaderMap,
        mut report: impl FnMut(&List, Reject),
    ) -> Result<(), Reject> {
        for list in &self.0 {
            match list.refuses(client, headers) {
                None => {}
                Some(reject) if list.only_reports => report(list, reject),
                Some(reject) => return Err(reject),
            }
        }
        Ok(())
    }

    /// Admits a peer, of whose requests nothing is known yet. Lists that only report have their say
    /// when there is a request to report.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn admit_peer(&self, peer: Option<IpAddr>) -> Result<(), Reject> {
        let enforced = self.0.iter().filter(|list| !list.only_reports);
        enforced.filter_map(|list| list.refuses_peer(peer)).next().map_or(Ok(()), Err)
    }

    /// What each list makes of a request, for people, up to the one that refuses it.
    pub fn explain(&self, client: Option<IpAddr>, headers: &HeaderMap) -> Vec<String> {
        let mut said = Vec::new();
        for list in &self.0 {
            let refused = list.refuses(client, headers);
            let verdict = match refused {
                None => "lets it in".into(),
                Some(reject) if list.only_reports => {
                    format!("would refuse it, {}, and only reports", reject.reason())
                }
                Some(_) => "refuses it".into(),
            };
            said.push(format!("`{}` {verdict}: {}", list.name, list.explain(client, headers)));
            if refused.is_some() && !list.only_reports {
                break;
            }
        }
        said
    }

    /// Whether there are no lists.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl List {
    #[inline]
    fn refuses_peer(&self, peer: Option<IpAddr>) -> Option<Reject> {
        if let Some(addresses) = &self.addresses
            && !addresses.admit(peer)
        {
            return Some(Reject::AccessIp);
        }
        if let Some(countries) = &self.countries
            && !countries.admit(peer)
        {
            return Some(Reject::AccessCountry);
        }
        if let Some(asns) = &self.asns
            && !asns.admit(peer)
        {
            return Some(Reject::AccessAsn);
        }
        None
    }

    #[inline]
    fn refuses(&self, client: Option<IpAddr>, headers: &HeaderMap) -> Option<Reject> {
        self.refuses_peer(client).or_else(|| {
            let wrong = self.allow_headers.failing(headers).is_some()
                || self.deny_headers.holding(headers).is_some();
            wrong.then_some(Reject::AccessHeader)
        })
    }

    /// What decides: the line that refuses, or all that let it in.
    fn explain(&self, client: Option<IpAddr>, headers: &HeaderMap) -> String {
        let addresses =
            self.addresses.as_ref().map(|list| (list.admit(client), list.explain(client)));
        let countries =
            self.countries.as_ref().map(|list| (list.admit(client), list.explain(client)));
        let asns = self.asns.as_ref().map(|list| (list.admit(client), list.explain(client)));
        let failing = self.allow_headers.failing(headers);
        let failing =
            failing.map(|name| (false, format!("`allow-headers` wants another `{name}`")));
        let holding = self.deny_headers.holding(headers);
        let holding = holding.map(|name| (false, format!("`deny-headers` names this `{name}`")));
        let fields = !(self.allow_headers.is_empty() && self.deny_headers.is_empty());
        let well = (fields && failing.is_none() && holding.is_none())
            .then(|| (true, "the header fields are as they should be".into()));
        let all: Vec<_> =
            [addresses, countries, asns, failing, holding, well].into_iter().flatten().collect();
        match all.iter().find(|(admits, _)| !admits) {
            Some((_, why)) => why.clone(),
            None => all.into_iter().map(|(_, why)| why).collect::<Vec<String>>().join(", "),
        }
    }
}
