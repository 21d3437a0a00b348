//! `google.api.http`: by which requests a method is called.
//!
//! In: a method. Out: its rules, or the one that every method has by default: a POST to the path that gRPC
//! itself has for it, with the message as body.

use http::Method;
use prost_reflect::{DynamicMessage, MethodDescriptor};

/// A rule, as it is written.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) method: Method,
    pub(super) path: String,
    /// The field that is the body; `*` for the whole message.
    pub(super) body: String,
    /// The field of the answer that is the body.
    pub(super) response_body: String,
}

/// Rules of one method.
const MOST: usize = 64;

// Numbers of fields of `google.api.HttpRule`.
const PLAIN: [(u32, Method); 5] = [
    (2, Method::GET),
    (3, Method::PUT),
    (4, Method::POST),
    (5, Method::DELETE),
    (6, Method::PATCH),
];
const CUSTOM: u32 = 8;
const BODY: u32 = 7;
const RESPONSE_BODY: u32 = 12;
const ADDITIONAL: u32 = 11;

/// The rules of a method.
///
/// # Errors
/// What is wrong with one.
pub(super) fn rules(method: &MethodDescriptor) -> Result<Vec<Rule>, String> {
    let options = method.options();
    let extension = method.parent_pool().get_extension_by_name("google.api.http");
    let rule = extension.filter(|extension| options.has_extension(extension));
    let Some(rule) = rule.map(|extension| options.get_extension(&extension).into_owned()) else {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let (body, response_body) = ("*".into(), String::new());
        return Ok(vec![Rule { method: Method::POST, path, body, response_body }]);
    };
    let rule = rule.as_message().ok_or("its rule is none")?;
    let mut rules = vec![read(rule)?];
    if let Some(more) = rule.get_field_by_number(ADDITIONAL) {
        for more in more.as_list().unwrap_or_default().iter().filter_map(|more| more.as_message()) {
            rules.push(read(more)?);
        }
    }
    if rules.len() > MOST {
        return Err(format!("it has more than {MOST} rules"));
    }
    Ok(rules)
}

fn read(rule: &DynamicMessage) -> Result<Rule, String> {
    let text = |of: &DynamicMessage, number: u32| {
        let value = of.get_field_by_number(number);
        value.and_then(|value| value.as_str().map(String::from)).unwrap_or_default()
    };
    let plain = PLAIN.iter().find(|(number, _)| rule.has_field_by_number(*number));
    let (method, path) = match plain {
        Some((number, method)) => (method.clone(), text(rule, *number)),
        None => {
            let custom =
                rule.get_field_by_number(CUSTOM).filter(|_| rule.has_field_by_number(CUSTOM));
            let custom = custom.ok_or("its rule names no path")?;
            let custom = custom.as_message().ok_or("its rule names no path")?;
            let kind = text(custom, 1);
            if kind == "*" {
                return Err("its rule takes any method, which a route cannot say: name each".into());
            }
            let method = kind.parse().ok().filter(|method| *method != Method::CONNECT);
            (method.ok_or_else(|| format!("`{kind}` is not a method of HTTP"))?, text(custom, 2))
        }
    };
    Ok(Rule { method, path, body: text(rule, BODY), response_body: text(rule, RESPONSE_BODY) })
}
