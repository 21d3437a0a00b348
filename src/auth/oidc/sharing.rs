//! What a section says of its store, from its keys to a [`Vault`] and the [`Sessions`] there.

use std::sync::Arc;

use super::{
    Shared,
    memory::Memory,
    sessions::{Record, Sessions},
    stored::{Shelf, Stored},
    vault::Vault,
};
use crate::{
    auth::{
        jwt::claims::Rules,
        principal::{Introduction, Principal},
        provider::Given,
    },
    config::{self, Path, Problem, Problems},
    store::Store,
};

/// Characters of the secret that gateways share.
const SHORTEST_SECRET: usize = 32;

/// A store, and what protects that which is in it.
pub(super) type Safe = (Arc<Store>, Vault);

/// The store that the section at `at` names, if it names one.
pub(super) fn safe(
    name: &str,
    section: &config::Oidc,
    given: &Given<'_>,
    at: &Path,
    problems: &mut Problems,
) -> Option<Option<Safe>> {
    let Some(store) = &section.store else {
        if section.store_secret.is_none() {
            return Some(None);
        }
        let problem = Problem::error(at.key("store-secret"), "there is no store to protect");
        problems.push(problem.help("`store = \"NAME\"`, of `[store.NAME]`"));
        return None;
    };
    let store = Store::named(given.stores, store, &at.key("store"), problems);
    if section.remember.0 >= section.idle.0 {
        let message = "a session that is in use would end: it is longer than `idle`";
        problems.push(Problem::error(at.key("remember"), message));
    }
    let vault = problems.keep(vault(name, section, at));
    Some(Some((store?, vault?)))
}

fn vault(name: &str, section: &config::Oidc, at: &Path) -> Result<Vault, Problem> {
    const HELP: &str = "`store-secret = { env = \"NAME\" }` or `{ file = \"..\" }`, the same at every \
        gateway; `openssl rand -base64 32` makes one";
    let problem = |key, message: String| Problem::error(at.key(key), message);
    let Some(secret) = &section.store_secret else {
        let message = "what is in a store needs a secret that protects it";
        return Err(problem("store", message.into()).help(HELP));
    };
    let secret = secret.reveal().map_err(|message| problem("store-secret", message))?;
    if secret.len() < SHORTEST_SECRET {
        let message = format!("it has less than {SHORTEST_SECRET} characters");
        return Err(problem("store-secret", message).help(HELP));
    }
    Ok(Vault::new(&secret, [name, &section.issuer, &section.client_id]))
}

/// The sessions: those of before, seen by the rules that hold now. Whoever is known by a store only is
/// looked up there.
pub(super) fn sessions(
    section: &config::Oidc,
    (who, introduction): (&Principal, &Introduction),
    before: Option<&Shared>,
    safe: Option<Safe>,
    rules: &Arc<Rules>,
    given: &Given<'_>,
) -> Arc<Sessions> {
    let same =
        |before: &&Shared| before.section == *section && before.introduction == *introduction;
    let unchanged = before.filter(same).map(|before| &before.sessions);
    let Some((store, vault)) = safe else {
        return match before.map(|before| &*before.sessions) {
            Some(Sessions::Memory(_)) if let Some(sessions) = unchanged => sessions.clone(),
            Some(Sessions::Memory(known)) => {
                let make = |it: &Record| rules.principal(it.claims.clone()).ok().map(Arc::new);
                Arc::new(Sessions::Memory(Memory::of(known, make)))
            }
            Some(Sessions::Stored(_)) | None => Arc::new(Sessions::Memory(Memory::default())),
        };
    };
    if let Some(sessions) = unchanged
        && matches!(&**sessions, Sessions::Stored(known) if known.is_at(&store, &vault))
    {
        return sessions.clone();
    }
    let shelf = Shelf {
        auth: who.auth.clone(),
        store,
        prefix: format!("{}{}:", section.prefix, who.auth),
        vault,
        memory: Memory::default(),
        remember: section.remember.0,
        rules: rules.clone(),
        metrics: given.metrics.clone(),
    };
    Arc::new(Sessions::Stored(Stored::new(shelf, section.max_waiting)))
}
