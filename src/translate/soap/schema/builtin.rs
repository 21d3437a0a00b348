//! The types that XML Schema has from the start.

use std::{collections::HashMap, sync::LazyLock};

use regex::Regex;
use serde_json::{Value, json};

use super::{
    Form, Simple,
    facets::{Bound, Facets, Octets, Space},
};

/// A type of XML Schema's own; `anyType` is none of them.
pub(in crate::translate::soap) fn builtin(name: &str) -> Option<Simple> {
    let text = || json!({"type": "string"});
    let (form, schema) = match name {
        "string" | "normalizedString" | "token" | "language" | "Name" | "NCName" | "NMTOKEN"
        | "ID" | "IDREF" | "ENTITY" | "anyURI" | "QName" | "NOTATION" | "anySimpleType"
        | "duration" | "gYear" | "gYearMonth" | "gMonth" | "gMonthDay" | "gDay" => {
            (Form::Text, text())
        }
        "NMTOKENS" | "IDREFS" | "ENTITIES" => {
            let item = Box::new(Simple::new(Form::Text, text()));
            (Form::List(item), json!({"type": "array", "items": {"type": "string"}}))
        }
        "boolean" => (Form::Boolean, json!({"type": "boolean"})),
        "dateTime" | "date" | "time" | "hexBinary" => {
            let (pattern, _) = PATTERNS.get(name)?;
            (Form::Text, json!({"type": "string", "pattern": pattern}))
        }
        "base64Binary" => (Form::Text, json!({"type": "string", "contentEncoding": "base64"})),
        "decimal" => (Form::Decimal, json!({"type": "number"})),
        "float" | "double" => {
            (Form::Float, json!({"anyOf": [{"type": "number"}, {"enum": ["INF", "-INF", "NaN"]}]}))
        }
        name => (Form::Integer, integer(name)?),
    };
    let mut made = Simple::new(form, schema);
    made.facets = Box::new(facets(name, &made));
    Some(made)
}

/// What is asked of such a type's values.
fn facets(name: &str, of: &Simple) -> Facets {
    let bound = |key: &str| {
        let value = of.schema.get(key)?.to_string().into();
        Some(Bound { value, out: false })
    };
    let space = match name {
        "string" | "anySimpleType" => Space::Preserve,
        "normalizedString" => Space::Replace,
        _ => Space::Collapse,
    };
    let octets = match name {
        "hexBinary" => Some(Octets::Hex),
        "base64Binary" => Some(Octets::Base64),
        _ => None,
    };
    let pattern = PATTERNS.get(name).and_then(|(_, pattern)| pattern.clone());
    let (low, high) = (bound("minimum"), bound("maximum"));
    let patterns = pattern.into_iter().collect();
    Facets { space, octets, patterns, low, high, ..Facets::default() }
}

const DATE: &str = "-?[0-9]{4,}-[0-9]{2}-[0-9]{2}";
const TIME: &str = "[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?";
const ZONE: &str = "(Z|[+-][0-9]{2}:[0-9]{2})?";

/// Types whose form is a pattern.
static PATTERNS: LazyLock<HashMap<&str, (String, Option<Regex>)>> = LazyLock::new(|| {
    let all = [
        ("dateTime", format!("{DATE}T{TIME}{ZONE}")),
        ("date", format!("{DATE}{ZONE}")),
        ("time", format!("{TIME}{ZONE}")),
        ("hexBinary", "([0-9a-fA-F]{2})*".to_owned()),
    ];
    let compiled = all.into_iter().map(|(name, pattern)| {
        let pattern = format!("^{pattern}$");
        let compiled = Regex::new(&pattern).ok();
        (name, (pattern, compiled))
    });
    compiled.collect()
});

fn integer(name: &str) -> Option<Value> {
    Some(match name {
        "integer" => json!({"type": "integer"}),
        "long" => json!({"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX}),
        "int" => json!({"type": "integer", "minimum": i32::MIN, "maximum": i32::MAX}),
        "short" => json!({"type": "integer", "minimum": i16::MIN, "maximum": i16::MAX}),
        "byte" => json!({"type": "integer", "minimum": i8::MIN, "maximum": i8::MAX}),
        "unsignedLong" => json!({"type": "integer", "minimum": 0, "maximum": u64::MAX}),
        "unsignedInt" => json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
        "unsignedShort" => json!({"type": "integer", "minimum": 0, "maximum": u16::MAX}),
        "unsignedByte" => json!({"type": "integer", "minimum": 0, "maximum": u8::MAX}),
        "nonNegativeInteger" => json!({"type": "integer", "minimum": 0}),
        "positiveInteger" => json!({"type": "integer", "minimum": 1}),
        "nonPositiveInteger" => json!({"type": "integer", "maximum": 0}),
        "negativeInteger" => json!({"type": "integer", "maximum": -1}),
        _ => return None,
    })
}
