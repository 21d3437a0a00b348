//! The configuration in force, as a file: every default filled in, every secret masked.
//!
//! In: a [`Config`]. Out: TOML that, where it holds no secret, loads to the same configuration again.

use toml::Value;

use super::{Config, Listener, vars::escape};

/// The configuration as TOML, for `janua config show`.
pub fn show(config: &Config) -> String {
    let mut config = config.clone();
    if config.listener.is_empty() {
        config.listener.push(Listener::default());
    }
    // Serialising plain data into memory cannot fail; if it ever does, say so instead of hiding it.
    let text = toml::Table::try_from(config).and_then(|mut table| {
        table.iter_mut().for_each(|(_, value)| escape_all(value));
        toml::to_string(&table)
    });
    text.unwrap_or_else(|error| format!("# cannot be shown: {error}\n"))
}

/// Keeps `$` in strings from being taken for a variable when the text is loaded again.
fn escape_all(value: &mut Value) {
    match value {
        Value::String(text) => *text = escape(text),
        Value::Array(values) => values.iter_mut().for_each(escape_all),
        Value::Table(table) => table.iter_mut().for_each(|(_, value)| escape_all(value)),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
}
