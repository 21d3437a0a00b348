//! What `+`, `-`, `*`, `/` and `%` do to values.

use std::{
    collections::BTreeSet,
    ops::{Add, Div, Mul, Neg, Rem, Sub},
    rc::Rc,
};

use jaq_core::{Error, ValR as Result, ops::Math};

use super::{
    bound::spend_bytes,
    value::{Object, Val},
};

type ValR = Result<Val>;

impl Val {
    /// A number as a floating one.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Int(int) => Some(*int as f64),
            Self::Float(float) => Some(*float),
            Self::Null | Self::Bool(_) | Self::Text(_) | Self::List(_) | Self::Object(_) => None,
        }
    }

    /// Two numbers: as integers, if the result is one, else as floating ones.
    fn calculate(
        self,
        op: Math,
        other: Self,
        ints: impl Fn(i64, i64) -> Option<i64>,
        floats: impl Fn(f64, f64) -> f64,
    ) -> ValR {
        if let (Self::Int(a), Self::Int(b)) = (&self, &other)
            && let Some(int) = ints(*a, *b)
        {
            return Ok(Self::Int(int));
        }
        match (self.number(), other.number()) {
            (Some(a), Some(b)) => Ok(Self::from(floats(a, b))),
            _ => Err(Error::math(self, op, other)),
        }
    }

    /// A number without its fraction, as far as integers go.
    fn whole(&self) -> Option<i64> {
        match self {
            Self::Int(int) => Some(*int),
            Self::Float(float) => (!float.is_nan()).then_some(*float as i64),
            _ => None,
        }
    }

    fn is_zero(&self) -> bool {
        self.number() == Some(0.0)
    }
}

impl Add for Val {
    type Output = ValR;

    fn add(self, other: Self) -> ValR {
        match (self, other) {
            (Self::Null, value) | (value, Self::Null) => Ok(value),
            (Self::Text(mut text), Self::Text(more)) => {
                spend_bytes(more.len());
                Self::own(&mut text).push_str(&more);
                Ok(Self::Text(text))
            }
            (Self::List(mut list), Self::List(more)) => {
                let own = Self::own_list(&mut list);
                more.items.iter().for_each(|item| own.push(item.clone()));
                Ok(Self::List(list))
            }
            (Self::Object(mut object), Self::Object(more)) => {
                let own = Self::own_object(&mut object);
                more.members.iter().for_each(|(name, value)| own.set(name.clone(), value.clone()));
                Ok(Self::Object(object))
            }
            (a, b) => a.calculate(Math::Add, b, i64::checked_add, |a, b| a + b),
        }
    }
}

impl Sub for Val {
    type Output = ValR;

    fn sub(self, other: Self) -> ValR {
        match (self, other) {
            (Self::List(list), Self::List(less)) => {
                let less: BTreeSet<_> = less.items.iter().collect();
                let stays = |item: &&Self| !less.contains(item);
                Ok(Self::list(list.items.iter().filter(stays).cloned()))
            }
            (a, b) => a.calculate(Math::Sub, b, i64::checked_sub, |a, b| a - b),
        }
    }
}

impl Mul for Val {
    type Output = ValR;

    fn mul(self, other: Self) -> ValR {
        match (self, other) {
            (Self::Text(text), times @ (Self::Int(_) | Self::Float(_)))
            | (times @ (Self::Int(_) | Self::Float(_)), Self::Text(text)) => {
                // As in jq, less than once is once, and never is nothing.
                let Some(times) = times.number().filter(|times| *times > 0.0) else {
                    return Ok(Self::Null);
                };
                let times = (times as usize).max(1);
                // First of all: nothing so long is ever made.
                spend_bytes(text.len().saturating_mul(times));
                Ok(Self::Text(Rc::new(text.repeat(times))))
            }
            (Self::Object(mut object), Self::Object(more)) => {
                merge(&mut object, &more)?;
                Ok(Self::Object(object))
            }
            (a, b) => a.calculate(Math::Mul, b, i64::checked_mul, |a, b| a * b),
        }
    }
}

/// Puts the members of one into another, and into its objects those of objects.
fn merge(object: &mut Rc<Object>, more: &Object) -> jaq_core::ValR<(), Val> {
    let own = Val::own_object(object);
    for (name, value) in &more.members {
        let known = own.members.get_mut(name).map(std::mem::take);
        let value = match (known, value) {
            (Some(known @ Val::Object(_)), Val::Object(_)) => (known * value.clone())?,
            _ => value.clone(),
        };
        own.set(name.clone(), value);
    }
    Ok(())
}

impl Div for Val {
    type Output = ValR;

    fn div(self, other: Self) -> ValR {
        match (self, other) {
            (Self::Text(text), Self::Text(by)) => {
                spend_bytes(text.len());
                Ok(match (text.is_empty(), by.is_empty()) {
                    (true, _) => Self::list([]),
                    (_, true) => Self::list(text.chars().map(Self::text)),
                    _ => Self::list(text.split(&**by).map(Self::text)),
                })
            }
            (a, b) if b.is_zero() => Err(Error::math(a, Math::Div, b)),
            (a, b) => {
                let whole = |a: i64, b| a.checked_rem(b).filter(|rest| *rest == 0).map(|_| a / b);
                a.calculate(Math::Div, b, whole, |a, b| a / b)
            }
        }
    }
}

impl Rem for Val {
    type Output = ValR;

    fn rem(self, other: Self) -> ValR {
        let (Some(a), Some(b)) = (self.whole(), other.whole()) else {
            return match (self.number(), other.number()) {
                (Some(_), Some(_)) => Ok(Self::Float(f64::NAN)),
                _ => Err(Error::math(self, Math::Rem, other)),
            };
        };
        match b {
            0 => Err(Error::math(self, Math::Rem, other)),
            b => Ok(Self::Int(a.checked_rem(b).unwrap_or(0))),
        }
    }
}

impl Neg for Val {
    type Output = ValR;

    fn neg(self) -> ValR {
        match self {
            Self::Int(int) => {
                Ok(int.checked_neg().map_or_else(|| Self::Float(-(int as f64)), Self::Int))
            }
            Self::Float(float) => Ok(Self::Float(-float)),
            other => Err(Error::typ(other, "number")),
        }
    }
}
