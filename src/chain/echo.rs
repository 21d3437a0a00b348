//! `to = "echo"`: Janua answers with what it got, as an origin would have seen it.
//!
//! To look at header rules, rewriting and forwarded fields without an origin.

use http::{
    HeaderValue, Response,
    header::{CACHE_CONTROL, CONTENT_TYPE},
    request::Parts,
};
use serde_json::{Map, Value, json};

use super::{exchange::Exchange, source::Source};

/// The answer: method, target, header fields and route, as JSON. The body is not read.
pub(super) fn echo(exchange: &Exchange, head: &Parts) -> Response<Source> {
    let mut fields = Map::new();
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        match fields.entry(name.as_str()).or_insert(Value::Null) {
            Value::String(earlier) => *earlier = format!("{earlier}, {value}"),
            empty => *empty = Value::String(value),
        }
    }
    let answer = json!({
        "method": head.method.as_str(),
        "target": head.uri.to_string(),
        "client": exchange.client_ip.map(|ip| ip.to_string()),
        "scheme": exchange.scheme.as_str(),
        "route": exchange.route().map(|route| &*route.name),
        "headers": fields,
    });
    let mut response = Response::new(Source::from(bytes::Bytes::from(format!("{answer:#}\n"))));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
