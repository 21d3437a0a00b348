//! The configuration in force, as a file: every default filled in, every secret masked.
//!
//! In: a [`Config`]. Out: TOML that, where it holds no secret, loads to the same configuration again.

use toml::Value;

use super::{Config, Listener, userinfo::userinfo, vars::escape};

/// The configuration as TOML, for `janua config show`.
pub fn show(config: &Config) -> String {
    let mut config = config.clone();
    if config.listener.is_empty() {
        config.listener.push(Listener::default());
    }
    // Serialising plain data into memory cannot fail; if it ever does, say so instead of hiding it.
    let text = toml::Table::try_from(config).and_then(|mut table| {
        table.iter_mut().for_each(|(_, value)| show_all(value));
        toml::to_string(&table)
    });
    text.unwrap_or_else(|error| format!("# cannot be shown: {error}\n"))
}

/// Masks what a URL holds of a user and password and what rules set as credentials, and keeps `$` in strings from
/// being taken for a variable when the text is loaded again.
fn show_all(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(secret) = userinfo(text) {
                text.replace_range(secret, "***");
            }
            *text = escape(text);
        }
        Value::Array(values) => values.iter_mut().for_each(show_all),
        Value::Table(table) => {
            table.iter_mut().for_each(|(key, value)| match (key.as_str(), value) {
                ("set" | "add", Value::Table(fields)) => {
                    fields.iter_mut().for_each(|(name, value)| show_field(name, value));
                }
                (_, value) => show_all(value),
            });
        }
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
}

/// Masks what a rule gives origins or clients for a credential: it is a plain text, so its name has to tell.
fn show_field(name: &str, value: &mut Value) {
    match value {
        Value::String(text) if is_credential(name) => "***".clone_into(text),
        value => show_all(value),
    }
}

/// Whether a header field or parameter of this name holds a credential, as far as a name can tell.
pub fn is_credential(name: &str) -> bool {
    const WHOLE: [&str; 9] = [
        "authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "assertion",
        "code",
        "jwt",
        "key",
        "sig",
    ];
    const PARTS: [&str; 9] = [
        "token",
        "secret",
        "password",
        "passwd",
        "credential",
        "api-key",
        "apikey",
        "session",
        "signature",
    ];
    // Keys that tell things apart, and open nothing.
    const NAMES: [&str; 3] = ["idempotency-key", "surrogate-key", "sec-websocket-key"];
    let plain = name.to_ascii_lowercase().replace('_', "-");
    let is_key = || plain.ends_with("-key") && !NAMES.contains(&&*plain);
    WHOLE.contains(&&*plain) || PARTS.iter().any(|part| plain.contains(part)) || is_key()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Log;

    #[test]
    fn what_the_log_hides_is_masked_here_too() {
        for name in Log::default().redact_query.0 {
            assert!(is_credential(&name), "{name}");
        }
        for (name, is) in [
            ("Authorization", true),
            ("X-Api-Key", true),
            ("Ocp-Apim-Subscription-Key", true),
            ("x_key", true),
            ("X-Session-Id", true),
            ("Idempotency-Key", false),
            ("Surrogate-Key", false),
            ("Accept", false),
            ("zip-code", false),
        ] {
            assert_eq!(is_credential(name), is, "{name}");
        }
    }
}
