//! An explanation without credentials, for whoever asks a gateway that runs: what rules give to origins is not
//! theirs to see, as it is not where the configuration is shown.

use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::Explanation;
use crate::{chain::Outcome, config::is_credential, rewrite::FieldChange};

const MASK: &str = "***";

impl Explanation {
    /// The same with stars for the values of header fields and parameters whose names say that they are credentials.
    #[must_use]
    pub fn masked(mut self) -> Self {
        if let Some(sent) = &mut self.plan.sent {
            mask_fields(sent.headers_mut());
            if let Some(masked) = masked_query(sent.uri()) {
                let (told, shown) = (sent.uri().to_string(), masked.to_string());
                *sent.uri_mut() = masked;
                for step in &mut self.plan.steps {
                    step.does = step.does.replace(&told, &shown);
                }
            }
        }
        match &mut self.plan.outcome {
            Outcome::Answered(answer) | Outcome::Refused { answer, .. } => {
                mask_fields(answer.headers_mut());
            }
            Outcome::Forwarded { changes, .. } => {
                for (name, change) in changes {
                    if let FieldChange::Set(value) | FieldChange::Add(value) = change {
                        mask(name, value);
                    }
                }
            }
            Outcome::Door(_) => {}
        }
        self
    }
}

fn mask_fields(headers: &mut HeaderMap) {
    headers.iter_mut().for_each(|(name, value)| mask(name, value));
}

fn mask(name: &HeaderName, value: &mut HeaderValue) {
    if is_credential(name.as_str()) {
        *value = HeaderValue::from_static(MASK);
    }
}

/// The target with a masked query, if there is a credential in it.
fn masked_query(uri: &Uri) -> Option<Uri> {
    let query = uri.query()?;
    let masked = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if is_credential(name) => format!("{name}={MASK}"),
        _ => pair.to_owned(),
    });
    let masked = masked.collect::<Vec<_>>().join("&");
    let found = masked != query;
    found.then(|| uri.to_string().replace(query, &masked).parse().ok()).flatten()
}
