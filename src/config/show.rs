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

/// Masks what a URL holds of a user and password, and keeps `$` in strings from being taken for a variable
/// when the text is loaded again.
fn show_all(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(secret) = userinfo(text) {
                text.replace_range(secret, "***");
            }
            *text = escape(text);
        }
        Value::Array(values) => values.iter_mut().for_each(show_all),
        Value::Table(table) => table.iter_mut().for_each(|(_, value)| show_all(value)),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
}
