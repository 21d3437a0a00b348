//! What filters may call: the core and the library of jq, but for what looks out of the message.
//!
//! Left out are the clock, the environment, the time zone of the machine, the log and the end of the process;
//! files, modules and other inputs nobody gives. What only knows how values are made inside is here.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use jaq_core::{
    DataT, Error, Lut, Native, RunPtr,
    box_iter::box_once,
    data::HasLut,
    load::{self, parse::Def},
    native::{Fun, bome, unary, v},
};
use jaq_std::ValT;

use super::{
    bound::{spend, spend_bytes, step},
    patterns,
    removal::without,
    value::Val,
};
use crate::message::{DEPTH, parse_json};

type ValR<T = Val> = jaq_core::ValR<T, Val>;

/// What the interpreter works on.
#[derive(Debug)]
pub(super) struct Data;

/// A filter's table, which counts how often it is looked at: once for each step.
#[derive(Clone, Copy)]
pub(super) struct Table<'a>(pub(super) &'a Lut<Data>);

impl DataT for Data {
    type Data<'a> = Table<'a>;
    type V<'a> = Val;
}

impl<'a> HasLut<'a, Data> for Table<'a> {
    #[inline]
    fn lut(&self) -> &'a Lut<Data> {
        step();
        self.0
    }
}

/// What looks out of the message, or ends the process.
const FORBIDDEN: [&str; 12] = [
    "debug",
    "debug_empty",
    "env",
    "halt",
    "halt_error",
    "input",
    "inputs",
    "localtime",
    "now",
    "stderr",
    "stderr_empty",
    "strflocaltime",
];

/// What is done in another way here.
const OTHERWISE: [&str; 13] = [
    "del",
    "delpaths",
    "flatten",
    "from_entries",
    "infinite",
    "isnan",
    "join",
    "nan",
    "pick",
    "reverse",
    "scan",
    "scan_",
    "walk",
];

/// What the core builds on, and is done as jq does it here.
const FIRST: &str = r#"
def del(f): delpaths([path(f)]);
def from_entries: reduce .[] as $x ({}; . + {
  ($x | if .key == [][0] then .k // .name // .Name // .K // .Key else .key end
    | if . >= "" and . < [] then . else tojson end):
  ($x | if has("value") then .value elif has("v") then .v else .Value end) });
"#;

/// What the library builds on, and is done in another way here: `null` joins as nothing.
const BEFORE: &str = r#"
def join($by): [][0] as $none | reduce .[] as $x ($none;
  (if . == $none then "" else . + $by end)
  + ($x | if . == $none then "" elif . >= "" and . < [] then . else tojson end)) // "";
"#;

/// What is said in the language itself.
const DEFINITIONS: &str = r#"
def walk(f): def w: (if isobject then map_values(w) elif isarray then map(w) else . end) | f; w;
def pick(f): . as $top | reduce path(f) as $path (null; setpath($path; $top | getpath($path)));
def flat($depth): reduce .[] as $x ([];
  if $depth != 0 and ($x | isarray) then . + ($x | flat($depth - 1)) else . + [$x] end);
def flatten($depth):
  if $depth < 0 then error("flatten depth must not be negative") else flat($depth) end;
def flatten: flat(-1);
def scan(re; flags): matches(re; "g" + flags)[]
  | [.[].string] | if length > 1 then .[1:] else .[0] end;
def scan(re): scan(re; "");
def in(xs): . as $x | xs | has($x);
def inside(xs): . as $x | xs | contains($x);
def index($x): indices($x)[0];
def rindex($x): indices($x)[-1];
def transpose: [range([.[] | length] | max // 0) as $at | [.[][$at]]];
def IN(s): any(s == .; .);
def IN(from; s): any(from == s; .);
def INDEX(rows; by): reduce rows as $row ({}; .[$row | by | tostring] = $row);
def INDEX(by): INDEX(.[]; by);
def ascii: [.] | implode;
def leaf_paths: paths(scalars);
def @json: tojson;
def cell: if isstring then "\"" + (split("\"") | join("\"\"")) + "\"" elif . == null then "" else tojson end;
def @csv: [.[] | cell] | join(",");
"#;

/// Whether a filter of this name is kept from whoever asks for it.
pub(super) fn is_forbidden(name: &str) -> bool {
    FORBIDDEN.contains(&name)
}

/// What is said in the language of jq.
pub(super) fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    let own = |text| load::parse(text, |parser| parser.defs()).unwrap_or_default();
    let known =
        |def: &Def<&'static str>| !FORBIDDEN.contains(&def.name) && !OTHERWISE.contains(&def.name);
    let core = jaq_core::defs().filter(known);
    own(FIRST)
        .into_iter()
        .chain(core)
        .chain(own(BEFORE))
        .chain(jaq_std::defs().filter(known))
        .chain(own(DEFINITIONS))
}

/// What is not.
pub(super) fn natives() -> impl Iterator<Item = Fun<Data>> {
    let ours: Vec<_> = own().into_iter().chain(patterns::natives()).collect();
    let names: Vec<_> = ours.iter().map(|(name, arguments, _)| (*name, *arguments)).collect();
    let known = jaq_core::funs().chain(jaq_std::funs());
    let known = known.filter(move |(name, arguments, _)| {
        !FORBIDDEN.contains(name) && !names.contains(&(*name, arguments.len()))
    });
    let native = |(name, arguments, run)| (name, v(arguments), Native::<Data>::new(run));
    known.chain(ours.into_iter().map(native))
}

/// By name and number of arguments.
fn own() -> [(&'static str, usize, RunPtr<Data>); 17] {
    [
        ("nan", 0, |_| bome(Ok(Val::Float(f64::NAN)))),
        ("infinite", 0, |_| bome(Ok(Val::Float(f64::INFINITY)))),
        ("isnan", 0, |cv| {
            let number = cv.1.number().ok_or_else(|| Error::typ(cv.1, "number"));
            bome(number.map(|number| Val::Bool(number.is_nan())))
        }),
        ("length", 0, |cv| bome(length(cv.1))),
        ("tojson", 0, |cv| bome(Ok(Val::text(cv.1.to_json())))),
        ("fromjson", 0, |cv| bome(from_json(cv.1))),
        ("tonumber", 0, |cv| bome(to_number(cv.1))),
        ("toboolean", 0, |cv| bome(to_boolean(cv.1))),
        ("reverse", 0, |cv| bome(reverse(cv.1))),
        ("decode_base64", 0, |cv| bome(from_base64(cv.1))),
        ("ltrimstr", 1, |cv| {
            unary(cv, |text, part| Ok(trimmed(text, &part, |a, b| a.strip_prefix(b))))
        }),
        ("rtrimstr", 1, |cv| {
            unary(cv, |text, part| Ok(trimmed(text, &part, |a, b| a.strip_suffix(b))))
        }),
        ("delpaths", 1, |mut cv| {
            let paths = cv.0.pop_var();
            box_once(without(cv.1, &paths))
        }),
        ("has", 1, |cv| unary(cv, has)),
        ("contains", 1, |cv| unary(cv, |a, b| contains(&a, &b).map(Val::Bool))),
        ("indices", 1, |cv| unary(cv, |a, b| indices(&a, &b))),
        ("bsearch", 1, |cv| {
            unary(cv, |list, wanted| match &list {
                Val::List(own) => Ok(match own.items.binary_search(&wanted) {
                    Ok(at) => Val::from(at),
                    Err(at) => (-Val::from(at + 1))?,
                }),
                _ => Err(Error::typ(list, "array")),
            })
        }),
    ]
}

fn length(value: Val) -> ValR {
    Ok(match &value {
        Val::Null => Val::Int(0),
        Val::Int(int) => int.checked_abs().map_or(Val::Float((*int as f64).abs()), Val::Int),
        Val::Float(float) => Val::Float(float.abs()),
        Val::Text(text) => {
            spend_bytes(text.len());
            Val::from(text.chars().count())
        }
        Val::List(list) => Val::from(list.items.len()),
        Val::Object(object) => Val::from(object.members.len()),
        Val::Bool(_) => return Err(Error::typ(value, "something with a length")),
    })
}

fn from_json(value: Val) -> ValR {
    let Val::Text(text) = &value else { return Err(Error::typ(value, "string")) };
    spend_bytes(text.len());
    parse_json(text.as_bytes(), DEPTH).map(Val::from).map_err(Error::str)
}

fn to_number(value: Val) -> ValR {
    let Val::Text(text) = &value else {
        return value.number().map(|_| value.clone()).ok_or_else(|| Error::typ(value, "number"));
    };
    match from_json(value.clone()) {
        Ok(number @ (Val::Int(_) | Val::Float(_))) if text.trim() == **text => Ok(number),
        _ => Err(Error::typ(value, "number")),
    }
}

fn to_boolean(value: Val) -> ValR {
    match &value {
        Val::Bool(_) => Ok(value),
        Val::Text(text) if **text == "true" => Ok(Val::Bool(true)),
        Val::Text(text) if **text == "false" => Ok(Val::Bool(false)),
        _ => Err(Error::typ(value, "boolean")),
    }
}

fn reverse(value: Val) -> ValR {
    match &value {
        Val::Null => Ok(Val::list([])),
        Val::List(list) => Ok(Val::list(list.items.iter().rev().cloned())),
        Val::Text(text) => Ok(Val::text(text.chars().rev().collect::<String>())),
        _ => Err(Error::typ(value, "array")),
    }
}

fn from_base64(value: Val) -> ValR {
    // The fill at the end may be missing.
    const ANY: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let Val::Text(text) = &value else { return Err(Error::typ(value, "string")) };
    spend_bytes(text.len());
    match ANY.decode(&**text) {
        Ok(bytes) => Ok(Val::text(String::from_utf8_lossy(&bytes))),
        Err(_) => Err(Error::str(format_args!("{text} is not valid base64 data"))),
    }
}

/// A text without what it begins or ends with; what is none stays as it is.
fn trimmed(value: Val, part: &Val, strip: for<'a> fn(&'a str, &str) -> Option<&'a str>) -> Val {
    let rest = match (&value, part) {
        (Val::Text(whole), Val::Text(part)) => strip(whole, part).map(Val::text),
        _ => None,
    };
    rest.unwrap_or(value)
}

fn has(value: Val, index: Val) -> ValR {
    match (&value, &index) {
        (Val::Object(_), Val::Text(_)) | (Val::List(_), Val::Int(_)) => {
            value.at(&index).map(|there| Val::Bool(there.is_some()))
        }
        _ => Err(Error::index(value, index)),
    }
}

/// Whether one has all of the other somewhere within.
fn contains(a: &Val, b: &Val) -> ValR<bool> {
    spend(1);
    let any = |items: &[Val], b: &Val| -> ValR<bool> {
        for a in items.iter().filter(|a| a.is_like(b)) {
            if contains(a, b)? {
                return Ok(true);
            }
        }
        Ok(false)
    };
    match (a, b) {
        (Val::Text(a), Val::Text(b)) => {
            spend_bytes(a.len());
            Ok(a.contains(&**b))
        }
        (Val::List(a), Val::List(b)) => {
            for b in &b.items {
                if !any(&a.items, b)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Val::Object(a), Val::Object(b)) => {
            for (name, b) in &b.members {
                match a.members.get(name).filter(|a| a.is_like(b)) {
                    Some(a) if contains(a, b)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        (a, b) if a.is_like(b) => Ok(a == b),
        (a, b) => Err(Error::index(a.clone(), b.clone())),
    }
}

/// Where one is in the other.
fn indices(a: &Val, b: &Val) -> ValR {
    match (a, b) {
        (Val::Null, _) => Ok(Val::Null),
        (Val::Text(_), Val::Text(b)) if b.is_empty() => Ok(Val::list([])),
        (Val::Text(a), Val::Text(b)) => {
            spend_bytes(a.len());
            let (mut found, mut chars, mut from) = (Vec::new(), 0, 0);
            while let Some(at) = a.get(from..).and_then(|rest| rest.find(&**b)) {
                spend_bytes(at + b.len());
                chars += a.get(from..from + at).map_or(0, |before| before.chars().count());
                found.push(Val::from(chars));
                let next = a.get(from + at..).and_then(|rest| rest.chars().next());
                from += at + next.map_or(1, char::len_utf8);
                chars += 1;
            }
            Ok(Val::list(found))
        }
        (Val::List(_), Val::List(b)) if b.items.is_empty() => Ok(Val::list([])),
        (Val::List(a), Val::List(b)) => {
            let windows = a.items.windows(b.items.len()).enumerate();
            Ok(Val::list(
                windows.filter(|(_, window)| *window == &*b.items).map(|(at, _)| Val::from(at)),
            ))
        }
        (Val::List(a), b) => {
            let same = a.items.iter().enumerate().filter(|(_, item)| *item == b);
            Ok(Val::list(same.map(|(at, _)| Val::from(at))))
        }
        _ => Err(Error::index(a.clone(), b.clone())),
    }
}

impl Val {
    /// Whether it is of the same kind.
    fn is_like(&self, other: &Self) -> bool {
        let bools = matches!((self, other), (Self::Bool(_), Self::Bool(_)));
        let numbers = self.number().is_some() && other.number().is_some();
        bools || numbers || std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl ValT for Val {
    fn into_seq<S: FromIterator<Self>>(self) -> Result<S, Self> {
        match self {
            Self::List(list) => {
                spend(list.items.len());
                Ok(list.items.iter().cloned().collect())
            }
            other => Err(other),
        }
    }

    fn is_int(&self) -> bool {
        matches!(self, Self::Int(_))
    }

    fn as_isize(&self) -> Option<isize> {
        match self {
            Self::Int(int) => isize::try_from(*int).ok(),
            _ => None,
        }
    }

    fn as_f64(&self) -> Option<f64> {
        self.number()
    }

    fn is_utf8_str(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => {
                spend_bytes(text.len());
                Some(text.as_bytes())
            }
            _ => None,
        }
    }

    fn as_sub_str(&self, part: &[u8]) -> Self {
        Self::text(String::from_utf8_lossy(part))
    }

    fn from_utf8_bytes(bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        Self::text(String::from_utf8_lossy(bytes.as_ref()))
    }
}
