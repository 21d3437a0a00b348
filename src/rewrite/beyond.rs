//! [`Beyond`]: what a route's rules make of a request out of more than its URL.
//!
//! In: the rules, once; then a request as they have made it. Out: what of it tells answers apart that are kept by
//! URL. An origin cannot say so by `Vary`: to it these are requests for other URLs, or by other people.

use std::hash::Hasher;

use http::{
    HeaderMap, HeaderName, Uri,
    header::{AUTHORIZATION, COOKIE},
};

use super::{headers::HeaderRules, path::PathRewrite, query::QueryRules};
use crate::key;

/// What rules make of a request out of more than its URL.
#[derive(Clone, Debug, Default)]
pub struct Beyond {
    target: bool,
    /// Fields that say for whom a request is: credentials, and what is made of an identity.
    fields: Box<[HeaderName]>,
}

impl Beyond {
    /// What these rules make.
    pub fn of(path: &PathRewrite, query: &QueryRules, headers: &HeaderRules) -> Self {
        let credentials = [AUTHORIZATION, COOKIE];
        let credentials = credentials.into_iter().filter(|name| headers.is_beyond_url(name));
        let mut fields: Vec<_> = credentials.chain(headers.of_identity().cloned()).collect();
        fields.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        fields.dedup();
        Self { target: path.is_beyond_url() || query.is_beyond_url(), fields: fields.into() }
    }

    /// Whether the URL says it all.
    #[inline]
    pub fn is_nothing(&self) -> bool {
        !self.target && self.fields.is_empty()
    }

    /// Feeds what the rules have made of a request.
    pub fn feed(&self, target: &Uri, headers: &HeaderMap, mut hasher: &mut dyn Hasher) {
        if self.target {
            key::text(target.path().as_bytes(), &mut hasher);
            key::text(target.query().unwrap_or_default().as_bytes(), &mut hasher);
        }
        for name in &self.fields {
            for value in headers.get_all(name) {
                key::text(value.as_bytes(), &mut hasher);
            }
            // No text begins so: what follows is another field's.
            hasher.write_u8(0);
        }
    }
}
