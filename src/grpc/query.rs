//! Fields out of text: what the path's variables and the query's parameters say.
//!
//! In: a field's path and a text. Out: the field is set in the message, or what is wrong, by the
//! parameter's name.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use serde_json::Value as Json;

use super::read;
use crate::message::{Part, Violation, Violations, form_text, pairs};

/// How deep a parameter's name may go into a message.
const DEPTH: usize = 16;

/// The fields on the way to the one that a parameter sets.
pub(super) type FieldPath = Vec<FieldDescriptor>;

/// The fields that a name like `book.author` goes through, by their names in the file or in JSON.
///
/// # Errors
/// There are no such fields, or the last takes no text.
pub(super) fn resolve(message: &MessageDescriptor, name: &str) -> Result<FieldPath, String> {
    let (mut at, mut path) = (message.clone(), FieldPath::new());
    let mut parts = name.split('.').peekable();
    while let Some(part) = parts.next() {
        let known = at.get_field_by_name(part).or_else(|| at.get_field_by_json_name(part));
        let field = known.ok_or_else(|| format!("`{}` has no field `{part}`", at.full_name()))?;
        if parts.peek().is_some() {
            let next =
                field.kind().as_message().filter(|_| !field.is_list() && !field.is_map()).cloned();
            let next = next.filter(|next| read::well_known(next.full_name()).is_none());
            at = next.ok_or_else(|| format!("`{part}` has no fields to name"))?;
        }
        path.push(field);
        if path.len() > DEPTH {
            return Err("it goes too deep".into());
        }
    }
    match path.last() {
        Some(last) if takes_text(last) => Ok(path),
        _ => Err(format!("`{name}` is of a type that no text can say")),
    }
}

/// Whether a field can be said by a text.
pub(super) fn takes_text(field: &FieldDescriptor) -> bool {
    if field.is_map() {
        return false;
    }
    match field.kind() {
        Kind::Message(desc) => {
            let name = desc.full_name();
            let by_text = !["Any", "Struct", "ListValue", "Value", "Empty"]
                .iter()
                .any(|other| name.strip_prefix("google.protobuf.") == Some(*other));
            by_text && read::well_known(name).is_some()
        }
        _ => true,
    }
}

/// Sets a field by a text; of a list it becomes one more.
///
/// # Errors
/// What the text has to be.
pub(super) fn set(
    message: &mut DynamicMessage,
    path: &[FieldDescriptor],
    text: &str,
) -> Result<(), String> {
    let Some((last, way)) = path.split_last() else { return Ok(()) };
    let mut at = message;
    for field in way {
        let Some(next) = at.get_field_mut(field).as_message_mut() else { return Ok(()) };
        at = next;
    }
    let value = value(&last.kind(), text)?;
    if last.is_list() {
        if let Some(list) = at.get_field_mut(last).as_list_mut() {
            list.push(value);
        }
        return Ok(());
    }
    if at.has_field(last) && last.supports_presence() {
        return Err("is there more than once".into());
    }
    let group = last.containing_oneof().filter(|group| !group.is_synthetic());
    if group.is_some_and(|group| group.fields().any(|other| at.has_field(&other))) {
        return Err("excludes another field that is there".into());
    }
    at.set_field(last, value);
    Ok(())
}

/// A value by its text.
fn value(kind: &Kind, text: &str) -> Result<Value, String> {
    let json = |kind: &Kind| match (kind, text) {
        (Kind::Bool, "true") => Json::Bool(true),
        (Kind::Bool, "false") => Json::Bool(false),
        _ => Json::String(text.into()),
    };
    match kind {
        Kind::Message(desc) => {
            let name = desc.full_name();
            let bool = if name == "google.protobuf.BoolValue" { Kind::Bool } else { Kind::String };
            let mut wrong = Violations::default();
            let mut reader =
                read::Reader { lenient: false, pointer: String::new(), wrong: &mut wrong };
            let read = reader.message(desc, json(&bool)).map(Value::Message);
            read.ok_or_else(|| wrong.iter().next().map_or_else(String::new, |it| it.says.clone()))
        }
        Kind::Enum(desc) => {
            let by_number = text.parse::<i32>().map(Json::from).unwrap_or_else(|_| json(kind));
            let number = read::enumeration(desc, &by_number);
            number.map(Value::EnumNumber).ok_or_else(|| "is none of the values of its type".into())
        }
        kind => read::scalar(kind, json(kind)).map_err(String::from),
    }
}

/// Sets what the query says. Fields that the path or the body says are not the query's.
pub(super) fn apply(
    message: &mut DynamicMessage,
    query: &str,
    taken: impl Fn(&FieldPath) -> bool,
    lenient: bool,
    wrong: &mut Violations,
) {
    use prost_reflect::ReflectMessage as _;
    let desc = message.descriptor();
    let mut seen: Vec<String> = Vec::new();
    for (name, value) in pairs(query) {
        let (Some(name), Some(value)) = (form_text(name), form_text(value)) else {
            wrong.push(Violation::parameter(Part::Query, name, "is not UTF-8"));
            continue;
        };
        let mut fault = |what: String| wrong.push(Violation::parameter(Part::Query, &name, what));
        let path = match resolve(&desc, &name) {
            Ok(path) if !taken(&path) => path,
            _ if lenient => continue,
            Ok(_) => {
                fault("is not said by the query".into());
                continue;
            }
            Err(_) => {
                fault("is not known".into());
                continue;
            }
        };
        let single = path.last().is_some_and(|last| !last.is_list());
        let full: String = path.iter().map(|field| format!("{}.", field.name())).collect();
        if single && seen.contains(&full) {
            fault("is there more than once".into());
            continue;
        }
        if let Err(what) = set(message, &path, &value) {
            fault(what);
        }
        if single {
            seen.push(full);
        }
    }
}
