//! What `del` and `delpaths` take out of a value.
//!
//! In: a value and paths. Out: the value without what is at them. All of them are about the value as it was: an
//! item does not stay because another one left before it. What is not there is not missed.

use std::collections::BTreeSet;

use jaq_core::{Error, ValT as _, path::Opt};

use super::{
    access::{covered, ends, place},
    bound::{spend, spend_bytes},
    value::Val,
};

type ValR<T = Val> = jaq_core::ValR<T, Val>;
type ValX<'a> = jaq_core::ValX<'a, Val>;

/// A value without what is at these paths.
pub(super) fn without<'a>(value: Val, paths: &Val) -> ValX<'a> {
    let Val::List(paths) = paths else {
        return Err(Error::str("Paths must be specified as an array").into());
    };
    let steps = |path: &Val| match path {
        Val::List(path) => Ok(path.clone()),
        _ => Err(Error::str("Path must be specified as an array")),
    };
    let mut paths = paths.items.iter().map(steps).collect::<ValR<Vec<_>>>()?;
    // Those with the same first steps are together, the shorter ones first.
    paths.sort_by(|a, b| a.items.cmp(&b.items));
    let paths: Vec<_> = paths.iter().map(|path| &path.items[..]).collect();
    if paths.first().is_some_and(|path| path.is_empty()) {
        Ok(Val::Null)
    } else {
        take(value, &paths)
    }
}

/// Takes out what is at these paths, which are in order and not empty.
fn take<'a>(mut value: Val, paths: &[&[Val]]) -> ValX<'a> {
    let mut gone = Vec::new();
    for same in paths.chunk_by(|a, b| a.first() == b.first()) {
        let Some((first, rest)) = same.first().and_then(|path| path.split_first()) else {
            continue;
        };
        spend(same.len());
        if rest.is_empty() {
            gone.push(first);
            continue;
        }
        if value.clone().at(first)?.is_some_and(|inner| !matches!(inner, Val::Null)) {
            let deeper: Vec<_> = same.iter().filter_map(|path| path.get(1..)).collect();
            let update = |inner| std::iter::once(take(inner, &deeper));
            value = value.map_index(first, Opt::Essential, update)?;
        }
    }
    if gone.is_empty() { Ok(value) } else { Ok(leave(value, &gone)?) }
}

/// Lets what is at these places go.
fn leave(value: Val, gone: &[&Val]) -> ValR {
    let fault = |what: &str, key: &Val| Err(Error::str(format_args!("Cannot delete {what} {key}")));
    match value {
        Val::Null => Ok(Val::Null),
        Val::Object(mut object) => {
            let mut names = BTreeSet::new();
            for key in gone {
                let Val::Text(name) = key else { return fault("field of object at", key) };
                spend_bytes(name.len());
                names.insert(name);
            }
            let own = Val::own_object(&mut object);
            spend(own.members.len());
            own.members.retain(|name, _| !names.contains(name));
            Ok(Val::Object(object))
        }
        Val::List(mut list) => {
            let length = list.items.len();
            let mut stays = vec![true; length];
            spend(1 + length);
            let one = |at| place(at, length).map_or(0..0, |at| at..at.saturating_add(1));
            for key in gone {
                let places = match key {
                    Val::Int(at) => one(*at),
                    Val::Float(at) => one(at.floor() as i64),
                    Val::Object(range) => covered(&ends(range), length)?,
                    other => return fault("item of array at", other),
                };
                spend(places.len());
                let stays = stays.get_mut(places.start.min(length)..places.end.min(length));
                stays.into_iter().for_each(|stays| stays.fill(false));
            }
            let own = Val::own_list(&mut list);
            let mut stays = stays.into_iter();
            own.items.retain(|_| stays.next().unwrap_or(true));
            Ok(Val::List(list))
        }
        other => fault("fields of", &other),
    }
}
