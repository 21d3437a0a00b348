//! Variables: whether they are what an operation says that it takes.
//!
//! In: an operation that fits the schema, and values. Out: everything that is wrong with them, with places; never
//! the values themselves, which may be secrets.

use apollo_compiler::{
    Schema,
    ast::Type,
    executable::Operation,
    schema::{ExtendedType, InputObjectType},
};
use serde_json::{Map, Value};

use crate::message::{Violation, Violations, descend};

/// Holds values to an operation; they stand at `pointer`.
pub(super) fn check(
    schema: &Schema,
    operation: &Operation,
    values: &Map<String, Value>,
    pointer: &str,
) -> Violations {
    let mut checking = Checking { schema, at: pointer.to_owned(), wrong: Violations::default() };
    for variable in &operation.variables {
        let missing = variable.ty.is_non_null() && variable.default_value.is_none();
        checking.member(values.get(variable.name.as_str()), &variable.name, &variable.ty, missing);
    }
    checking.wrong
}

struct Checking<'a> {
    schema: &'a Schema,
    at: String,
    wrong: Violations,
}

impl Checking<'_> {
    fn say(&mut self, says: impl Into<String>) {
        self.wrong.push(Violation::body(self.at.clone(), says.into()));
    }

    fn within(&mut self, name: &str, look: impl FnOnce(&mut Self)) {
        let length = self.at.len();
        descend(&mut self.at, name);
        look(self);
        self.at.truncate(length);
    }

    fn member(&mut self, value: Option<&Value>, name: &str, ty: &Type, needed: bool) {
        self.within(name, |this| match value {
            Some(value) => this.value(value, ty),
            None if needed => this.say("is missing"),
            None => {}
        });
    }

    fn value(&mut self, value: &Value, ty: &Type) {
        match (value, ty) {
            (Value::Null, ty) if ty.is_non_null() => self.say("is null"),
            (Value::Null, _) => {}
            (Value::Array(items), Type::List(of) | Type::NonNullList(of)) => {
                for (index, item) in items.iter().enumerate() {
                    self.within(&index.to_string(), |this| this.value(item, of));
                }
            }
            // One thing stands for a list of it.
            (value, Type::List(of) | Type::NonNullList(of)) => self.value(value, of),
            (value, Type::Named(name) | Type::NonNullNamed(name)) => self.named(value, name),
        }
    }

    fn named(&mut self, value: &Value, name: &str) {
        let whole = |value: &Value| {
            let integral = |number: f64| number.fract() == 0.0 && number.abs() < 2_147_483_648.0;
            value.as_f64().is_some_and(|number| integral(number) || number == -2_147_483_648.0)
        };
        let fits = match name {
            "Int" => whole(value),
            "Float" => value.is_number(),
            "Boolean" => value.is_boolean(),
            "String" => value.is_string(),
            "ID" => value.is_string() || value.is_i64() || value.is_u64(),
            _ => match self.schema.types.get(name) {
                Some(ExtendedType::Enum(of)) => {
                    value.as_str().is_some_and(|value| of.values.contains_key(value))
                }
                Some(ExtendedType::InputObject(of)) => match value.as_object() {
                    Some(object) => return self.object(object, of),
                    None => false,
                },
                // What a scalar of the service's own may be, it knows.
                _ => true,
            },
        };
        if !fits {
            self.say(format!("is no {name}"));
        }
    }

    fn object(&mut self, object: &Map<String, Value>, of: &InputObjectType) {
        for (name, field) in &of.fields {
            let needed = field.ty.is_non_null() && field.default_value.is_none();
            self.member(object.get(name.as_str()), name, &field.ty, needed);
        }
        for name in object.keys().filter(|name| !of.fields.contains_key(name.as_str())) {
            self.within(name, |this| this.say("is not known"));
        }
        let values = object.values().filter(|value| !value.is_null()).count();
        if of.directives.has("oneOf") && (object.len() != 1 || values != 1) {
            self.say("has to have one member");
        }
    }
}
