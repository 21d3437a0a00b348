//! A request, and its body if it has one, through all stages of the chain, in front of a configuration that uses most of them.
#![no_main]

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, LazyLock},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use janua::{
    chain,
    config::Loaded,
    snapshot::{Purpose, Snapshot},
};
use libfuzzer_sys::fuzz_target;

static WORLD: LazyLock<Arc<Snapshot>> = LazyLock::new(|| {
    let text = include_str!("../request.toml");
    let loaded = Loaded::parse("request.toml", text, &|_| None);
    let loaded = loaded.unwrap_or_else(|report| panic!("{}", report.text(false)));
    let made = Snapshot::compile(loaded.config.clone(), Purpose::Look, None);
    let (snapshot, _) = made.unwrap_or_else(|all| panic!("{}", loaded.report(all).text(false)));
    Arc::new(snapshot)
});

fuzz_target!(|input: &str| {
    let (head, body) = input.split_once("\n\n").map_or((input, None), |(head, body)| (head, Some(body)));
    let mut lines = head.lines();
    let Some((method, target)) = lines.next().and_then(|line| line.split_once(' ')) else { return };
    let Ok(mut request) = Request::builder().method(method).uri(target).body(body.map(|body| Bytes::copy_from_slice(body.as_bytes()))) else { return };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let (name, value) = (HeaderName::try_from(name), HeaderValue::try_from(value.trim()));
        let (Ok(name), Ok(value)) = (name, value) else { continue };
        let _ = request.headers_mut().try_append(name, value);
    }
    let world = &*WORLD;
    let Some(listener) = world.listener(0) else { return };
    let asked = chain::Asked { request, from: IpAddr::V4(Ipv4Addr::LOCALHOST), who: None };
    let plan = chain::plan(world, listener, &asked);
    assert!(!plan.steps.is_empty());
    plan.candidates(world);
});
