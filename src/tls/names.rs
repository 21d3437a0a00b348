//! Which certificate a client is shown: the one for the name it asks for.
//!
//! Exact names first, then `*.` names (one label, RFC 6125 section 6.4.3), then the first
//! certificate of the listener. Several certificates for one name may differ by the kind of their
//! key; the first that the client can verify is shown.

use std::{collections::HashMap, fmt, sync::Arc};

use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::certificate::Loaded;

type Keys = Vec<Arc<CertifiedKey>>;

/// Certificates by name.
pub(super) struct ByName {
    exact: HashMap<String, Keys>,
    /// By what follows `*.`.
    wildcard: HashMap<String, Keys>,
    /// In the order of the file.
    all: Keys,
}

impl ByName {
    pub(super) fn new(loaded: Vec<Loaded>) -> Self {
        let mut by_name = Self { exact: HashMap::new(), wildcard: HashMap::new(), all: Vec::new() };
        for Loaded { key, names, .. } in loaded {
            for name in names {
                let (map, name) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut by_name.wildcard, parent.to_owned()),
                    None => (&mut by_name.exact, name),
                };
                map.entry(name).or_default().push(key.clone());
            }
            by_name.all.push(key);
        }
        by_name
    }

    fn find(&self, name: &str) -> Option<&Keys> {
        let lower;
        let name = if name.bytes().any(|b| b.is_ascii_uppercase()) {
            lower = name.to_ascii_lowercase();
            &lower
        } else {
            name
        };
        let parent = || name.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent));
        self.exact.get(name).or_else(parent)
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let keys = hello.server_name().and_then(|name| self.find(name)).unwrap_or(&self.all);
        let usable =
            |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        keys.iter().find(usable).or_else(|| keys.first()).cloned()
    }
}

impl fmt::Debug for ByName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<_> = self.exact.keys().collect();
        names.sort_unstable();
        f.debug_struct("ByName").field("names", &names).finish_non_exhaustive()
    }
}
