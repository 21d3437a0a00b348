//! Somebody and their request, as policies see them.

use std::{collections::HashMap, sync::OnceLock};

use cedar_policy::{
    Context, Entity, EntityId, EntityTypeName, EntityUid, PolicyId, PolicySet,
    RestrictedExpression as Value,
};
use http::HeaderName;
use serde_json::{Map, Value as Json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{super::principal::Principal, Deed, schema::Reads};
use crate::message;

/// Somebody as policies see them: made when they are asked about them first.
#[derive(Debug, Default)]
pub(in crate::auth) struct Portrait(OnceLock<Result<Entity, String>>);

/// Whoever copies a principal may change it.
impl Clone for Portrait {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// It says what the principal says.
impl PartialEq for Portrait {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Portrait {
    /// This principal's, whose it is.
    pub(super) fn of(&self, who: &Principal) -> Result<&Entity, String> {
        self.0.get_or_init(|| user(who)).as_ref().map_err(Clone::clone)
    }
}

/// An entity by its type and its id.
pub(super) fn uid(kind: &'static str, id: &str) -> Result<EntityUid, String> {
    let kind: EntityTypeName = kind.parse().map_err(|error| format!("{kind}: {error}"))?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

/// A policy's name: its `@id`, else its number.
pub(super) fn name(set: &PolicySet, id: &PolicyId) -> String {
    match set.annotation(id, "id") {
        Some(name) => format!("`{name}`"),
        None => format!("`{id}`"),
    }
}

fn user(who: &Principal) -> Result<Entity, String> {
    let text = |text: &str| Value::new_string(text.to_owned());
    let set = |words: &[Box<str>]| Value::new_set(words.iter().map(|word| text(word)));
    let roles: Result<Vec<_>, _> = who.roles.iter().map(|role| uid("Role", role)).collect();
    let mut attributes = vec![
        ("auth".to_owned(), text(&who.auth)),
        ("method".to_owned(), text(who.method)),
        ("roles".to_owned(), set(&who.roles)),
        ("scopes".to_owned(), set(&who.scopes)),
    ];
    attributes.extend(who.owner.as_deref().map(|owner| ("owner".to_owned(), text(owner))));
    let mut tags = HashMap::new();
    flatten("", &who.claims, &mut tags);
    Entity::new_with_tags(uid("User", &who.subject)?, attributes, roles?, tags)
        .map_err(|error| error.to_string())
}

/// Claims as sets of words: what stands within a claim has the names of both, with a dot between.
fn flatten(before: &str, claims: &Map<String, Json>, tags: &mut HashMap<String, Value>) {
    for (name, claim) in claims {
        let name = format!("{before}{name}");
        let values = match claim {
            Json::Object(inner) => {
                flatten(&format!("{name}."), inner, tags);
                continue;
            }
            Json::Array(items) => items.iter().filter_map(word).collect(),
            one => Vec::from_iter(word(one)),
        };
        // A claim that is named with a dot and one within another may have the same name. Which one is
        // meant nobody knows, so none is told.
        if tags.insert(name.clone(), Value::new_set(values)).is_some() {
            tags.insert(name, Value::new_set([]));
        }
    }
}

fn word(claim: &Json) -> Option<Value> {
    match claim {
        Json::String(text) => Some(Value::new_string(text.clone())),
        Json::Bool(_) | Json::Number(_) => Some(Value::new_string(claim.to_string())),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// The route, with a request's path parameters.
pub(super) fn route<'a>(
    uid: EntityUid,
    params: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<Entity, String> {
    let params = params.map(|(name, value)| (name.to_owned(), Value::new_string(value.to_owned())));
    let params = Value::new_record(params).map_err(|error| error.to_string())?;
    Entity::new_with_tags(uid, [("params".to_owned(), params)], [], [])
        .map_err(|error| error.to_string())
}

/// What else policies read of a request.
pub(super) fn context(
    deed: &Deed<'_>,
    headers: &[HeaderName],
    reads: Reads,
) -> Result<Context, String> {
    let mut pairs = Vec::new();
    // Of several fields with the same name none is told: which one would the origin have taken?
    let field = |name: &HeaderName| {
        let mut values = deed.headers.get_all(name).iter();
        let value = values.next().filter(|_| values.next().is_none())?.to_str().ok()?;
        Some((name.as_str().to_owned(), Value::new_string(value.to_owned())))
    };
    if !headers.is_empty() {
        let record = Value::new_record(headers.iter().filter_map(field));
        pairs.push(("headers".to_owned(), record.map_err(|error| error.to_string())?));
    }
    // Without an address, whoever asks for it fails.
    if let Some(address) = deed.client.filter(|_| reads.address) {
        pairs.push(("address".to_owned(), Value::new_ip(address.to_string())));
    }
    if reads.time {
        let nanos = i128::from((deed.wall)()) * 1_000_000;
        let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok();
        let time = time.and_then(|time| time.replace_nanosecond(0).ok()?.format(&Rfc3339).ok());
        pairs.extend(time.map(|time| ("time".to_owned(), Value::new_datetime(time))));
    }
    if reads.host {
        let host = deed.host.map(message::text).unwrap_or_default();
        let host = message::without_port(host).to_ascii_lowercase();
        pairs.push(("host".to_owned(), Value::new_string(host)));
    }
    Context::from_pairs(pairs).map_err(|error| error.to_string())
}
