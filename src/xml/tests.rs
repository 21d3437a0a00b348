//! What is a document and what is none, and that mapping it there and back loses nothing.

use std::{borrow::Cow, collections::BTreeMap};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::config::{Format, Path, Problems, TranslateRules, XmlNamespaces, XmlNil, XmlNumbers};

fn events(bytes: &[u8], bounds: Bounds) -> Result<String, XmlError> {
    let mut reader = Reader::new(bytes, bounds)?;
    let mut seen = String::new();
    loop {
        match reader.next()? {
            Event::Start(name) => {
                seen += &format!("<{{{}}}{}", name.namespace, name.local);
                for (name, value) in reader.attributes() {
                    seen += &format!(" {{{}}}{}={value:?}", name.namespace, name.local);
                }
                seen.push('>');
            }
            Event::Text(text) => seen += &format!("{text:?}"),
            Event::End => seen += "</>",
            Event::Eof => return Ok(seen),
        }
    }
}

#[test]
fn a_document_is_read_as_it_is_meant() {
    for (text, expected) in [
        ("<a/>", "<{}a></>"),
        (
            "\u{feff}<?xml version=\"1.0\" encoding='utf-8' standalone=\"yes\" ?>\n<a />\n<!-- b -->",
            "<{}a></>",
        ),
        ("<a b='1' c=\"2\"\n d = '>'/>", "<{}a {}b=\"1\" {}c=\"2\" {}d=\">\"></>"),
        (
            "<a>1 &lt; 2 &amp;&#x26;&#38; ]] &gt;</a>",
            "<{}a>\"1 \"\"<\"\" 2 \"\"&\"\"&\"\"&\"\" ]] \"\">\"</>",
        ),
        ("<a><![CDATA[<b>&amp;]]></a>", "<{}a>\"<b>&amp;\"</>"),
        ("<a>\r\n\r</a>", "<{}a>\"\\n\\n\"</>"),
        ("<a b='x\r\n\t&#10;y&quot;'/>", "<{}a {}b=\"x  \\ny\\\"\"></>"),
        (
            "<a xmlns='u:d' xmlns:p='u:p' p:b='1' b='2'><p:c/><d xmlns=''/></a>",
            "<{u:d}a {u:p}b=\"1\" {}b=\"2\"><{u:p}c></><{}d></></>",
        ),
        (
            "<a><b xmlns:p='u:1'><p:c/></b><b xmlns:p='u:2&amp;'><p:c/></b></a>",
            "<{}a><{}b><{u:1}c></></><{}b><{u:2&}c></></></>",
        ),
        ("<a xml:lang='de'/>", "<{}a {http://www.w3.org/XML/1998/namespace}lang=\"de\"></>"),
        ("<é·1 ï='ü'/>", "<{}é·1 {}ï=\"ü\"></>"),
        ("<a></a >", "<{}a></>"),
        ("<a>&#x1F600;&#9;</a>", "<{}a>\"😀\"\"\\t\"</>"),
    ] {
        assert_eq!(events(text.as_bytes(), Bounds::default()).as_deref(), Ok(expected), "{text}");
    }
}

/// What is no document, why, and where: line and column. Bounds are small.
const NONE: &[(&str, &str, usize, usize)] = &[
    ("", "there is no element", 1, 1),
    (" \n", "there is no element", 2, 1),
    ("x", "there is text outside of the document element", 1, 1),
    ("<a/>x", "there is text outside of the document element", 1, 5),
    ("<a/>&lt;", "there is text outside of the document element", 1, 5),
    ("<a/><![CDATA[ ]]>", "there is text outside of the document element", 1, 5),
    ("<a/>\n<b/>", "there is more than one document element", 2, 1),
    ("<a>", "it ends before its elements do", 1, 4),
    ("<a><b></a></b>", "an end tag is not the one of its start tag", 1, 7),
    ("</a>", "an end tag has no start tag", 1, 1),
    ("<a", "a tag does not end", 1, 1),
    ("<a b='", "a tag does not end", 1, 1),
    ("< a/>", "a name is none in XML", 1, 1),
    ("<1/>", "a name is none in XML", 1, 1),
    ("<:a/>", "a name is none in XML", 1, 1),
    ("<a:/>", "a name is none in XML", 1, 1),
    ("<a:b:c/>", "a name is none in XML", 1, 1),
    ("<a+/>", "a name is none in XML", 1, 1),
    ("<a/ >", "a name is none in XML", 1, 1),
    ("<abcdefghijkl/>", "a name is too long", 1, 1),
    ("<a b/>", "an attribute has no value", 1, 4),
    ("<a b=1/>", "an attribute's value is not quoted", 1, 4),
    ("<a b='1'c='2'/>", "there is no space before an attribute", 1, 9),
    ("<a b='<'/>", "an attribute's value has a `<` in it", 1, 4),
    ("<a b='1'\n b='2'/>", "an element has an attribute twice", 1, 1),
    ("<a xmlns:p='u' xmlns:q='u' p:b='' q:b=''/>", "an element has too many attributes", 1, 35),
    ("<a xmlns:p='u' p:b='' p:b=''/>", "an element has an attribute twice", 1, 1),
    ("<a xmlns:p='u' xmlns:p='v'/>", "an element has an attribute twice", 1, 16),
    ("<a b='' c='' d='' e=''/>", "an element has too many attributes", 1, 19),
    ("<a xmlns:p='u' xmlns:q='v' xmlns:r='w'/>", "it declares too many namespaces", 1, 28),
    ("<p:a/>", "a prefix is not bound to a namespace", 1, 1),
    ("<a p:b=''/>", "a prefix is not bound to a namespace", 1, 1),
    ("<a xmlns:p=''/>", "a namespace is declared that cannot be", 1, 4),
    ("<a xmlns:xml='u'/>", "a namespace is declared that cannot be", 1, 4),
    ("<a xmlns:xmlns='u'/>", "a namespace is declared that cannot be", 1, 4),
    ("<a xmlns='http://www.w3.org/2000/xmlns/'/>", "a namespace is declared that cannot be", 1, 4),
    ("<a>&b;</a>", "an entity is not one of the five of XML", 1, 4),
    ("<a>&#0;</a>", "a character reference means no character of XML", 1, 4),
    ("<a>&#x1f;</a>", "a character reference means no character of XML", 1, 4),
    ("<a>&#xd800;</a>", "a character reference means no character of XML", 1, 4),
    ("<a>&#x110000;</a>", "a character reference means no character of XML", 1, 4),
    ("<a>&#+1;</a>", "a character reference means no character of XML", 1, 4),
    ("<a>&#;</a>", "a character reference means no character of XML", 1, 4),
    ("<a>b & c</a>", "an `&` begins no reference", 1, 6),
    ("<a b='&'/>", "an `&` begins no reference", 1, 4),
    ("<a b='&c;'/>", "an entity is not one of the five of XML", 1, 4),
    ("<a>\n]]></a>", "text has a `]]>` in it", 1, 4),
    ("<a>\u{0}</a>", "a character is none of XML", 1, 4),
    ("<a>é\u{8}</a>", "a character is none of XML", 1, 5),
    ("<a>\u{ffff}</a>", "a character is none of XML", 1, 4),
    ("<a><!-- b -- c --></a>", "a comment has a `--` in it", 1, 11),
    ("<a><!-- b", "a comment does not end", 1, 4),
    ("<a><![CDATA[b", "a CDATA section does not end", 1, 4),
    ("<a><!b></a>", "a `<!` begins nothing of XML", 1, 4),
    ("<!DOCTYPE a><a/>", DOCTYPE, 1, 1),
    ("<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;\">]><a>&c;</a>", DOCTYPE, 1, 1),
    ("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", DOCTYPE, 1, 1),
    ("<!DOCTYPE a [", DOCTYPE, 1, 1),
    ("<?php x?><a/>", "a processing instruction is not taken", 1, 1),
    ("<a><?b?></a>", "a processing instruction is not taken", 1, 4),
    ("<a/><?xml version='1.0'?>", "an XML declaration is not at the beginning", 1, 5),
    (" <?xml version='1.0'?><a/>", "an XML declaration is not at the beginning", 1, 2),
    ("<?xml version='1.1'?><a/>", "it is of another version of XML than 1.0", 1, 1),
    ("<?xml encoding='UTF-8'?><a/>", "the XML declaration is malformed", 1, 1),
    (
        "<?xml version='1.0' standalone='no' encoding='UTF-8'?><a/>",
        "the XML declaration is malformed",
        1,
        1,
    ),
    ("<?xml version='1.0' encoding='ISO-8859-1'?><a/>", "it is not encoded as UTF-8", 1, 1),
    ("<a><b><c><d/></c></b></a>", "it is nested too deeply", 1, 10),
    ("<a><b/><b/><b/><b/><b/><b/></a>", "it has too many elements", 1, 24),
];

#[test]
fn what_is_no_document_says_why_and_where() {
    let bounds = Bounds { depth: 3, elements: 6, attributes: 3, declarations: 2, name: 11 };
    for (text, what, line, column) in NONE.iter().copied() {
        let wrong = events(text.as_bytes(), bounds).unwrap_err();
        assert_eq!(wrong, XmlError { what, line, column }, "{text}");
    }
    for bytes in
        [&b"\xfe\xff\0<\0a\0/\0>"[..], b"\xff\xfe<\0a\0/\0>\0", b"<\0a\0/\0>\0", b"\0<\0a\0/\0>"]
    {
        assert_eq!(events(bytes, bounds).unwrap_err().what, "it is not encoded as UTF-8");
    }
    let wrong = events(b"<a>\xc3\xa9\xff</a>", bounds).unwrap_err();
    assert_eq!((wrong.what, wrong.column), ("it is not UTF-8", 5));
}

const DOCTYPE: &str = "a DOCTYPE is not taken";

#[test]
fn prefixes_that_stand_for_the_same_make_the_same_attribute() {
    let text = "<a xmlns:p='u' xmlns:q='u' p:b='' q:b=''/>";
    let wrong = events(text.as_bytes(), Bounds::default()).unwrap_err();
    assert_eq!(wrong.what, "an element has an attribute twice");
}

fn mapping(change: impl FnOnce(&mut TranslateRules)) -> Mapping {
    let mut rules = TranslateRules::of(Format::Xml);
    change(&mut rules);
    let mut problems = Problems::new();
    let mapping = Mapping::compile(&rules, &Path::root(), &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    mapping
}

fn written(mapping: &Mapping, json: &Value) -> String {
    let text = String::from_utf8(mapping.to_xml(&json.into()).unwrap()).unwrap();
    text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>").unwrap().into()
}

#[test]
fn json_and_xml_become_each_other() {
    let plain = mapping(|_| ());
    let xsi = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";
    for (json, xml) in [
        (json!({"a": "x"}), "<a>x</a>".to_owned()),
        (json!({"a": ""}), "<a/>".into()),
        (json!({"a": null}), format!("<a {xsi} xsi:nil=\"true\"/>")),
        (json!({"a": {"@b": "1", "#text": "x"}}), "<a b=\"1\">x</a>".into()),
        (json!({"a": {"@b": "1"}}), "<a b=\"1\"/>".into()),
        (json!({"a": {"@b": "1", "#text": null}}), format!("<a b=\"1\" {xsi} xsi:nil=\"true\"/>")),
        (
            json!({"a": {"b": ["1", {"c": "2"}, null], "d": " "}}),
            format!("<a><b>1</b><b><c>2</c></b><b {xsi} xsi:nil=\"true\"/><d> </d></a>"),
        ),
        (
            json!({"a": {"b": "<&>\"'\r\n\t]]>"}}),
            "<a><b>&lt;&amp;&gt;\"'&#13;\n\t]]&gt;</b></a>".into(),
        ),
        (json!({"a": {"@b": "<&>\"'\r\n\t"}}), "<a b=\"&lt;&amp;>&quot;'&#13;&#10;&#9;\"/>".into()),
        (
            json!({"p:a": {"@xmlns:p": "u", "@p:b": "1", "p:c": "2"}}),
            "<p:a xmlns:p=\"u\" p:b=\"1\"><p:c>2</p:c></p:a>".into(),
        ),
        (json!({"a": {"@xmlns": "u", "b": ""}}), "<a xmlns=\"u\"><b/></a>".into()),
        (json!({"a": {"@xml:lang": "de", "#text": "x"}}), "<a xml:lang=\"de\">x</a>".into()),
    ] {
        assert_eq!(written(&plain, &json), xml);
        assert_eq!(plain.to_json(xml.as_bytes()).unwrap(), json, "{xml}");
    }
}

#[test]
fn options_say_what_becomes_of_what() {
    let read = |mapping: &Mapping, xml: &str| mapping.to_json(xml.as_bytes()).unwrap();
    let infer = mapping(|rules| rules.numbers = XmlNumbers::Infer);
    let list = "<a><b>1</b><b>-1.5</b><b>01</b><b>1e3</b><b>true</b><b>TRUE</b><b>18446744073709551616</b><b>1.0</b><b>-0</b></a>";
    let expected = json!({"a": {"b": [1, -1.5, "01", "1e3", true, "TRUE", "18446744073709551616", 1.0, "-0"]}});
    assert_eq!(read(&infer, list), expected);

    let root = mapping(|rules| {
        rules.root = Some("order".into());
        rules.namespace = Some("urn:shop".into());
    });
    assert_eq!(written(&root, &json!({"id": 7})), "<order xmlns=\"urn:shop\"><id>7</id></order>");
    assert_eq!(written(&root, &json!("x")), "<order xmlns=\"urn:shop\">x</order>");
    assert_eq!(read(&root, "<receipt><id>7</id></receipt>"), json!({"id": "7"}));

    let strip = mapping(|rules| rules.namespaces = XmlNamespaces::Strip);
    assert_eq!(
        read(&strip, "<p:a xmlns:p='u' p:b='1'><p:c>2</p:c></p:a>"),
        json!({"a": {"@b": "1", "c": "2"}})
    );

    let arrays =
        mapping(|rules| rules.arrays = serde_json::from_value(json!(["item", "a/b/c"])).unwrap());
    assert_eq!(
        read(&arrays, "<a><item/><b><c/><c/></b></a>"),
        json!({"a": {"item": [""], "b": {"c": ["", ""]}}})
    );
    assert_eq!(
        read(&arrays, "<a><b><c/><item>1</item></b><c/></a>"),
        json!({"a": {"b": {"c": [""], "item": ["1"]}, "c": ""}})
    );

    // What everything is in that is written is no attribute of what is read.
    assert_eq!(read(&root, "<order xmlns='urn:shop'><id>7</id></order>"), json!({"id": "7"}));
    assert_eq!(
        read(&root, "<order xmlns='urn:other'><id xmlns='urn:shop'/></order>"),
        json!({"@xmlns": "urn:other", "id": {"@xmlns": "urn:shop"}})
    );

    let names = mapping(|rules| (rules.attributes, rules.text) = ("$".into(), "#".into()));
    assert_eq!(read(&names, "<a b='1'>x</a>"), json!({"a": {"$b": "1", "#": "x"}}));

    let empty = mapping(|rules| rules.nil = XmlNil::Empty);
    assert_eq!(written(&empty, &json!({"a": {"b": null}})), "<a><b/></a>");
    let omit = mapping(|rules| rules.nil = XmlNil::Omit);
    assert_eq!(written(&omit, &json!({"a": {"b": null, "c": [null, 1]}})), "<a><c>1</c></a>");
}

#[test]
fn text_between_elements_is_one_text() {
    let plain = mapping(|_| ());
    let xml = "<a>\n  <b>1</b>\n  <c/>\n</a>";
    assert_eq!(plain.to_json(xml.as_bytes()).unwrap(), json!({"a": {"b": "1", "c": ""}}));
    let mixed = "<p>one <b>two</b> three</p>";
    assert_eq!(
        plain.to_json(mixed.as_bytes()).unwrap(),
        json!({"p": {"b": "two", "#text": "one  three"}})
    );
}

#[test]
fn what_has_no_place_in_xml_is_refused_with_its_place() {
    let plain = mapping(|_| ());
    for (json, pointer, says) in [
        (json!([]), "", "must be an object with one member, the document element"),
        (json!("x"), "", "must be an object with one member, the document element"),
        (json!({}), "", "must be an object with one member, the document element"),
        (json!({"a": 1, "b": 2}), "", "must be an object with one member, the document element"),
        (json!({"a": [1]}), "/a", "must be no list, since there is one document element"),
        (json!({"a": {"b": [1, [2]]}}), "/a/b/1", "must be no list within a list"),
        (json!({"a": {"b c": 1}}), "/a/b c", "is not a name in XML"),
        (json!({"a": {"": 1}}), "/a/", "is not a name in XML"),
        (json!({"a": {"b/c~": 1}}), "/a/b~1c~0", "is not a name in XML"),
        (json!({"a": {"b><x/": 1}}), "/a/b><x~1", "is not a name in XML"),
        (json!({"a": {"@b=\"1\" c": 1}}), "/a/@b=\"1\" c", "is not a name in XML"),
        (json!({"a": {"b": "\u{0}"}}), "/a/b", "has a character that XML cannot hold"),
        (json!({"a": {"@b": "\u{1b}"}}), "/a/@b", "has a character that XML cannot hold"),
        (json!({"a": {"@b": null}}), "/a/@b", "must be a string, a number or a boolean"),
        (json!({"a": {"@b": {}}}), "/a/@b", "must be a string, a number or a boolean"),
        (json!({"a": {"#text": []}}), "/a/#text", "must be a string, a number or a boolean"),
        (json!({"a": {"p:b": 1}}), "/a/p:b", "has a prefix that is not bound to a namespace"),
        (json!({"a": {"@p:b": 1}}), "/a/@p:b", "has a prefix that is not bound to a namespace"),
        (
            json!({"a": {"b": {"@xmlns:p": "u"}, "p:c": 1}}),
            "/a/p:c",
            "has a prefix that is not bound to a namespace",
        ),
        (json!({"a": {"@xmlns:p": ""}}), "/a/@xmlns:p", "a namespace is declared that cannot be"),
        (json!({"a": {"@xmlns": 1}}), "/a/@xmlns", "must be a string"),
        (
            json!({"a": {"@xmlns:p": "u", "@xmlns:q": "u", "@p:b": 1, "@q:b": 1}}),
            "/a/@p:b",
            "is an attribute that is there twice",
        ),
        (
            json!({"a": {"@xmlns:x": XSI_NAMESPACE, "@x:nil": "true", "#text": null}}),
            "/a/@x:nil",
            "must be left out; what is nil is null",
        ),
    ] {
        let violation = plain.to_xml(&(&json).into()).unwrap_err();
        assert_eq!((&*violation.pointer, &*violation.says), (pointer, says), "{json}");
    }
    let strip = mapping(|rules| rules.namespaces = XmlNamespaces::Strip);
    for json in [json!({"p:a": 1}), json!({"a": {"@p:b": 1}}), json!({"a": {"@xmlns": "u"}})] {
        assert!(strip.to_xml(&(&json).into()).is_err(), "{json}");
    }
}

/// And names are compared with no more than so many.
#[test]
fn what_would_not_be_read_again_is_not_written() {
    let plain = mapping(|_| ());
    for (prefix, says) in [
        ("@b", "has too many attributes"),
        ("@xmlns:b", "is one declaration of a namespace too many"),
    ] {
        let of = |count: u32| {
            let members = (0..count).map(|at| (format!("{prefix}{at}"), json!("u")));
            json!({ "a": Map::from_iter(members) })
        };
        assert!(plain.to_json(written(&plain, &of(64)).as_bytes()).is_ok());
        let violation = plain.to_xml(&(&of(65)).into()).unwrap_err();
        assert_eq!(violation.says, says);
    }
    let named = |length| json!({ "a".repeat(length): 1 });
    assert!(plain.to_json(written(&plain, &named(256)).as_bytes()).is_ok());
    let violation = plain.to_xml(&(&named(257)).into()).unwrap_err();
    assert_eq!(violation.says, "is too long a name");
}

#[test]
fn rules_that_would_confuse_are_refused() {
    for (rules, key) in [
        (json!({"origin": "xml", "root": "a b"}), "root"),
        (json!({"origin": "xml", "root": "p:a"}), "root"),
        (json!({"origin": "xml", "namespace": ""}), "namespace"),
        (json!({"origin": "xml", "attributes": ""}), "attributes"),
        (json!({"origin": "xml", "attributes": "_"}), "attributes"),
        (json!({"origin": "xml", "text": "value"}), "text"),
        (json!({"origin": "xml", "text": "@"}), "text"),
        (json!({"origin": "xml", "text": "@text"}), "text"),
        (json!({"origin": "xml", "text": "@#text"}), "text"),
        (json!({"origin": "xml", "attributes": "#", "text": "##"}), "text"),
        (json!({"origin": "xml", "arrays": ["a//b"]}), "arrays"),
        (json!({"origin": "xml", "arrays": "a b"}), "arrays"),
    ] {
        let rules: TranslateRules = serde_json::from_value(rules).unwrap();
        let mut problems = Problems::new();
        let _ = Mapping::compile(&rules, &Path::root(), &mut problems);
        let places: Vec<_> = problems.iter().map(|problem| problem.path.to_string()).collect();
        assert_eq!(places, [key], "{rules:?}");
    }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-e]", "[A-Za-z_é][A-Za-z0-9_.é-]{0,5}"]
}

/// Text that XML can hold.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~\t\r\n]{0,8}",
        ".{0,8}".prop_map(|text| text.chars().filter(|sign| is_text(&sign.to_string())).collect()),
    ]
}

/// JSON for which XML has a place of its own.
fn content(numbers: bool) -> impl Strategy<Value = Value> {
    let scalar = move || match numbers {
        false => text().prop_map(Value::from).boxed(),
        true => prop_oneof![
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_filter("finite", |float| float.is_finite()).prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            "[a-z ]{0,4}"
                .prop_filter("no boolean", |text| text != "true" && text != "false")
                .prop_map(Value::from),
        ]
        .boxed(),
    };
    let attributes = move || prop::collection::btree_map(name(), scalar(), 0..3);
    let leaf = prop_oneof![3 => scalar(), 1 => Just(Value::Null)];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let several = prop::collection::vec(inner.clone(), 2..4).prop_map(Value::from);
        let member = prop_oneof![4 => inner, 1 => several];
        let members = prop::collection::btree_map(name(), member, 0..4);
        (attributes(), members, scalar()).prop_filter_map("empty", |(attributes, members, text)| {
            let has_text = members.is_empty() && text != "";
            let names = attributes.into_iter().map(|(name, value)| (format!("@{name}"), value));
            let mut object: Map<String, Value> = names.collect();
            if object.is_empty() && members.is_empty() {
                return None;
            }
            if has_text {
                object.insert("#text".into(), text);
            }
            object.extend(members);
            Some(Value::Object(object))
        })
    })
}

/// An element, of which those that have a name in common follow each other.
#[derive(Clone, Debug)]
enum Model {
    Text(String),
    Parent(BTreeMap<String, String>, BTreeMap<String, Vec<Self>>),
}

fn model() -> impl Strategy<Value = Model> {
    let leaf = text().prop_map(Model::Text);
    leaf.prop_recursive(4, 24, 4, |inner| {
        let children =
            prop::collection::btree_map(name(), prop::collection::vec(inner, 1..3), 1..4);
        let attributes = prop::collection::btree_map(name(), text(), 0..3);
        (attributes, children)
            .prop_map(|(attributes, children)| Model::Parent(attributes, children))
    })
}

fn write_model(writer: &mut Writer, name: &str, model: &Model) {
    writer.start(name).unwrap();
    match model {
        Model::Text(text) => writer.text(text).unwrap(),
        Model::Parent(attributes, children) => {
            for (name, value) in attributes {
                writer.attribute(name, value).unwrap();
            }
            for (name, models) in children {
                models.iter().for_each(|model| write_model(writer, name, model));
            }
        }
    }
    writer.end().unwrap();
}

/// Any rules under which XML has a place for whatever JSON says.
fn rules() -> impl Strategy<Value = TranslateRules> {
    let signs = prop::sample::select(vec![
        ("@", "#text"),
        ("$", "#"),
        ("-", "$t"),
        ("@@", "@"),
        (":", ".é"),
        ("1", "2"),
    ]);
    let arrays = prop::collection::vec(
        prop::sample::select(vec!["a", "b", "p:c", "a/b", "order/a", "a/a/a"]),
        0..3,
    );
    let optional = |text: &'static str| prop::option::of(Just(text.to_owned()));
    let named = (optional("order"), optional("urn:shop"));
    (signs, arrays, named, any::<[bool; 2]>()).prop_map(
        |(signs, arrays, named, [infers, strips])| {
            let mut rules = TranslateRules::of(Format::Xml);
            (rules.attributes, rules.text) = (signs.0.into(), signs.1.into());
            rules.arrays = serde_json::from_value(json!(arrays)).unwrap();
            (rules.root, rules.namespace) = named;
            if infers {
                rules.numbers = XmlNumbers::Infer;
            }
            if strips {
                rules.namespaces = XmlNamespaces::Strip;
            }
            rules
        },
    )
}

/// JSON with the signs of these rules in place of the usual ones, and a list wherever they ask for one.
fn under(rules: &TranslateRules, path: &str, json: Value) -> Value {
    match json {
        Value::Array(list) => list.into_iter().map(|item| under(rules, path, item)).collect(),
        Value::Object(object) => {
            let member = |(name, value): (String, Value)| {
                if let Some(attribute) = name.strip_prefix('@') {
                    return (format!("{}{attribute}", rules.attributes), value);
                }
                if name == "#text" {
                    return (rules.text.clone(), value);
                }
                let inner = format!("{path}/{name}");
                let asked = |array: &String| *array == name || *array == inner;
                let is_list =
                    rules.arrays.iter().any(asked) && !value.is_array() && !path.is_empty();
                let value = under(rules, inner.trim_start_matches('/'), value);
                (name, if is_list { json!([value]) } else { value })
            };
            object.into_iter().map(member).collect()
        }
        scalar => scalar,
    }
}

/// A document whose names have prefixes, some of which stand for the same, or for that in which `nil` is.
fn prefixed() -> impl Strategy<Value = String> {
    let name = || prop::sample::select(vec!["a", "b", "p:a", "p:c", "q:a", "xsi:a"]);
    let attribute = prop::sample::select(vec![
        " a='1'",
        " p:a='2'",
        " q:a=' '",
        " p:nil='true'",
        " xsi:nil='1'",
        " xsi:type='a'",
        " xsi:nil='0'",
        " p:xmlns='u'",
        " xml:lang='de'",
    ]);
    let declared = prop::sample::select(vec![
        " xmlns='urn:shop'",
        " xmlns='u'",
        " xmlns=''",
        " xmlns:p='u'",
        " xmlns:q='u'",
        " xmlns:q='v'",
        " xmlns:p='http://www.w3.org/2001/XMLSchema-instance'",
        " xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'",
        " xmlns:xsi='u'",
    ]);
    let tag =
        (name(), prop::collection::vec(declared, 0..4), prop::collection::vec(attribute, 0..3))
            .prop_map(|(name, declared, attributes)| {
                (name, declared.concat() + &attributes.concat())
            });
    let leaf = (tag.clone(), prop::sample::select(vec!["", "", "x", "7", " ", "true"]))
        .prop_map(|((name, fields), text)| format!("<{name}{fields}>{text}</{name}>"));
    let tree = leaf.prop_recursive(3, 12, 4, move |inner| {
        (tag.clone(), prop::collection::vec(inner, 1..4)).prop_map(|((name, fields), inner)| {
            format!("<{name}{fields}>{}</{name}>", inner.concat())
        })
    });
    // Most prefixes are bound.
    (any::<bool>(), tree).prop_map(|(binds, tree)| match binds {
        true => format!("<a xmlns:p='u' xmlns:q='v' xmlns:xsi='{XSI_NAMESPACE}'>{tree}</a>"),
        false => tree,
    })
}

proptest! {
    #[test]
    fn json_comes_back_from_xml_under_any_rules(
        rules in rules(),
        name in name(),
        content in any::<bool>().prop_flat_map(content),
    ) {
        // A string that is written like a number comes back as one.
        prop_assume!(rules.numbers == XmlNumbers::Text || !has_numbers_as_text(&content));
        let content = if rules.numbers == XmlNumbers::Text { as_text(content) } else { content };
        let mapping = mapping(|own| own.clone_from(&rules));
        let json = match &rules.root {
            Some(root) => under(&rules, root, content),
            None => under(&rules, "", json!({ name: content })),
        };
        let xml = mapping.to_xml(&(&json).into()).unwrap();
        prop_assert_eq!(mapping.to_json(&xml).unwrap(), json, "{}", String::from_utf8_lossy(&xml));
    }

    /// Whatever a client is shown, it can send.
    #[test]
    fn what_is_read_under_any_rules_can_be_written_and_is_read_again(
        rules in rules(),
        xml in prefixed(),
    ) {
        let mapping = mapping(|own| {
            own.clone_from(&rules);
            // Paths begin at the document element, which is written by another name than it was read.
            own.arrays.0.retain(|path| rules.root.is_none() || !path.contains('/'));
        });
        if let Ok(json) = mapping.to_json(xml.as_bytes()) {
            match mapping.to_xml(&(&json).into()) {
                Ok(again) => prop_assert_eq!(
                    mapping.to_json(&again).unwrap(), json, "{}\n{}", xml, String::from_utf8_lossy(&again)
                ),
                Err(violation) => prop_assert_eq!(
                    &*violation.says, "is null where `xsi` is something else", "{}: {} in {}", violation.pointer, json, xml
                ),
            }
        }
    }
}

fn has_numbers_as_text(value: &Value) -> bool {
    match value {
        Value::String(text) => matches!(&**text, "true" | "false") || text.parse::<f64>().is_ok(),
        Value::Array(list) => list.iter().any(has_numbers_as_text),
        Value::Object(object) => object.values().any(has_numbers_as_text),
        _ => false,
    }
}

/// Numbers and booleans as the text that they are in XML.
fn as_text(value: Value) -> Value {
    match value {
        Value::Number(_) | Value::Bool(_) => value.to_string().into(),
        Value::Array(list) => list.into_iter().map(as_text).collect(),
        Value::Object(object) => {
            object.into_iter().map(|(name, value)| (name, as_text(value))).collect()
        }
        other => other,
    }
}

proptest! {
    #[test]
    fn json_comes_back_from_xml(name in name(), content in content(false)) {
        let json = json!({ name: content });
        let mapping = mapping(|_| ());
        let xml = mapping.to_xml(&(&json).into()).unwrap();
        prop_assert_eq!(mapping.to_json(&xml).unwrap(), json);
    }

    #[test]
    fn numbers_come_back_from_xml(name in name(), content in content(true)) {
        let json = json!({ name: content });
        let mapping = mapping(|rules| rules.numbers = XmlNumbers::Infer);
        let xml = mapping.to_xml(&(&json).into()).unwrap();
        prop_assert_eq!(mapping.to_json(&xml).unwrap(), json);
    }

    #[test]
    fn xml_comes_back_from_json(name in name(), model in model()) {
        let mut writer = Writer::document();
        write_model(&mut writer, &name, &model);
        let xml = writer.finish();
        let mapping = mapping(|_| ());
        let again = mapping.to_xml(&(&mapping.to_json(&xml).unwrap()).into()).unwrap();
        prop_assert_eq!(String::from_utf8(again).unwrap(), String::from_utf8(xml).unwrap());
    }

    #[test]
    fn text_is_read_as_it_was_written(text in ".*", value in ".*") {
        let mut writer = Writer::document();
        writer.start("a").unwrap();
        prop_assert_eq!(writer.attribute("b", &value).is_ok(), is_text(&value));
        prop_assert_eq!(writer.text(&text).is_ok(), is_text(&text));
        let xml = writer.finish();
        let tree = Tree::read(&xml, Bounds::default()).unwrap();
        if is_text(&text) {
            prop_assert_eq!(tree.root.text(), Cow::Borrowed(&*text));
        }
        if is_text(&value) {
            prop_assert_eq!(tree.root.attribute("b"), Some(&*value));
        }
    }

    #[test]
    fn whatever_is_taken_can_be_written_again(xml in "(<|</|>|/>|a|b:|xmlns:b=|'u'|\"|=|&lt;|&#|;|<!--|-->|<!\\[CDATA\\[|\\]\\]>|<\\?xml| |\n|é){0,20}") {
        let mapping = mapping(|_| ());
        if let Ok(json) = mapping.to_json(xml.as_bytes()) {
            let again = mapping.to_xml(&(&json).into()).unwrap();
            prop_assert_eq!(mapping.to_json(&again).unwrap(), json);
        }
    }

    #[test]
    fn no_bytes_are_a_document_by_accident(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = Tree::read(&bytes, Bounds::default());
    }
}
