//! JSON to messages, by protobuf's canonical mapping, and all that does not fit it, with its place.
//!
//! In: JSON that was parsed with its bounds. Out: a message whose fields are of the types that the service
//! names; what is wrong goes to the list of violations, which never names a value. The well-known types are
//! the library's; everything around them is read here, since it is the place that clients ask for.

use std::collections::HashMap;

use base64::{
    Engine as _,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use prost_reflect::{
    DeserializeOptions, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey,
    MessageDescriptor, Syntax, Value,
};
use serde_json::Value as Json;

use crate::message::{Violation, Violations, descend};

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// Reads JSON.
pub(super) struct Reader<'w> {
    /// Whether names that the message does not have are passed over.
    pub(super) lenient: bool,
    /// The place, as a JSON pointer.
    pub(super) pointer: String,
    pub(super) wrong: &'w mut Violations,
}

impl Reader<'_> {
    /// A message's fields.
    pub(super) fn message(
        &mut self,
        desc: &MessageDescriptor,
        json: Json,
    ) -> Option<DynamicMessage> {
        if let Some(what) = well_known(desc.full_name()) {
            let options = DeserializeOptions::new().deny_unknown_fields(!self.lenient);
            let read = DynamicMessage::deserialize_with_options(desc.clone(), &json, &options);
            return read.map_err(|_| self.fault(what)).ok();
        }
        let Json::Object(members) = json else {
            self.fault("has to be an object");
            return None;
        };
        let mut message = DynamicMessage::new(desc.clone());
        for (name, value) in members {
            let length = self.enter(&name);
            let known = desc.get_field_by_json_name(&name);
            match known.or_else(|| desc.get_field_by_name(&name)) {
                Some(field) => self.set(&mut message, &field, value),
                None if self.lenient => {}
                None => self.fault("is not known"),
            }
            self.pointer.truncate(length);
        }
        self.required(&message);
        Some(message)
    }

    /// Whether all that has to be there is: only proto2 has such fields.
    fn required(&mut self, message: &DynamicMessage) {
        use prost_reflect::ReflectMessage as _;
        let desc = message.descriptor();
        if desc.parent_file().syntax() != Syntax::Proto2 {
            return;
        }
        let missing =
            desc.fields().filter(|field| field.is_required() && !message.has_field(field));
        for field in missing {
            let length = self.enter(field.json_name());
            self.fault("is missing");
            self.pointer.truncate(length);
        }
    }

    /// Sets a field, unless it is there by its other name, or another of its group is.
    fn set(&mut self, message: &mut DynamicMessage, field: &FieldDescriptor, json: Json) {
        if json.is_null() && !takes_null(&field.kind()) {
            return;
        }
        let group = field.containing_oneof().filter(|group| !group.is_synthetic());
        if message.has_field(field) {
            self.fault("is there by another name, too");
            return;
        }
        if group.is_some_and(|group| group.fields().any(|other| message.has_field(&other))) {
            self.fault("excludes another field that is there");
            return;
        }
        if let Some(value) = self.field(field, json) {
            message.set_field(field, value);
        }
    }

    /// A field's value: a list, a map, or one.
    pub(super) fn field(&mut self, field: &FieldDescriptor, json: Json) -> Option<Value> {
        if field.is_list() {
            return self.list(&field.kind(), json);
        }
        if field.is_map() {
            return self.map(&field.kind(), json);
        }
        self.value(&field.kind(), json)
    }

    fn list(&mut self, kind: &Kind, json: Json) -> Option<Value> {
        let Json::Array(items) = json else {
            self.fault("has to be an array");
            return None;
        };
        let mut list = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let length = self.pointer.len();
            self.pointer.push('/');
            self.pointer.push_str(itoa::Buffer::new().format(index));
            list.extend(self.value(kind, item));
            self.pointer.truncate(length);
        }
        Some(Value::List(list))
    }

    fn map(&mut self, kind: &Kind, json: Json) -> Option<Value> {
        let entry = kind.as_message()?;
        let (key_kind, field) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field());
        let Json::Object(members) = json else {
            self.fault("has to be an object");
            return None;
        };
        let mut map = HashMap::with_capacity(members.len());
        for (name, item) in members {
            let length = self.enter(&name);
            match key(&key_kind, name) {
                Ok(key) => map.extend(self.value(&field.kind(), item).map(|value| (key, value))),
                Err(what) => self.fault(what),
            }
            self.pointer.truncate(length);
        }
        Some(Value::Map(map))
    }

    /// One value.
    fn value(&mut self, kind: &Kind, json: Json) -> Option<Value> {
        if let Kind::Message(desc) = kind {
            return self.message(desc, json).map(Value::Message);
        }
        if let Kind::Enum(desc) = kind {
            return match enumeration(desc, &json) {
                Some(number) => Some(Value::EnumNumber(number)),
                // What a newer client names is passed over where unknown fields are.
                None if self.lenient && json.is_string() => None,
                None => {
                    self.fault("is none of the values of its type");
                    None
                }
            };
        }
        match scalar(kind, json) {
            Ok(value) => Some(value),
            Err(what) => {
                self.fault(what);
                None
            }
        }
    }

    /// Goes into a member; gives back how long the pointer was.
    fn enter(&mut self, name: &str) -> usize {
        let length = self.pointer.len();
        descend(&mut self.pointer, name);
        length
    }

    fn fault(&mut self, what: &str) {
        self.wrong.push(Violation::body(self.pointer.clone(), what));
    }
}

/// Whether `null` is a value, and not that there is none.
fn takes_null(kind: &Kind) -> bool {
    match kind {
        Kind::Message(desc) => desc.full_name() == "google.protobuf.Value",
        Kind::Enum(desc) => desc.full_name() == "google.protobuf.NullValue",
        _ => false,
    }
}

/// What has to be there where a well-known type is.
pub(super) fn well_known(name: &str) -> Option<&'static str> {
    Some(match name.strip_prefix("google.protobuf.")? {
        "Any" => "has to be an object with an `@type` that is known",
        "Timestamp" => "has to be a time like \"2030-01-31T12:00:00Z\"",
        "Duration" => "has to be a duration like \"1.5s\"",
        "FieldMask" => "has to be a list of fields like \"name,size.height\"",
        "Struct" => "has to be an object",
        "ListValue" => "has to be an array",
        "Value" => "has to be JSON",
        "Empty" => "has to be an empty object",
        "DoubleValue" | "FloatValue" => NUMBER,
        "Int32Value" | "Int64Value" => INTEGER,
        "UInt32Value" | "UInt64Value" => UNSIGNED,
        "BoolValue" => BOOL,
        "StringValue" => STRING,
        "BytesValue" => BYTES,
        _ => return None,
    })
}

const NUMBER: &str = "has to be a number that fits its type";
const INTEGER: &str = "has to be a whole number that fits its type";
const UNSIGNED: &str = "has to be a whole number, not negative, that fits its type";
const BOOL: &str = "has to be `true` or `false`";
const STRING: &str = "has to be a string";
const BYTES: &str = "has to be a string of base64";

/// A value that is neither a message nor of an enumeration.
pub(super) fn scalar(kind: &Kind, json: Json) -> Result<Value, &'static str> {
    Ok(match kind {
        Kind::Double => Value::F64(float(&json).ok_or(NUMBER)?),
        Kind::Float => {
            let wide = float(&json).ok_or(NUMBER)?;
            let narrow = wide as f32;
            if wide.is_finite() && !narrow.is_finite() {
                return Err(NUMBER);
            }
            Value::F32(narrow)
        }
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            Value::I32(whole(&json).and_then(|n| n.try_into().ok()).ok_or(INTEGER)?)
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            Value::I64(whole(&json).and_then(|n| n.try_into().ok()).ok_or(INTEGER)?)
        }
        Kind::Uint32 | Kind::Fixed32 => {
            Value::U32(whole(&json).and_then(|n| n.try_into().ok()).ok_or(UNSIGNED)?)
        }
        Kind::Uint64 | Kind::Fixed64 => {
            Value::U64(whole(&json).and_then(|n| n.try_into().ok()).ok_or(UNSIGNED)?)
        }
        Kind::Bool => Value::Bool(json.as_bool().ok_or(BOOL)?),
        Kind::String => match json {
            Json::String(text) => Value::String(text),
            _ => return Err(STRING),
        },
        Kind::Bytes => Value::Bytes(json.as_str().and_then(bytes).ok_or(BYTES)?.into()),
        Kind::Message(_) | Kind::Enum(_) => return Err("is of another type"),
    })
}

/// The number of an enumeration's value, by its name or itself.
pub(super) fn enumeration(desc: &EnumDescriptor, json: &Json) -> Option<i32> {
    if desc.full_name() == "google.protobuf.NullValue" && json.is_null() {
        return Some(0);
    }
    if let Some(name) = json.as_str() {
        return desc.get_value_by_name(name).map(|value| value.number());
    }
    let number = whole(json)?.try_into().ok()?;
    // Those of proto2 are closed: a server would not see a number that it does not know.
    let closed = desc.parent_file().syntax() == Syntax::Proto2;
    (!closed || desc.get_value(number).is_some()).then_some(number)
}

/// A map's key.
fn key(kind: &Kind, name: String) -> Result<MapKey, &'static str> {
    const WHAT: &str = "is not a key of its type";
    let number = |name: &str| whole(&Json::String(name.into())).ok_or(WHAT);
    Ok(match kind {
        Kind::String => MapKey::String(name),
        Kind::Bool => MapKey::Bool(name.parse().map_err(|_| WHAT)?),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            MapKey::I32(number(&name)?.try_into().map_err(|_| WHAT)?)
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            MapKey::I64(number(&name)?.try_into().map_err(|_| WHAT)?)
        }
        Kind::Uint32 | Kind::Fixed32 => MapKey::U32(number(&name)?.try_into().map_err(|_| WHAT)?),
        Kind::Uint64 | Kind::Fixed64 => MapKey::U64(number(&name)?.try_into().map_err(|_| WHAT)?),
        _ => return Err(WHAT),
    })
}

/// A whole number, as a number or as text: `1`, `1.0`, `1e3`, `"1"`.
fn whole(json: &Json) -> Option<i128> {
    let exact = |number: f64| {
        // Beyond this not every whole number is one that a double can say.
        let sure = number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0;
        sure.then_some(number as i128)
    };
    match json {
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Some(number.into()),
            (None, Some(number)) => Some(number.into()),
            (None, None) => exact(number.as_f64()?),
        },
        Json::String(text) if is_number(text) => match text.parse() {
            Ok(number) => Some(number),
            Err(_) => exact(text.parse().ok()?),
        },
        _ => None,
    }
}

fn float(json: &Json) -> Option<f64> {
    match json {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => match &**text {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            text if is_number(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
            _ => None,
        },
        _ => None,
    }
}

/// Whether text may be a number as JSON writes them: Rust would take more.
fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
}

/// Base64 of either alphabet, with padding or without.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    let engine = if text.contains(['-', '_']) { &BASE64_URL } else { &BASE64 };
    engine.decode(text).ok()
}
