//! What restrictions ask of values, and what is told of those that nobody looks at.

use super::*;

/// A description whose operation takes a value of a type that is restricted in these steps.
fn steps(base: &str, steps: &[&str]) -> String {
    let mut types = format!("<xs:element name='In' type='t:T{}'/>", steps.len() - 1);
    for (index, facets) in steps.iter().enumerate() {
        let base = match index {
            0 => format!("xs:{base}"),
            index => format!("t:T{}", index - 1),
        };
        types += &format!(
            "<xs:simpleType name='T{index}'><xs:restriction base='{base}'>{facets}</xs:restriction></xs:simpleType>"
        );
    }
    description(&types)
}

fn loaded(text: &str) -> (Service, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.wsdl");
    fs::write(&file, text).unwrap();
    let section: config::Api = serde_json::from_value(json!({"wsdl": file})).unwrap();
    let mut problems = Problems::new();
    let service = Service::compile(&section, &Path::root(), &mut problems).unwrap();
    let said = problems.iter().map(|problem| format!("{}: {}", problem.path, problem.message));
    (service, said.collect())
}

/// Fails the test unless a value is taken, or refused for this reason; what is taken fits the document, too.
fn holds(base: &str, restricted: &[&str], value: &Value, expected: Option<&str>) {
    let (service, said) = loaded(&steps(base, restricted));
    assert!(said.is_empty(), "{said:?}");
    let sent = service.operation("o").unwrap().request(&asked(value), SystemTime::now());
    let wrong = sent.err().map(|(_, wrong)| wrong.iter().next().unwrap().says.clone());
    assert_eq!(wrong.as_deref(), expected, "{base} {restricted:?} {value}");
    let name = format!("T{}", restricted.len() - 1);
    let schema = &service.document["components"]["schemas"][name];
    assert!(expected.is_some() || jsonschema::is_valid(schema, value), "{schema} {value}");
}

#[test]
fn lengths_count_octets_letters_and_items() {
    let exact = &["<xs:length value='2'/>"][..];
    let between = &["<xs:minLength value='2'/><xs:maxLength value='3'/>"][..];
    for (base, restricted, value, expected) in [
        ("hexBinary", exact, json!("00fF"), None),
        ("hexBinary", exact, json!("00"), Some("is too short")),
        ("hexBinary", exact, json!("00ff00"), Some("is too long")),
        ("hexBinary", exact, json!("0g0g"), Some("does not match its pattern")),
        ("hexBinary", between, json!("000000"), None),
        ("base64Binary", exact, json!("AAA="), None),
        ("base64Binary", exact, json!("AA=="), Some("is too short")),
        ("base64Binary", exact, json!("AAAA"), Some("is too long")),
        ("base64Binary", exact, json!("AA"), Some("must be base64")),
        ("base64Binary", between, json!("AA AA"), None),
        ("base64Binary", between, json!("AAAAAA=="), Some("is too long")),
        ("string", exact, json!("üü"), None),
        ("string", exact, json!("a  "), Some("is too long")),
        ("NMTOKENS", exact, json!(["abc", "d"]), None),
        ("NMTOKENS", exact, json!(["abc"]), Some("is too short")),
    ] {
        holds(base, restricted, &value, expected);
    }
}

#[test]
fn all_steps_of_a_type_hold_and_any_pattern_of_one_does() {
    let either = "<xs:pattern value='[a-z]+'/><xs:pattern value='[0-9]+'/>";
    let short = "<xs:pattern value='.{1,3}'/>";
    let no_a = "<xs:pattern value='[^a]*'/>";
    for (restricted, value, expected) in [
        (&[either][..], "abcd", None),
        (&[either], "1234", None),
        (&[either], "ab12", Some("does not match its pattern")),
        (&[either, short], "abc", None),
        (&[either, short], "abcd", Some("does not match its pattern")),
        (&[either, short], "a1", Some("does not match its pattern")),
        (&[either, short, no_a], "bcd", None),
        (&[either, short, no_a], "abc", Some("does not match its pattern")),
        (&[either, "<xs:maxLength value='2'/>", no_a], "12", None),
        (&[r"<xs:pattern value='\i\c*'/>"], "_a-1", None),
        (&[r"<xs:pattern value='\i\c*'/>"], "1a", Some("does not match its pattern")),
        (&["<xs:pattern value='[a-z-[aeiou]]+'/>"], "xyz", None),
        (&["<xs:pattern value='[a-z-[aeiou]]+'/>"], "xay", Some("does not match its pattern")),
        (&["<xs:enumeration value='a'/><xs:enumeration value='b'/>"], "b", None),
        (&["<xs:enumeration value='a'/>"], "b", Some("is none of its values")),
    ] {
        holds("string", restricted, &json!(value), expected);
    }
    let (service, _) = loaded(&steps("string", &[either, short, no_a]));
    let schema = &service.document["components"]["schemas"]["T2"];
    for (value, fits) in [("bcd", true), ("abc", false), ("bcde", false), ("b1", false)] {
        assert_eq!(jsonschema::is_valid(schema, &json!(value)), fits, "{value}");
    }
    let restricted = ["<xs:pattern value='2026-.*'/>"];
    holds("date", &restricted, &json!("2026-11-29"), None);
    holds("date", &restricted, &json!("2026-1"), Some("does not match its pattern"));
}

#[test]
fn numbers_have_bounds_and_digits() {
    let money = &["<xs:totalDigits value='5'/><xs:fractionDigits value='2'/>"][..];
    let between = &["<xs:minInclusive value='1'/><xs:maxExclusive value='10'/>"][..];
    for (base, restricted, value, expected) in [
        ("decimal", money, json!(123.45), None),
        ("decimal", money, json!(-123.4), None),
        ("decimal", money, json!(0), None),
        ("decimal", money, json!(1.234), Some("has too many digits")),
        ("decimal", money, json!(12345.6), Some("has too many digits")),
        ("decimal", money, json!(123456), Some("has too many digits")),
        ("decimal", money, json!(1.20), None),
        ("integer", &["<xs:totalDigits value='3'/>"], json!(999), None),
        ("integer", &["<xs:totalDigits value='3'/>"], json!(1000), Some("has too many digits")),
        ("int", between, json!(1), None),
        ("int", between, json!(10), Some("is too large")),
        ("int", between, json!(0), Some("is too small")),
        ("int", &[""], json!(2_147_483_648_u64), Some("is too large")),
        ("double", between, json!(9.99), None),
        ("double", between, json!(10.0), Some("is too large")),
        ("unsignedByte", &["<xs:maxInclusive value='100'/>"], json!(-1), Some("is too small")),
        ("decimal", &["<xs:enumeration value='1.50'/>"], json!(1.5), None),
        // The digits are ours.
        ("int", &["<xs:pattern value='[0-9]{3}'/>"], json!(7), None),
    ] {
        holds(base, restricted, &value, expected);
    }
}

#[test]
fn white_space_is_what_the_type_says() {
    let folder = tempfile::tempdir().unwrap();
    for (base, facets, text, expected) in [
        ("string", "", " a  b\n", " a  b\n"),
        ("string", "<xs:whiteSpace value='collapse'/>", " a  b\n", "a b"),
        ("string", "<xs:whiteSpace value='replace'/>", " a  b\n", " a  b "),
        ("token", "", "\n a\n", "a"),
        ("date", "", " 2026-11-29 ", "2026-11-29"),
        ("base64Binary", "", "\n AA==\n ", "AA=="),
    ] {
        let text = text.to_owned();
        let with = description(&format!(
            "<xs:element name='In' type='t:T'/><xs:simpleType name='T'><xs:restriction base='xs:{base}'>{facets}</xs:restriction></xs:simpleType>"
        ));
        let with = with.replace(
            "<input message='t:m'/></operation>",
            "<input message='t:m'/><output message='t:m'/></operation>",
        );
        let file = folder.path().join("a.wsdl");
        fs::write(&file, with).unwrap();
        let service = compile(json!({"wsdl": file})).unwrap();
        let (_, json) =
            answer(&service, "o", 200, &envelope(&format!("<t:In xmlns:t='u'>{text}</t:In>")))
                .unwrap();
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), expected, "{base} {facets}");
    }
}

#[test]
fn what_nobody_looks_at_is_told() {
    for (base, facets, says) in [
        (
            "string",
            r"<xs:pattern value='\p{IsGreek}+'/>",
            r"the pattern `\p{IsGreek}+` is not understood",
        ),
        ("date", "<xs:minInclusive value='2026-01-01'/>", "nobody looks at `minInclusive`"),
        ("string", "<xs:totalDigits value='3'/>", "nobody looks at `totalDigits`"),
        ("int", "<xs:maxLength value='3'/>", "nobody looks at `maxLength`"),
        ("int", "<xs:assertion test='true()'/>", "nobody looks at `assertion`"),
    ] {
        let (_, said) = loaded(&steps(base, &[facets]));
        assert!(said.len() == 1 && said[0].starts_with("wsdl: "), "{said:?}");
        assert!(said[0].contains("a.wsdl:3:") && said[0].contains(says), "{said:?}");
    }
}

#[test]
fn text_beside_attributes_is_of_the_narrower_type_that_stands_within() {
    let types = "<xs:element name='In' type='t:Short'/>\
         <xs:complexType name='Any'><xs:simpleContent><xs:extension base='xs:string'><xs:attribute name='a'/></xs:extension></xs:simpleContent></xs:complexType>\
         <xs:complexType name='Short'><xs:simpleContent><xs:restriction base='t:Any'>\
         <xs:simpleType><xs:restriction base='xs:string'><xs:pattern value='[a-z]+'/></xs:restriction></xs:simpleType>\
         <xs:maxLength value='3'/></xs:restriction></xs:simpleContent></xs:complexType>";
    let (service, _) = loaded(&description(types));
    let says = |text: &str| wrong(&service, "o", &json!({"@a": "1", "#text": text}));
    assert_eq!(says("abcd")[0].1, "is too long");
    assert_eq!(says("A")[0].1, "does not match its pattern");
    assert!(sent(&service, "o", &json!({"@a": "1", "#text": "abc"})).ends_with(">abc</n0:In>"));
}

#[test]
fn attributes_that_only_a_namespace_tells_apart_have_names_of_their_own() {
    let attributes = "<xs:attribute name='lang' use='required'/><xs:attribute ref='xml:lang'/>";
    let (service, _) = loaded(&description(&complex(attributes)));
    let body = json!({"@lang": "a", "@xml:lang": "b"});
    assert_eq!(sent(&service, "o", &body), "<n0:In lang=\"a\" xml:lang=\"b\"/>");
    assert_eq!(wrong(&service, "o", &json!({"@xml:lang": "b"}))[0].1, "must have a member `@lang`");
    // Whichever of them the type has first.
    let attributes = "<xs:attribute ref='xml:lang'/><xs:attribute name='lang' use='required'/>";
    let part = "<input><s:body use='literal'/></input>";
    let text = description(&complex(attributes))
        .replace("<input message='t:m'/>", "<input message='t:m'/><output message='t:m'/>")
        .replace(part, &format!("{part}{}", part.replace("input", "output")));
    let (service, _) = loaded(&text);
    let said = envelope("<t:In xmlns:t='u' lang='a' xml:lang='b'/>");
    let (_, json) = answer(&service, "o", 200, &said).unwrap();
    let read: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(read, json!({"@lang": "a", "@xml:lang": "b"}));
}
