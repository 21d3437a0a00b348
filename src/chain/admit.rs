//! Stage 3: the lists of the listener, which are about the peer, and of the route, which are about the
//! client. What lists on trial would refuse is counted here, and noted for the log.

use http::HeaderMap;

use super::exchange::Exchange;
use crate::{access::List, reject::Reject};

impl Exchange {
    /// Admits the request, or says why not.
    #[inline]
    pub(super) fn admit(&mut self, headers: &HeaderMap) -> Result<(), Reject> {
        let Self { world, listener, client, client_ip, rule, reported, rehearsed, .. } = self;
        let mut report = |list: &List, reject: Reject| {
            if !*rehearsed {
                list.reports.inc(client.worker.index, reject as usize);
            }
            reported.get_or_insert(reject);
        };
        listener.access.admit(client.ip(), headers, &mut report)?;
        let Some(rule) = *rule else { return Ok(()) };
        world.routes.targets()[rule].access.admit(*client_ip, headers, &mut report)
    }

    /// What each list makes of it, for people.
    pub(super) fn explain_access(&self, headers: &HeaderMap) -> String {
        let listener = self.listener.access.explain(self.client.ip(), headers);
        let refused = self.listener.access.admit(self.client.ip(), headers, |_, _| {}).is_err();
        let route = self.route().filter(|_| !refused);
        let route = route.map(|route| route.access.explain(self.client_ip, headers));
        let counted = self.listener.per_address.explain(self.client_ip, self.started);
        let said: Vec<_> = counted
            .into_iter()
            .chain(listener.into_iter().map(|said| format!("the listener's list {said}")))
            .chain(route.into_iter().flatten().map(|said| format!("the list {said}")))
            .collect();
        if said.is_empty() { "nothing configured".into() } else { said.join("; ") }
    }
}
