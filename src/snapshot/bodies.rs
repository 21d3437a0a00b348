//! What routes say of bodies: the schemas that they are held to, the filters that change them.
//!
//! In: routes as written. Out: what requests meet; a route that stands for many has its filters once.

use std::{collections::HashMap, sync::Arc};

use super::apis::Written;
use crate::{
    config::{self, Config, Path, Problem, Problems},
    contract::Operation,
    transform::Transform,
    translate::Translation,
};

/// What requests have to be, by schemas alone.
pub(super) fn schemas(
    route: &config::Route,
    (name, params): (&str, &[Box<str>]),
    config: &Config,
    at: &Path,
    problems: &mut Problems,
) -> Option<Arc<Operation>> {
    let section = route.validate.as_ref()?;
    let at = at.key("validate");
    if let Some(api) = &route.api {
        let what = format!("the document of `{api}` says what requests have to be");
        problems.push(Problem::error(at, what).help("take it away, or say it in the document"));
        return None;
    }
    let methods = route.auth.iter().filter_map(|name| config.auth.get(name));
    let credentials = methods.filter_map(|auth| auth.query_credential()).map(|it| (&**it).into());
    let known = (name, params, credentials.collect());
    Some(Arc::new(Operation::of_schemas(section, known, &at, problems)))
}

/// Gives all routes their filters.
pub(super) fn transforms(all: &mut [Written<'_>], problems: &mut Problems) {
    let mut made: HashMap<Path, Option<Arc<Transform>>> = HashMap::new();
    for written in all.iter_mut().filter(|written| written.route.transform.is_some()) {
        let known = made.get(&written.at).cloned();
        written.transform = known.unwrap_or_else(|| {
            let transform = transform(written, problems);
            made.insert(written.at.clone(), transform.clone());
            transform
        });
    }
}

fn transform(written: &Written<'_>, problems: &mut Problems) -> Option<Arc<Transform>> {
    let section = written.route.transform.as_ref()?;
    let at = written.at.key("transform");
    let web = written.route.translate.as_ref().is_some_and(config::Translate::is_grpc_web);
    if web || matches!(written.translation, Some(Translation::Door(_))) {
        let clients = if web { "gRPC-Web" } else { "SOAP" };
        let what = format!("clients of this route speak {clients}, and filters change JSON");
        problems.push(Problem::error(at, what).help("take it away"));
        return None;
    }
    Transform::compile(section, &at, problems).map(Arc::new)
}
