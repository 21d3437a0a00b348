//! The types that XML Schema has from the start.

use serde_json::{Map, Value, json};

use super::{Form, Simple};

/// A type of XML Schema's own; `anyType` is none of them.
pub(in crate::translate::soap) fn builtin(name: &str) -> Option<Simple> {
    let (form, schema) = match name {
        "string" | "normalizedString" | "token" | "language" | "Name" | "NCName" | "NMTOKEN"
        | "ID" | "IDREF" | "ENTITY" | "anyURI" | "QName" | "NOTATION" | "anySimpleType"
        | "duration" | "gYear" | "gYearMonth" | "gMonth" | "gMonthDay" | "gDay" => {
            (Form::Text, json!({"type": "string"}))
        }
        "NMTOKENS" | "IDREFS" | "ENTITIES" => {
            let item = Box::new(text(json!({"type": "string"})));
            (Form::List(item), json!({"type": "array", "items": {"type": "string"}}))
        }
        "boolean" => (Form::Boolean, json!({"type": "boolean"})),
        "dateTime" => (Form::Text, pattern(&format!("{DATE}T{TIME}{ZONE}"))),
        "date" => (Form::Text, pattern(&format!("{DATE}{ZONE}"))),
        "time" => (Form::Text, pattern(&format!("{TIME}{ZONE}"))),
        "base64Binary" => (Form::Text, json!({"type": "string", "contentEncoding": "base64"})),
        "hexBinary" => (Form::Text, pattern("([0-9a-fA-F]{2})*")),
        "decimal" => (Form::Decimal, json!({"type": "number"})),
        "float" | "double" => {
            (Form::Float, json!({"anyOf": [{"type": "number"}, {"enum": ["INF", "-INF", "NaN"]}]}))
        }
        name => (Form::Integer, integer(name)?),
    };
    Some(Simple { form, schema: object(schema) })
}

fn text(schema: Value) -> Simple {
    Simple { form: Form::Text, schema: object(schema) }
}

fn object(schema: Value) -> Map<String, Value> {
    match schema {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

const DATE: &str = "-?[0-9]{4,}-[0-9]{2}-[0-9]{2}";
const TIME: &str = "[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?";
const ZONE: &str = "(Z|[+-][0-9]{2}:[0-9]{2})?";

fn pattern(pattern: &str) -> Value {
    json!({"type": "string", "pattern": format!("^{pattern}$")})
}

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
