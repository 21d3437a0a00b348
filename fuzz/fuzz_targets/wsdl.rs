//! A description of a SOAP service: it becomes operations, or there is a list of what is wrong with it; and
//! operations take whatever clients ask.
#![no_main]

use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use janua::{
    config,
    translate::soap::{Asked, Service},
};
use janua_fuzz::{compiled, file};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let section = serde_json::json!({"wsdl": file("a.wsdl", bytes), "soap": {"door": "/soap"}});
    let section: config::Api = serde_json::from_value(section).unwrap();
    let service = compiled(|at, problems| Service::compile(&section, at, problems));
    let Some(service) = service else { return };
    let kind = HeaderValue::from_static("text/xml");
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
    for operation in &service.operations {
        for body in [&b"{}"[..], b"{\"a\":[1,2],\"b\":{\"@c\":null}}", b"[]"] {
            let asked = Asked { body: body.into(), ..Asked::default() };
            let Ok(envelope) = operation.request(&asked, SystemTime::UNIX_EPOCH) else { continue };
            if let Some(door) = &service.door {
                let _ = door.call(&headers, &envelope);
            }
            let _ = operation.answer(StatusCode::OK, &headers, &envelope);
        }
    }
    if let Some(door) = &service.door {
        door.description("wsdl", "http://127.0.0.1/soap");
    }
});
