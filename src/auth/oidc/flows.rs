//! The cookies of logins that were begun: one for each, so that two tabs do not disturb each other, named
//! after its state; not many, and each gone when its login came back.

use http::{HeaderMap, HeaderValue};

use super::{
    FLOW, Shared,
    flow::{self, Flow},
};
use crate::{
    auth::{Ask, place::Place},
    message::cookies,
    reject::Reject,
};

/// Logins that a browser has under way beside the one that it begins.
const MOST: usize = 4;
/// Cookies that an answer takes away.
const MOST_CLEARED: usize = 8;
/// As much of a state is in its cookie's name.
const TAG: usize = 8;

impl Shared {
    /// The name of the cookie for the login with this state; none for what is no state.
    pub(super) fn flow_cookie(&self, state: &str) -> Option<String> {
        let is_ours = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let good = state.len() == flow::RANDOM && state.bytes().all(is_ours);
        good.then(|| format!("{}{}", self.cookies[FLOW], &state[..TAG]))
    }

    /// The login with this state as a browser brings it, and the name of its cookie.
    pub(super) fn flow(
        &self,
        ask: &Ask<'_>,
        state: Option<&str>,
    ) -> Result<(String, Option<Flow>), Reject> {
        let other = match self.flows(ask.headers).next() {
            Some(_) => Reject::AuthOidcState,
            None => Reject::AuthOidcFlow,
        };
        let name = state.and_then(|state| self.flow_cookie(state)).ok_or(other)?;
        let sealed = Place::Cookie(name.as_str().into()).find(ask)?.ok_or(other)?;
        let flow = self.key.open(&self.name, &sealed, ask.wall);
        Ok((name, flow))
    }

    /// Takes a cookie away.
    pub(super) fn cleared(&self, name: &str) -> Option<HeaderValue> {
        self.cookie(name, "", Some(0)).ok()
    }

    /// Makes room for one more login: takes away what is over, and the oldest ones.
    pub(super) fn make_room(&self, ask: &Ask<'_>) -> Vec<HeaderValue> {
        let open = |sealed| self.key.open(&self.name, sealed, ask.wall);
        let flows = self.flows(ask.headers);
        let mut flows: Vec<_> =
            flows.map(|(name, sealed)| (open(sealed).map_or(0, |flow| flow.begun), name)).collect();
        flows.sort_unstable_by(|one, other| other.cmp(one));
        let gone = flows.iter().enumerate().filter(|(at, (begun, _))| *at >= MOST || *begun == 0);
        gone.take(MOST_CLEARED).filter_map(|(_, (_, name))| self.cleared(name)).collect()
    }

    /// Logins that a browser brings: names and values of cookies.
    fn flows<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        cookies(headers).filter_map(|(name, value)| {
            let tag = name.strip_prefix(self.cookies[FLOW].as_bytes())?;
            let is_ours = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
            let good = tag.len() == TAG && tag.iter().all(is_ours);
            Some((std::str::from_utf8(name).ok().filter(|_| good)?, value))
        })
    }
}
