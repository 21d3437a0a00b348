//! APIs whose origin speaks gRPC: what `[api.NAME]` with `proto` or `descriptors` stands for.
//!
//! In: sections. Out: the services' operations, which become routes, and a document that describes them,
//! for those who read it.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    apis::{self, Apis, Made, Written},
    target::Target,
};
use crate::{
    config::{self, Config, Path, Problem, Problems, UpstreamProtocol},
    contract::Api,
    grpc::{Operation, Options, Services, Sources},
};

/// How a route's clients and its origin come to understand each other.
#[derive(Debug)]
pub enum Calling {
    /// Clients speak JSON, the origin gRPC; with the largest body that is taken.
    Call(Arc<Operation>, u64),
    /// Clients speak gRPC-Web, the origin gRPC.
    Web,
}

/// The services of APIs, by name.
pub(super) type Calls = BTreeMap<String, Services>;

/// Compiles those APIs that are services of gRPC, and puts them among the others.
pub(super) fn calls(config: &Config, apis: &mut Apis, problems: &mut Problems) -> Calls {
    let mut all = Calls::new();
    for (name, section) in config.api.iter().filter(|(_, section)| section.is_grpc()) {
        if apis.contains_key(name) {
            continue;
        }
        let at = Path::root().key("api").key(name.clone());
        let services = compile(section, &at, problems);
        let api = services.as_ref().map(|services| {
            Arc::new(Api {
                name: name.as_str().into(),
                title: name.clone(),
                version: "1".into(),
                base: base(section).to_owned(),
                document: Arc::new(services.openapi(name, base(section))),
                policies: Vec::new(),
            })
        });
        apis.insert(name.clone(), api);
        all.extend(services.map(|services| (name.clone(), services)));
    }
    all
}

fn compile(section: &config::Api, at: &Path, problems: &mut Problems) -> Option<Services> {
    let mut fault = |key: &'static str, what: &str| {
        problems.push(Problem::error(at.key(key), what.to_owned()));
    };
    let before = config::Api::default();
    for (key, same) in [
        ("enforce", section.enforce == before.enforce),
        ("answers", section.answers == before.answers),
        ("security", section.security == before.security),
    ] {
        if !same {
            fault(
                key,
                "this is about a document of OpenAPI; what does not fit a service's types cannot be sent",
            );
        }
    }
    let sources = Sources {
        proto: &section.proto,
        include: &section.proto_path,
        descriptors: section.descriptors.as_ref(),
        services: &section.services,
    };
    let options = Options {
        lenient: section.json.unknown == config::Unknown::Allow,
        lenient_query: section.unknown_query == config::Unknown::Allow,
        write: Options::default()
            .write
            .skip_default_fields(!section.json.defaults)
            .use_proto_field_name(section.json.names == config::JsonNames::Proto)
            .use_enum_numbers(section.json.enums == config::JsonEnums::Numbers),
        most: usize::try_from(section.max_body.0).unwrap_or(usize::MAX),
        depth: section.max_depth,
    };
    let own = |name: &str| section.operations.get(name);
    let is_off = |name: &str| own(name).is_some_and(|own| own.enabled == Some(false));
    let services = Services::compile(&sources, &options, is_off, at, problems)?;
    for name in section.operations.keys().filter(|name| !services.has(name)) {
        let problem = Problem::error(
            at.key("operations").key(name.clone()),
            format!("there is no method `{name}`"),
        );
        let known = services.methods.iter().map(|known| &**known);
        problems.push(
            problem.help_meant(name, known, || {
                "a method's full name: `package.Service.Method`".into()
            }),
        );
    }
    Some(services)
}

/// What stands before all paths.
pub(super) fn base(section: &config::Api) -> &str {
    section.base_path.as_deref().unwrap_or_default().trim_end_matches('/')
}

/// The route of an operation: what stands at the API's route, and what is different for it.
pub(super) fn expanded(
    route: &config::Route,
    (name, section): (&str, &config::Api),
    operation: &Operation,
) -> config::Route {
    let none = config::Operation::default();
    let own = section.operations.get(&*operation.id).unwrap_or(&none);
    let path = format!("{}{}", base(section), operation.pattern);
    let made = Made { id: &operation.id, path, method: &operation.method, own };
    apis::expanded(route, name, made)
}

/// How a route's origin is called, and what of the route does not go with it.
pub(super) fn calling(
    written: &Written<'_>,
    target: Option<&Target>,
    config: &Config,
    at: &Path,
    problems: &mut Problems,
) -> Option<Calling> {
    let route = &*written.route;
    let is_web = route.translate.as_ref().is_some_and(config::Translate::is_grpc_web);
    let web = is_web.then_some(Calling::Web);
    let call = written.call.clone().map(|(operation, most)| Calling::Call(operation, most));
    if let (Some(_), true) = (&web, route.api.is_some()) {
        let what = "the routes of an API are translated as its section says";
        problems.push(Problem::error(at.key("translate"), what));
    }
    let calling = call.or(web)?;
    if route.cache.is_some() {
        let what = "answers of gRPC are not kept: every call is a POST";
        problems.push(Problem::error(at.key("cache"), what));
    }
    if matches!(calling, Calling::Call(..)) {
        for (key, there) in [
            ("strip-prefix", route.strip_prefix.is_some()),
            ("add-prefix", route.add_prefix.is_some()),
            ("rewrite", route.rewrite.is_some()),
        ] {
            if there {
                let what = "the path of a call is its method's";
                let problem = Problem::error(at.key(key), what);
                problems.push(
                    problem.help("`base-path` in `[api.NAME]` is what stands before all paths"),
                );
            }
        }
        if matches!(target, Some(Target::Mock)) {
            problems.push(Problem::error(
                at.key("to"),
                "a service of gRPC has no examples to answer with",
            ));
        }
    }
    for way in target.into_iter().flat_map(Target::ways) {
        let name = &*way.upstream.name;
        if !speaks_http2(config, name) {
            let what = format!("`{name}` may speak HTTP/1.1, and gRPC needs HTTP/2");
            let help = "in `[upstream.NAME]`: protocol = \"h2\"";
            problems.push(Problem::error(at.key("to"), what).help(help));
        }
    }
    Some(calling)
}

/// Whether an upstream speaks HTTP/2, or may: over TLS that is agreed on.
fn speaks_http2(config: &Config, name: &str) -> bool {
    let tls = |endpoint: &config::Endpoint| match endpoint {
        config::Endpoint::Url(url) => url.starts_with("https://"),
        config::Endpoint::Table(table) => table.url.starts_with("https://"),
    };
    match config.upstream.get(name) {
        None => name.starts_with("https://"),
        Some(upstream) => match upstream.protocol {
            UpstreamProtocol::Http2 => true,
            UpstreamProtocol::Http1 => false,
            UpstreamProtocol::Auto => upstream.endpoints.iter().all(tls),
        },
    }
}
