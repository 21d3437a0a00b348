//! What guards a route, by number: so the table of routes sees which of two has guards that the other one has not.
//!
//! In: routes as they are written. Out: numbers, the same for what is written in the same way. Limits are none: who
//! comes too often may come.

use std::collections::HashMap;

use crate::config;

/// The guards that were seen.
#[derive(Debug, Default)]
pub(super) struct Guards(HashMap<String, u32>);

impl Guards {
    /// What guards a route.
    pub(super) fn of(&mut self, route: &config::Route) -> Box<[u32]> {
        let config::Route { access, auth, require, allow, policy, api, validate, .. } = route;
        let mut all: Vec<_> = access.iter().map(|name| self.number("access", name)).collect();
        if !auth.is_empty() {
            all.push(self.number("auth", &(auth, require)));
        }
        all.extend(allow.as_ref().map(|allow| self.number("allow", allow)));
        all.extend(policy.as_ref().map(|policy| self.number("policy", policy)));
        all.extend(api.as_ref().map(|api| self.number("api", api)));
        all.extend(validate.as_ref().map(|validate| self.number("validate", validate)));
        all.into()
    }

    fn number(&mut self, kind: &str, guard: &dyn std::fmt::Debug) -> u32 {
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        *self.0.entry(format!("{kind} {guard:?}")).or_insert(next)
    }
}
