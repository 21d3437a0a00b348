//! `${VAR}` inside a string: the value of an environment variable.
//!
//! In: a string's value and a way to look variables up. Out: the string with the variables filled in,
//! or what is wrong with each. Values are never part of a message. Nothing is looked at twice: what
//! a variable holds is text, even where it looks like `${VAR}`.
//!
//! | written           | means                                                |
//! |-------------------|------------------------------------------------------|
//! | `${VAR}`          | the value; an error if the variable is not set       |
//! | `${VAR:-default}` | the default, if the variable is not set or empty     |
//! | `${VAR:?message}` | an error with this message, if it is not set or empty |
//! | `$$`              | a `$`                                                |
//! | `$`, else         | itself, so that `^a$` needs no care                  |

use std::borrow::Cow;

/// Looks an environment variable up.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The environment of this process, as an [`Env`]; a value that is not UTF-8 counts as not set.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What is wrong with a `${}`.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct VarError {
    pub(super) message: String,
    pub(super) help: String,
}

impl VarError {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }
}

/// The text with its variables filled in.
pub(super) fn substitute<'a>(text: &'a str, env: Env<'_>) -> Result<Cow<'a, str>, Vec<VarError>> {
    if !text.contains('$') {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    let mut errors = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(inside) = rest.strip_prefix('{') {
            let Some((inside, after)) = inside.split_once('}') else {
                errors.push(VarError::new("`${` without its `}`", "write `$${` for a plain `${`"));
                return Err(errors);
            };
            match expand(inside, env) {
                Ok(value) => out.push_str(&value),
                Err(error) => errors.push(error),
            }
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    if errors.is_empty() { Ok(Cow::Owned(out)) } else { Err(errors) }
}

/// The text that [`substitute`] turns into this one, whatever the environment.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        out.push_str(if after.starts_with(['$', '{']) { "$$" } else { "$" });
        rest = after;
    }
    out + rest
}

/// The value of what stands between `${` and `}`.
fn expand(inside: &str, env: Env<'_>) -> Result<String, VarError> {
    let end = inside.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let (name, rest) = inside.split_at(end.unwrap_or(inside.len()));
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(form(inside));
    }
    if rest.contains("${") {
        return Err(VarError::new(
            format!("a variable inside `${{{name}:..}}`"),
            "a default or message is plain text; it cannot hold another variable",
        ));
    }
    let unset = || VarError::new(not_set(name), format!("set it, or write `${{{name}:-default}}`"));
    if rest.is_empty() {
        env(name).ok_or_else(unset)
    } else if let Some(default) = rest.strip_prefix(":-") {
        Ok(env(name).filter(|value| !value.is_empty()).unwrap_or_else(|| default.into()))
    } else if let Some(message) = rest.strip_prefix(":?") {
        let error = || VarError::new(message, format!("{} or empty", not_set(name)));
        env(name).filter(|value| !value.is_empty()).ok_or_else(error)
    } else {
        Err(form(inside))
    }
}

fn not_set(name: &str) -> String {
    format!("the environment variable `{name}` is not set")
}

fn form(inside: &str) -> VarError {
    VarError::new(
        format!("`${{{inside}}}` is not a variable"),
        "write `${NAME}`, `${NAME:-default}` or `${NAME:?message}`; for a plain `${` write `$${`",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("origin".into()),
            "EMPTY" => Some(String::new()),
            "CODE" => Some("${HOST}$$".into()),
            _ => None,
        }
    }

    #[test]
    fn fills_variables_in() {
        for (text, filled) in [
            ("plain", "plain"),
            ("http://${HOST}:80/", "http://origin:80/"),
            ("${HOST}${HOST}", "originorigin"),
            ("${EMPTY}", ""),
            ("${EMPTY:-d}", "d"),
            ("${NONE:-}", ""),
            ("${NONE:-a:-b}", "a:-b"),
            ("${HOST:?needed}", "origin"),
            ("${CODE}", "${HOST}$$"),
            ("$${HOST} costs $$5 or $5", "${HOST} costs $5 or $5"),
            ("^a$", "^a$"),
            ("$$$$", "$$"),
        ] {
            assert_eq!(substitute(text, &env).as_deref(), Ok(filled), "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, message) in [
            ("${NONE}", "the environment variable `NONE` is not set"),
            ("${NONE:?give the origin's name}", "give the origin's name"),
            ("${EMPTY:?needed}", "needed"),
            ("${", "`${` without its `}`"),
            ("${}", "`${}` is not a variable"),
            ("${1A}", "`${1A}` is not a variable"),
            ("${A-b}", "`${A-b}` is not a variable"),
            ("${A:b}", "`${A:b}` is not a variable"),
            ("${A:-${HOST}}", "a variable inside `${A:..}`"),
        ] {
            let errors = substitute(text, &env).expect_err(text);
            assert_eq!(errors[0].message, message, "{text}");
        }
        assert_eq!(substitute("${NONE} and ${NONE2}", &env).unwrap_err().len(), 2);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _ = substitute(&text, &env);
        }

        #[test]
        fn odd_text_does_not_panic(text in "[${}:?A_ä-]*") {
            let _ = substitute(&text, &env);
        }

        #[test]
        fn what_is_escaped_comes_back(text in "[${}:?HOST ä-]*") {
            let escaped = escape(&text);
            prop_assert_eq!(substitute(&escaped, &|_| None).unwrap(), text);
        }

        #[test]
        fn values_never_reach_a_message(value in "[a-z]{12}") {
            let env = |name: &str| (name == "A").then(|| value.clone());
            let errors = substitute("${A}${A:x}${B}${A:-${A}}", &env).unwrap_err();
            let said = format!("{errors:?}");
            prop_assert!(!said.contains(&value));
        }
    }
}
