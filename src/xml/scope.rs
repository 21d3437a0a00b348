//! Which prefix stands for which namespace, here and now.

use std::borrow::Cow;

/// What the prefix `xml` always stands for.
pub const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";
/// What the prefix `xmlns` always stands for.
const XMLNS_NAMESPACE: &str = "http://www.w3.org/2000/xmlns/";
/// Where `nil` and `type` are, of XML Schema's instances.
pub const XSI_NAMESPACE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// The declarations that hold for an element, outermost first.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope<'a> {
    bound: Vec<Bound<'a>>,
}

#[derive(Clone, Debug)]
struct Bound<'a> {
    depth: usize,
    prefix: &'a str,
    namespace: Cow<'a, str>,
}

impl<'a> Scope<'a> {
    /// Adds a declaration of an element at this depth; an empty prefix is the default.
    pub(super) fn declare(
        &mut self,
        depth: usize,
        prefix: &'a str,
        namespace: Cow<'a, str>,
    ) -> Result<(), &'static str> {
        let wrong = match prefix {
            "xmlns" => true,
            "xml" => namespace != XML_NAMESPACE,
            // XML 1.0 cannot take a prefix back.
            prefix => {
                (namespace.is_empty() && !prefix.is_empty())
                    || matches!(&*namespace, XML_NAMESPACE | XMLNS_NAMESPACE)
            }
        };
        if wrong {
            return Err("a namespace is declared that cannot be");
        }
        self.bound.push(Bound { depth, prefix, namespace });
        Ok(())
    }

    /// Forgets what elements deeper than this declared.
    pub(super) fn leave(&mut self, depth: usize) {
        while self.bound.last().is_some_and(|bound| bound.depth > depth) {
            self.bound.pop();
        }
    }

    /// So many declarations hold.
    pub(super) fn len(&self) -> usize {
        self.bound.len()
    }

    /// The namespace of a prefix, empty for none; nothing if the prefix is not bound.
    pub(super) fn namespace(&self, prefix: &str) -> Option<Cow<'a, str>> {
        let bound = self.bound.iter().rev().find(|bound| bound.prefix == prefix);
        match (bound, prefix) {
            (Some(bound), _) => Some(bound.namespace.clone()),
            (None, "xml") => Some(Cow::Borrowed(XML_NAMESPACE)),
            (None, "") => Some(Cow::Borrowed("")),
            (None, _) => None,
        }
    }
}

/// What an attribute declares, if it declares a namespace: the prefix.
pub(super) fn declared(attribute: &str) -> Option<&str> {
    match attribute.strip_prefix("xmlns") {
        Some("") => Some(""),
        Some(rest) => rest.strip_prefix(':'),
        None => None,
    }
}
