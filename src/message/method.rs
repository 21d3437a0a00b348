//! Methods that only look like others: `delete` is not `DELETE` (RFC 9110 section 9.1), but many an origin takes it
//! for that, while no rule for `DELETE` does.

use http::Method;

/// What is registered, see <https://www.iana.org/assignments/http-methods>.
const REGISTERED: [&str; 40] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "OPTIONS",
    "ORDERPATCH",
    "PATCH",
    "POST",
    "PRI",
    "PROPFIND",
    "PROPPATCH",
    "PUT",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "TRACE",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
];

/// Methods that rules name beside those that are registered.
#[derive(Debug)]
pub struct NamedMethods(Box<[Box<str>]>);

impl NamedMethods {
    /// These, however often each comes.
    pub fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut own: Vec<Box<str>> = Vec::new();
        for name in names.filter(|name| !REGISTERED.contains(name)) {
            if !own.iter().any(|known| **known == *name) {
                own.push(name.into());
            }
        }
        Self(own.into())
    }

    /// Whether a method is one of them, or a registered one, but for its case.
    #[inline]
    pub fn are_mimicked_by(&self, method: &Method) -> bool {
        match *method {
            Method::GET
            | Method::POST
            | Method::PUT
            | Method::PATCH
            | Method::DELETE
            | Method::HEAD
            | Method::OPTIONS
            | Method::TRACE
            | Method::CONNECT => false,
            _ => self.are_read_in(method.as_str()),
        }
    }

    fn are_read_in(&self, method: &str) -> bool {
        // All that rules may name is in capitals.
        method.bytes().any(|byte| byte.is_ascii_lowercase())
            && (REGISTERED.iter().any(|known| known.eq_ignore_ascii_case(method))
                || self.0.iter().any(|known| known.eq_ignore_ascii_case(method)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_in_other_letters_is_seen_and_others_are_let_be() {
        let named = NamedMethods::new(["FROB", "GET", "FROB"].into_iter());
        for (method, mimics) in [
            ("GET", false),
            ("DELETE", false),
            ("PROPFIND", false),
            ("M-SEARCH", false),
            ("FROB", false),
            ("frobnicate", false),
            ("get", true),
            ("Delete", true),
            ("pATCH", true),
            ("propfind", true),
            ("frob", true),
            ("FROb", true),
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(named.are_mimicked_by(&method), mimics, "{method}");
        }
        assert_eq!(named.0.len(), 1);
    }
}
