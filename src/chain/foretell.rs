//! Stage 9 in a plan: what would be looked for, and what would be made void, for people.
//!
//! In: a request as its origin would get it. Out: a sentence.

use http::{Method, request::Parts};

use super::exchange::Exchange;
use crate::{
    cache::{Asking, Cache, rules::Asked},
    message::{Kept, RequestBody},
    route,
};

impl Exchange {
    /// What would be looked for, for people.
    pub(super) fn explain_cache(
        &self,
        cache: &Cache,
        asking: Asking,
        kept: &Kept,
        (head, body): (&Parts, &RequestBody),
    ) -> String {
        let methods = cache.policy.methods;
        let answered = methods.answer(&head.method);
        let only = Asked::read(&head.headers, &cache.policy).only_if_cached;
        if let Some(why) = Self::goes_by(kept, (head, body)).filter(|_| answered) {
            return match only {
                true => format!(
                    "is not looked for, for {why}; 504, since it is not to be asked for either"
                ),
                false => format!("goes by, for {why}"),
            };
        }
        if !answered && head.method.is_safe() {
            return format!("goes by: {} is not answered from what is kept", head.method);
        }
        let url = self.url(&asking, &cache.query);
        let url = format!("`{}://{}{}`", url.scheme, url.host, url.target);
        if !answered {
            let kept = match head.method == Method::POST && methods.post {
                true => "; its answer is kept for GET if it says so by `Content-Location`",
                false => "",
            };
            return format!("goes by, and makes void what is kept of {url} if it succeeds{kept}");
        }
        let beyond = self.route().is_some_and(|route| !route.beyond.is_nothing());
        let beyond = beyond.then(|| "what the route's rules make of it".to_owned());
        let apart: Vec<_> = cache.partition.describe().into_iter().chain(beyond).collect();
        let apart = match &*apart {
            [] => String::new(),
            all => format!(", by {}", all.join(" and ")),
        };
        let authorized = match asking.authorized && !cache.policy.ignore.authorization {
            true => {
                "; it has credentials: its answer is kept if it says `public`, `s-maxage` or \
                     `must-revalidate`"
            }
            false => "",
        };
        let cookies = match cache.partition.has_cookies(&head.headers) {
            true => {
                "; it has cookies: its answer is kept if somebody says for how long, or it says `public`"
            }
            false => "",
        };
        let only = if only { "; 504 if there is nothing (`only-if-cached`)" } else { "" };
        format!("looks for what is kept of {url}{apart}{authorized}{cookies}{only}")
    }

    /// What becomes of a request on a route that keeps nothing, for people.
    pub(super) fn explain_change(&self, head: &Parts) -> String {
        let nothing = || "nothing configured".to_owned();
        if self.passing.is_none() {
            return nothing();
        }
        let routes = &self.world.routes;
        match routes.find(&self.query(self.resource(), &Method::GET, &head.headers)) {
            route::Found::Route { target, .. } if target.cache.is_some() => {
                format!("makes void what `{}` keeps of its URL if it succeeds", target.name)
            }
            _ if routes.targets().iter().any(|route| route.cache.is_some()) => {
                "makes void what any route keeps of its URL if it succeeds".into()
            }
            _ => nothing(),
        }
    }
}
