//! How a filter gets at the parts of a value, and puts others in their place: `.a`, `.[0]`, `.[1:3]`, `.[]`.
//!
//! As in jq, `null` is an object and a list without anything in it, and a list grows where something is put
//! behind its end.

use std::{ops::Range, rc::Rc};

use jaq_core::{
    Error, Exn, ValT,
    box_iter::{BoxIter, box_once},
    path::Opt,
};

use super::{
    bound::{spend, spend_bytes},
    value::{List, Object, Val},
};

type ValR<T = Val> = jaq_core::ValR<T, Val>;
type ValX<'a> = jaq_core::ValX<'a, Val>;

impl From<bool> for Val {
    fn from(is: bool) -> Self {
        Self::Bool(is)
    }
}

impl From<isize> for Val {
    fn from(int: isize) -> Self {
        Self::Int(int as i64)
    }
}

impl From<usize> for Val {
    fn from(int: usize) -> Self {
        i64::try_from(int).map_or(Self::Float(int as f64), Self::Int)
    }
}

impl From<f64> for Val {
    /// A number that was calculated: an integer, if it is one for sure.
    fn from(float: f64) -> Self {
        const SURE: f64 = 9_007_199_254_740_992.0;
        match float.fract() == 0.0 && float.abs() < SURE {
            true => Self::Int(float as i64),
            false => Self::Float(float),
        }
    }
}

impl From<String> for Val {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Range<Option<Self>>> for Val {
    /// A part of a list as an object, which stands for it in paths.
    fn from(range: Range<Option<Self>>) -> Self {
        let end = |name: &str, end: Option<Self>| Some((Rc::new(name.to_owned()), end?));
        Self::object([end("start", range.start), end("end", range.end)].into_iter().flatten())
    }
}

impl FromIterator<Self> for Val {
    fn from_iter<I: IntoIterator<Item = Self>>(items: I) -> Self {
        Self::list(items)
    }
}

/// Items that are somebody's own, or shared.
fn items(list: Rc<List>) -> impl Iterator<Item = Val> {
    (0..list.items.len()).map(move |at| {
        spend(1);
        list.items.get(at).cloned().unwrap_or_default()
    })
}

fn members(object: Rc<Object>) -> impl Iterator<Item = (Rc<String>, Val)> {
    (0..object.members.len()).map(move |at| {
        spend(1);
        let member = object.members.get_index(at);
        member.map(|(name, value)| (name.clone(), value.clone())).unwrap_or_default()
    })
}

/// A place in something so long: from its end, if negative.
pub(super) fn place(at: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    usize::try_from(if at < 0 { at.checked_add(length)? } else { at }).ok()
}

/// A bound of a range within something so long.
fn bound(bound: Option<&Val>, length: usize, none: usize, round: fn(f64) -> f64) -> ValR<usize> {
    let at = match bound {
        None | Some(Val::Null) => return Ok(none),
        Some(Val::Int(at)) => *at,
        // What is beyond the range of integers is beyond the end.
        Some(Val::Float(at)) => round(*at) as i64,
        Some(other) => return Err(Error::typ(other.clone(), "number")),
    };
    Ok(place(at, length).unwrap_or(0).min(length))
}

/// The places that a range covers.
pub(super) fn covered(range: &Range<Option<&Val>>, length: usize) -> ValR<Range<usize>> {
    let start = bound(range.start, length, 0, f64::floor)?;
    let end = bound(range.end, length, length, f64::ceil)?;
    Ok(start..end.max(start))
}

/// The ends of a range that an object stands for.
pub(super) fn ends(range: &Object) -> Range<Option<&Val>> {
    let end = |name: &str| range.members.get(&name.to_owned());
    end("start")..end("end")
}

impl ValT for Val {
    fn from_num(number: &str) -> ValR {
        spend_bytes(number.len());
        let float = || number.parse().map_or(f64::NAN, |float| float);
        Ok(number.parse().map_or_else(|_| Self::Float(float()), Self::Int))
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(members: I) -> ValR {
        let named = members.into_iter().map(|(name, value)| match name {
            Self::Text(name) => Ok((name, value)),
            other => Err(Error::typ(other, "string")),
        });
        named.collect::<ValR<Vec<_>>>().map(Self::object)
    }

    fn key_values(self) -> BoxIter<'static, ValR<(Self, Self)>> {
        match self {
            Self::List(list) => {
                Box::new(items(list).enumerate().map(|(at, item)| Ok((Self::from(at), item))))
            }
            Self::Object(object) => {
                Box::new(members(object).map(|(name, value)| Ok((Self::Text(name), value))))
            }
            other => box_once(Err(Error::typ(other, "array or object"))),
        }
    }

    fn values(self) -> Box<dyn Iterator<Item = ValR>> {
        match self {
            Self::List(list) => Box::new(items(list).map(Ok)),
            Self::Object(object) => Box::new(members(object).map(|(_, value)| Ok(value))),
            other => box_once(Err(Error::typ(other, "array or object"))),
        }
    }

    fn index(self, index: &Self) -> ValR {
        self.at(index).map(Option::unwrap_or_default)
    }

    fn range(self, range: Range<Option<&Self>>) -> ValR {
        match self {
            Self::Null => Ok(Self::Null),
            Self::List(list) => {
                let covered = covered(&range, list.items.len())?;
                Ok(Self::list(list.items.get(covered).unwrap_or_default().iter().cloned()))
            }
            Self::Text(text) => {
                spend_bytes(text.len());
                let covered = covered(&range, text.chars().count())?;
                let part: String = text.chars().skip(covered.start).take(covered.len()).collect();
                Ok(Self::text(part))
            }
            other => Err(Error::typ(other, "array or string")),
        }
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a>>>(
        self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a> {
        match self {
            // What nothing is made of is taken out; of several, the first counts.
            Self::List(list) => items(list).filter_map(|item| f(item).next()).collect(),
            Self::Object(object) => {
                let made = members(object)
                    .filter_map(|(name, value)| f(value).next().map(|made| Ok((name, made?))));
                made.collect::<Result<Vec<_>, Exn<'a, Self>>>().map(Self::object)
            }
            other => opt.fail(other, |other| Exn::from(Error::typ(other, "array or object"))),
        }
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a>>>(
        self,
        index: &Self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a> {
        match (self, index) {
            (Self::Object(object), Self::Text(name)) => map_member(object, name, f),
            (Self::Null, Self::Text(name)) => map_member(Rc::default(), name, f),
            (Self::List(list), Self::Int(at)) => match place(*at, list.items.len()) {
                Some(at) => map_item(list, at, f),
                None => {
                    opt.fail(Self::List(list), |list| Exn::from(Error::index(list, index.clone())))
                }
            },
            (value @ (Self::List(_) | Self::Null), Self::Float(at)) => {
                value.map_index(&Self::Int(at.floor() as i64), opt, f)
            }
            (Self::Null, Self::Int(at @ 0..)) => {
                map_item(Rc::default(), usize::try_from(*at).unwrap_or(usize::MAX), f)
            }
            (value @ (Self::List(_) | Self::Null), Self::Object(range)) => {
                value.map_range(ends(range), opt, f)
            }
            (value, _) => opt.fail(value, |value| Exn::from(Error::index(value, index.clone()))),
        }
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a>>>(
        self,
        range: Range<Option<&Self>>,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a> {
        let list = match self {
            Self::List(list) => list,
            Self::Null => Rc::default(),
            other => return opt.fail(other, |other| Exn::from(Error::typ(other, "array"))),
        };
        let covered = covered(&range, list.items.len())?;
        let (before, rest) = list.items.split_at(covered.start);
        let (part, after) = rest.split_at(covered.len());
        let made = match f(Self::list(part.iter().cloned())).next().transpose()? {
            None => Rc::default(),
            Some(Self::List(made)) => made,
            Some(other) => return Err(Exn::from(Error::typ(other, "array"))),
        };
        Ok(Self::list([before, &made.items, after].into_iter().flatten().cloned()))
    }

    fn as_bool(&self) -> bool {
        !matches!(self, Self::Null | Self::Bool(false))
    }

    fn into_string(self) -> Self {
        match self {
            Self::Text(_) => self,
            other => Self::text(other.to_json()),
        }
    }
}

impl Val {
    /// What is at a place, if there is anything.
    pub(super) fn at(self, index: &Self) -> ValR<Option<Self>> {
        match (&self, index) {
            (Self::Null, _) => Ok(None),
            (Self::Object(object), Self::Text(name)) => {
                spend_bytes(name.len());
                Ok(object.members.get(name).cloned())
            }
            (Self::List(list), Self::Int(at)) => {
                let at = place(*at, list.items.len());
                Ok(at.and_then(|at| list.items.get(at)).cloned())
            }
            (Self::List(list), Self::Float(at)) => {
                let at = place(at.floor() as i64, list.items.len());
                Ok(at.and_then(|at| list.items.get(at)).cloned())
            }
            (Self::List(_) | Self::Text(_), Self::Object(range)) => {
                self.range(ends(range)).map(Some)
            }
            _ => Err(Error::index(self, index.clone())),
        }
    }
}

/// Makes something else of a member, which may not be there yet; of nothing, it is taken out.
fn map_member<'a, I: Iterator<Item = ValX<'a>>>(
    mut object: Rc<Object>,
    name: &Rc<String>,
    f: impl Fn(Val) -> I,
) -> ValX<'a> {
    let own = Val::own_object(&mut object);
    spend_bytes(name.len());
    let before = own.members.get_mut(name).map(std::mem::take).unwrap_or_default();
    match f(before).next().transpose()? {
        Some(made) => own.set(name.clone(), made),
        None => {
            spend(own.members.len());
            own.members.shift_remove(name);
        }
    }
    Ok(Val::Object(object))
}

/// Makes something else of an item, which may be behind the end; of nothing, it is taken out.
fn map_item<'a, I: Iterator<Item = ValX<'a>>>(
    mut list: Rc<List>,
    at: usize,
    f: impl Fn(Val) -> I,
) -> ValX<'a> {
    let own = Val::own_list(&mut list);
    let before = own.items.get_mut(at).map(std::mem::take).unwrap_or_default();
    match f(before).next().transpose()? {
        Some(made) => {
            while own.items.len() <= at {
                own.push(Val::Null);
            }
            own.set(at, made);
        }
        None if at < own.items.len() => {
            spend(own.items.len());
            own.items.remove(at);
        }
        None => {}
    }
    Ok(Val::List(list))
}
