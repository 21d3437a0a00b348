//! XML and JSON: what can be read as JSON and written as XML again is the same JSON when it is read again.
#![no_main]

use std::sync::LazyLock;

use janua::{
    config::{Format, TranslateRules},
    message::{DEPTH, Json},
    xml::Mapping,
};
use janua_fuzz::compiled;
use libfuzzer_sys::fuzz_target;

static MAPPING: LazyLock<Mapping> = LazyLock::new(|| {
    let rules = TranslateRules::of(Format::Xml);
    compiled(|at, problems| Mapping::compile(&rules, at, problems))
});

fuzz_target!(|bytes: &[u8]| {
    if let Ok(json) = MAPPING.to_json(bytes)
        && let Ok(xml) = MAPPING.to_xml(&(&json).into())
    {
        assert_eq!(MAPPING.to_json(&xml).as_ref(), Ok(&json), "{}", String::from_utf8_lossy(&xml));
    }
    if let Ok(json) = Json::parse(bytes, DEPTH)
        && let Ok(xml) = MAPPING.to_xml(&json)
    {
        assert!(MAPPING.to_json(&xml).is_ok(), "{}", String::from_utf8_lossy(&xml));
    }
});
