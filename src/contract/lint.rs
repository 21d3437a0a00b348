//! A document alone: what is wrong with it, and what would make it a better contract.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    compile::Given,
    document::{Document, Fault, Place},
    read::{Read, Reader},
    security,
};
use crate::config;

/// Something to say of a document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Advice {
    /// Where: a JSON pointer.
    pub pointer: String,
    /// What.
    pub what: String,
    /// What to do.
    pub help: Option<String>,
    /// Whether the document cannot be used as it is.
    pub is_error: bool,
}

impl From<Fault> for Advice {
    fn from(fault: Fault) -> Self {
        let pointer = fault.place.pointer().to_owned();
        Self { pointer, what: fault.what, help: fault.help, is_error: true }
    }
}

/// Everything to say of a document.
pub fn lint(bytes: &[u8]) -> Vec<Advice> {
    let document = match Document::read(bytes) {
        Ok(document) => document,
        Err(fault) => return vec![fault.into()],
    };
    let section = config::Api::default();
    let mut reader = match Reader::new(&document, &section, "api", Given::default()) {
        Ok(reader) => reader,
        Err(fault) => return vec![fault.into()],
    };
    let found = reader.operations();
    let mut said: Vec<Advice> =
        std::mem::take(&mut reader.faults).into_iter().map(Into::into).collect();
    if found.is_empty() && said.is_empty() {
        said.push(Fault::new(&Place::default().key("paths"), "there is no operation").into());
    }
    // Which names schemes have is not the document's business: each is taken for its own.
    let schemes = document.root.pointer("/components/securitySchemes").and_then(Value::as_object);
    let names = schemes.into_iter().flatten().map(|(name, _)| (name.clone(), name.clone()));
    let mapped = names.collect();
    for read in &found {
        let asked = security::security(&document, read.written, &mapped, &read.place);
        said.extend(asked.err().map(Advice::from));
        advise(&document, read, &mut said);
    }
    let mut seen = BTreeSet::new();
    said.retain(|advice| seen.insert((advice.pointer.clone(), advice.what.clone())));
    said
}

/// What would make an operation's contract a better one.
fn advise(document: &Document, read: &Read<'_>, said: &mut Vec<Advice>) {
    let Read { operation, written, place } = read;
    let mut say = |place: &Place, what: &str, help: &str| {
        let pointer = place.pointer().to_owned();
        let (what, help) = (what.to_owned(), Some(help.to_owned()));
        said.push(Advice { pointer, what, help, is_error: false });
    };
    if written.get("operationId").is_none() {
        say(
            place,
            "it has no `operationId`",
            "a name, for logs, metrics and the file of the gateway",
        );
    }
    let answers = &operation.answers.by_status;
    if !answers.keys().any(|status| status.starts_with(['2', '3']) || &**status == "default") {
        let help = "what comes of it if all goes well: `200`, `201`, `204`";
        say(&place.key("responses"), "no good answer is promised", help);
    }
    let content = written.get("requestBody").map(|body| {
        let followed = document.follow(body, place).unwrap_or(body);
        (followed, place.key("requestBody"))
    });
    if let Some((body, place)) = content {
        let kinds = body.get("content").and_then(Value::as_object);
        for (kind, media) in kinds.into_iter().flatten() {
            if kind.contains("json") && media.get("schema").is_none() {
                let place = place.key("content").key(kind);
                say(&place, "the body may be anything", "a `schema`");
            }
        }
    }
    let open = written.get("security").is_none() && document.root.get("security").is_none();
    if open {
        let help = "`security: []` where anybody may";
        say(place, "nothing says who may do this", help);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let told = lint(text.as_bytes()).into_iter().map(|advice| {
            let word = if advice.is_error { "error" } else { "advice" };
            format!("{word} {}: {}", advice.pointer, advice.what)
        });
        told.collect()
    }

    #[test]
    fn what_is_to_be_said_of_a_document_is() {
        assert_eq!(told("a: b"), ["error : it is no document of OpenAPI"]);
        let text = "openapi: 3.1.0\npaths:\n  /a:\n    post:\n      requestBody: { content: { application/json: {} } }\n      security: [{ gone: [] }]\n  /b:\n    get: { operationId: b, responses: { '200': { description: it } } }\n";
        assert_eq!(
            told(text),
            [
                "error /paths/~1a/post/security/0/gone: there is no security scheme `gone`",
                "advice /paths/~1a/post: it has no `operationId`",
                "advice /paths/~1a/post/responses: no good answer is promised",
                "advice /paths/~1a/post/requestBody/content/application~1json: the body may be anything",
                "advice /paths/~1b/get: nothing says who may do this",
            ]
        );
        // What only names in braces tell apart takes the same requests; another method is another operation.
        let text = "openapi: 3.1.0\nsecurity: []\npaths:\n  /a/{x}/b:\n    parameters: [{name: x, in: path}]\n    get: { operationId: x, responses: { default: {} } }\n  /a/{y}/b:\n    parameters: [{name: y, in: path}]\n    get: { operationId: y, responses: { default: {} } }\n    put: { operationId: z, responses: { default: {} } }\n";
        assert_eq!(
            told(text),
            ["error /paths/~1a~1{y}~1b/get: it takes the same requests as /paths/~1a~1{x}~1b/get"]
        );
        let good = "openapi: 3.0.3\nsecurity: []\npaths:\n  /b:\n    get: { operationId: b, responses: { default: { description: it } } }\n";
        assert!(told(good).is_empty());
    }

    #[test]
    fn there_may_be_very_many_operations_and_no_more() {
        let operation = r#"{"responses":{"default":{"description":"it"}}}"#;
        let document = |operations: usize| {
            let paths: Vec<_> =
                (0..operations).map(|n| format!(r#""/{n}":{{"get":{operation}}}"#)).collect();
            format!(r#"{{"openapi":"3.1.0","security":[],"paths":{{{}}}}}"#, paths.join(","))
        };
        let errors = |operations| {
            let said = told(&document(operations));
            said.into_iter().filter(|line| line.starts_with("error")).collect::<Vec<_>>()
        };
        assert!(errors(10_000).is_empty());
        assert_eq!(errors(10_001), ["error /paths: there are more than 10000 operations"]);
    }
}
