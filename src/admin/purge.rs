//! Under which URLs something is kept that an operator names by one.
//!
//! In: a URL as a client would ask for it. Out: that in each form that a route makes of it: without dot segments,
//! and of its query what tells answers apart there. Which route takes it may go by more than its URL, so it is
//! every form that any of them makes.

use crate::{
    cache::{Purge, Query, ban::Reach},
    message::path,
    snapshot::Snapshot,
};

/// The same purge, of each form of its URL.
pub(super) fn forms(world: &Snapshot, purge: Purge) -> Vec<Purge> {
    let Reach::Url(url) = &purge.reach else { return vec![purge] };
    let of = |url: String| Purge { reach: Reach::Url(url.into()), soft: purge.soft };
    urls(world, url).into_iter().map(of).collect()
}

/// Each form of a URL whose scheme and host are as keys have them.
pub(super) fn urls(world: &Snapshot, url: &str) -> Vec<String> {
    let host = url.find("://").map_or(0, |at| at + "://".len());
    let target = url[host..].find('/').map_or(url.len(), |at| host + at);
    let (origin, target) = url.split_at(target);
    let target = path::without_dot_segments(target);
    let form = |query: &Query| format!("{origin}{}", query.canonical(&target));
    let mut forms: Vec<_> = world.queries.iter().map(form).collect();
    forms.sort_unstable();
    forms.dedup();
    if forms.is_empty() {
        forms.push(format!("{origin}{target}"));
    }
    forms
}
