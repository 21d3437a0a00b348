//! `janua explain`: what would become of a request.

use super::{Exit, fail, print, refuse};
use crate::{
    app::{
        cli::{Explain, Form},
        explain::{self, Unexplained},
    },
    config::{OneOrMany, Who},
};

/// Explains.
pub(super) fn explain(explain: Explain) -> Exit {
    let Explain { method, url, headers, data, from, listener, user, roles, scopes, file, format } =
        explain;
    let body = match data.as_deref().map(|data| (data, data.strip_prefix('@'))) {
        None => None,
        Some((data, None)) => Some(data.as_bytes().to_vec()),
        Some((_, Some(path))) => match std::fs::read(path) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                fail(&format!("`{path}` cannot be read: {error}"));
                return Exit::Usage;
            }
        },
    };
    let (roles, scopes) = (OneOrMany(roles), OneOrMany(scopes));
    let asked = user.is_some() || !roles.is_empty() || !scopes.is_empty();
    let user = user.unwrap_or_default();
    let who = asked.then(|| Who { user, roles, scopes, ..Who::default() });
    let arguments = explain::Arguments { method, url, headers, from, listener, who, body };
    match explain::explain(&file.source(), &arguments) {
        Ok(explanation) => match format {
            Form::Text => print(&explanation.to_string()),
            Form::Json => print(&format!("{:#}\n", explanation.json())),
        },
        Err(Unexplained::Config(report)) => refuse(&report),
        Err(Unexplained::Words(why)) => {
            fail(&why);
            Exit::Usage
        }
    }
}
