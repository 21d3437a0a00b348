//! Queries and forms: pairs of names and values, as they are written (`a=1&b=x+y`).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The names and values of a query or a form, as they came; a name without `=` has an empty value.
pub fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let parts = text.split('&').filter(|part| !part.is_empty());
    parts.map(|part| part.split_once('=').unwrap_or((part, "")))
}

/// What a name or a value of a query or a form says; nothing if it is no UTF-8.
pub fn form_text(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.contains(['%', '+']) {
        return Some(Cow::Borrowed(raw));
    }
    let spaced = raw.replace('+', " ");
    let text = percent_decode_str(&spaced).decode_utf8().ok()?.into_owned();
    Some(Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_as_they_came_and_texts_are_what_they_say() {
        let found: Vec<_> = pairs("a=1&&b&c=x+%2By=z&=d").collect();
        assert_eq!(found, [("a", "1"), ("b", ""), ("c", "x+%2By=z"), ("", "d")]);
        assert_eq!(form_text("x+%2By").as_deref(), Some("x +y"));
        assert_eq!(form_text("plain").as_deref(), Some("plain"));
        assert_eq!(form_text("%ff"), None);
    }
}
