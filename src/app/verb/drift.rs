//! `janua drift`: in what the answers of APIs are not what their documents promise.

use std::{fmt::Write as _, time::Duration};

use http::Method;

use super::{
    Exit,
    answer::show_list,
    ask::{Question, ask},
};
use crate::{app::cli::Drift, contract::Page};

/// How long the gateway may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Shows it.
pub(super) fn drift(arguments: &Drift) -> Exit {
    let (method, path, accept) = (Method::GET, "/apis".into(), "application/json");
    let question = Question { method, path, accept, patience: PATIENCE };
    show_list(ask(&arguments.door, &question), arguments.format, text)
}

fn text(apis: &[Page]) -> String {
    let mut text = String::new();
    for api in apis {
        let sum = |count: fn(&_) -> u64| api.operations.iter().map(count).sum::<u64>();
        let (checked, drifted) = (sum(|it| it.checked), sum(|it| it.drifted));
        // A `String` takes everything; there is no error to see.
        let _ = writeln!(
            text,
            "{} {}: {drifted} of {checked} answers are not as promised{}",
            api.name,
            api.version,
            match sum(|it| it.skipped) {
                0 => String::new(),
                skipped => format!("; {skipped} were not looked at"),
            }
        );
        for operation in api.operations.iter().filter(|operation| operation.drifted > 0) {
            let _ = writeln!(
                text,
                "  {} {} ({}): {} of {}",
                operation.method,
                operation.path,
                operation.id,
                operation.drifted,
                operation.checked
            );
            for kind in &operation.drift {
                let _ = writeln!(text, "    {} x {}: {}", kind.count, kind.status, kind.says);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drifts_is_shown_and_what_does_not_is_counted() {
        let pages = serde_json::json!([{
            "name": "shop", "title": "Shop", "version": "1.0",
            "operations": [
                { "id": "a", "method": "GET", "path": "/a", "checked": 5, "drifted": 0, "skipped": 2, "drift": [] },
                { "id": "b", "method": "GET", "path": "/b", "checked": 5, "drifted": 3, "skipped": 0, "drift": [
                    { "status": 200, "says": "body /id: is missing", "count": 3 },
                ] },
            ],
        }]);
        let pages: Vec<Page> = serde_json::from_value(pages).unwrap();
        assert_eq!(
            text(&pages),
            "shop 1.0: 3 of 10 answers are not as promised; 2 were not looked at\n  GET /b (b): 3 of 5\n    3 x 200: body /id: is missing\n"
        );
    }
}
