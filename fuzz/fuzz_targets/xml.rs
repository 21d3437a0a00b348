//! XML and JSON, under any rules: what can be read as JSON and written as XML again is the same JSON when it is read
//! again.
#![no_main]

use janua::{
    config::{Format, Path, Problems, TranslateRules, XmlNamespaces, XmlNil, XmlNumbers},
    message::{DEPTH, Json},
    xml::Mapping,
};
use libfuzzer_sys::fuzz_target;

/// The rules of an input: a sign of them in each part of its first line.
fn rules(line: &str) -> TranslateRules {
    let mut rules = TranslateRules::of(Format::Xml);
    let mut parts = line.split('\t');
    let flags = parts.next().unwrap_or_default();
    if flags.contains('i') {
        rules.numbers = XmlNumbers::Infer;
    }
    if flags.contains('s') {
        rules.namespaces = XmlNamespaces::Strip;
    }
    let mut part = || parts.next().filter(|part| !part.is_empty()).map(str::to_owned);
    rules.root = part();
    rules.namespace = part();
    rules.attributes = part().unwrap_or(rules.attributes);
    rules.text = part().unwrap_or(rules.text);
    rules.arrays.0 = parts.take(4).map(str::to_owned).collect();
    // Paths begin at the document element, which may be written by another name than it was read.
    rules.arrays.0.retain(|path| rules.root.is_none() || !path.contains('/'));
    // Another `nil` loses what is null, as it says.
    rules.nil = XmlNil::Xsi;
    rules
}

fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (line, bytes) = bytes.split_at(end);
    let Ok(line) = std::str::from_utf8(line) else { return };
    let mut problems = Problems::new();
    let mapping = Mapping::compile(&rules(line), &Path::root(), &mut problems);
    if !problems.is_empty() {
        return;
    }
    if let Ok(json) = mapping.to_json(bytes)
        && let Ok(xml) = mapping.to_xml(&(&json).into())
    {
        assert_eq!(mapping.to_json(&xml).as_ref(), Ok(&json), "{}", String::from_utf8_lossy(&xml));
    }
    if let Ok(json) = Json::parse(bytes, DEPTH)
        && let Ok(xml) = mapping.to_xml(&json)
    {
        let read = mapping.to_json(&xml);
        assert!(read.is_ok(), "{read:?}: {}", String::from_utf8_lossy(&xml));
        // Read once, it is what it stays.
        let again = read.as_ref().ok().and_then(|json| mapping.to_xml(&json.into()).ok());
        if let Some(again) = again {
            assert_eq!(mapping.to_json(&again), read, "{}", String::from_utf8_lossy(&xml));
        }
    }
});
