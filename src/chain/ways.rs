//! Which way an exchange goes, where its route has several.
//!
//! In: an exchange whose client is known, and its head as the client sent it. Out: the way, noted in the
//! exchange; a cookie for the client, if it is to be kept there and has none. The cookie stays here: no
//! origin sees it.

use http::{HeaderMap, request::Parts};

use super::exchange::Exchange;
use crate::{
    message::clear_cookies,
    snapshot::{Fork, Route, Target},
    split::{Ask, Shares},
};

impl Exchange {
    /// Chooses the way, if there are several.
    #[inline]
    pub(super) fn choose(&mut self, route: &Route, head: &mut Parts) {
        if let Target::Fork(fork) = &route.target {
            self.take_way(fork, head);
        }
    }

    fn take_way(&mut self, fork: &Fork, head: &mut Parts) {
        let choice = fork.split.choose(&self.says(&head.headers));
        self.way = choice.way;
        if let Some(point) = choice.point {
            let origin = self.origin(&head.headers);
            let secure = origin.is_some_and(|origin| origin.starts_with("https:"));
            self.cookies.extend(fork.split.cookie(point, secure));
        }
        hide_cookie(fork, head);
    }

    /// What a split makes of it, for people; the way to show is noted.
    pub(super) fn explain_way(&mut self, route: &Route, head: &mut Parts) -> Option<Shares> {
        let Target::Fork(fork) = &route.target else { return None };
        let shares = fork.split.explain(&self.says(&head.headers));
        self.way = shares.shown();
        hide_cookie(fork, head);
        Some(shares)
    }

    fn says<'a>(&'a self, headers: &'a HeaderMap) -> Ask<'a> {
        let who = self.who.principal();
        let who = who.map(|who| (&*who.auth, &*who.subject));
        Ask { headers, client: self.client_ip, who }
    }
}

/// Takes the split's cookie off the request.
fn hide_cookie(fork: &Fork, head: &mut Parts) {
    if let Some(name) = fork.split.cookie_name() {
        clear_cookies(&mut head.headers, |known| known == name.as_bytes());
    }
}
