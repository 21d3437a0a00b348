//! Descriptions in the shapes that public services have: a call and an answer of each.

use super::*;

const XSI: &str = "xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'";

#[test]
fn a_service_of_asp_net_has_lists_in_wrappers() {
    let orders = service("orders");
    let body = json!({"customer": "ACME", "since": "2026-11-29T00:00:00", "states": {"string": ["Open", null]}, "flags": ["Read", "Write"]});
    assert_eq!(
        sent(&orders, "FindOrders", &body),
        "<n0:FindOrders><n0:customer>ACME</n0:customer><n0:since>2026-11-29T00:00:00</n0:since>\
         <n0:states><n0:string>Open</n0:string><n0:string xsi:nil=\"true\"/></n0:states>\
         <n0:flags>Read Write</n0:flags></n0:FindOrders>"
    );
    for (key, value, pointer, says) in [
        ("flags", json!(["Read", "Run"]), "/flags", "is none of its values"),
        ("since", json!("yesterday"), "/since", "does not match its pattern"),
        ("states", json!({"string": "Open"}), "/states/string", "must be a list"),
    ] {
        let mut body = body.clone();
        body[key] = value;
        assert_eq!(
            wrong(&orders, "FindOrders", &body),
            [(pointer.to_owned(), says.to_owned())],
            "{body}"
        );
    }
    assert_eq!(orders.operation("FindOrders").unwrap().target(), "/ws/orders.asmx");
    let content = format!(
        "<FindOrdersResponse xmlns='http://orders.example/ws/' {XSI}><FindOrdersResult>\
         <Order Version='2'><Id>00000000-0000-0000-0000-0000000000ff</Id><Total>10.50</Total><State>Open</State>\
         <Lines><Line><Article>a</Article><Count>3</Count></Line></Lines></Order><Order xsi:nil='true'/>\
         </FindOrdersResult></FindOrdersResponse>"
    );
    let (_, got) = answer(&orders, "FindOrders", 200, &envelope(&content)).unwrap();
    assert_eq!(
        got,
        "{\"FindOrdersResult\":{\"Order\":[{\"@Version\":2,\"Id\":\"00000000-0000-0000-0000-0000000000ff\",\
         \"Total\":10.50,\"State\":\"Open\",\"Lines\":{\"Line\":[{\"Article\":\"a\",\"Count\":3}]}},null]}}"
    );
}

#[test]
fn a_table_comes_with_a_schema_of_its_own() {
    let orders = service("orders");
    assert_eq!(sent(&orders, "GetTable", &json!({})), "<n0:GetTable/>");
    let content = "<GetTableResponse xmlns='http://orders.example/ws/'><GetTableResult>\
         <xs:schema id='Rows' xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:element name='Row'/></xs:schema>\
         <d:diffgram xmlns:d='urn:schemas-microsoft-com:xml-diffgram-v1'><Rows xmlns=''><Row><Id>1</Id></Row></Rows></d:diffgram>\
         </GetTableResult></GetTableResponse>";
    let (_, got) = answer(&orders, "GetTable", 200, &envelope(content)).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&got).unwrap(),
        json!({"GetTableResult": {
            "schema": {"@id": "Rows", "element": {"@name": "Row"}},
            "#any": {"diffgram": {"Rows": {"Row": {"Id": "1"}}}},
        }})
    );
}

#[test]
fn types_come_by_a_chain_of_imports() {
    let registry = service("registry");
    let body = json!({"@release": "2026", "key": {"vat": "CH123"}});
    let content = sent(&registry, "Lookup", &body);
    let (open, rest) = content.split_once('>').unwrap();
    assert!(open.contains(":Lookup ") && open.contains(":release=\"2026\""), "{content}");
    // Elements of the file between have no namespace.
    assert!(rest.contains(":key><vat>CH123</vat></"), "{content}");
    for (key, value, pointer, says) in [
        ("key", json!({"vat": "123"}), "/key/vat", "does not match its pattern"),
        ("key", json!({"number": -1}), "/key/number", "is too small"),
        ("key", json!({}), "/key", "must have one of the members `vat`, `number`"),
    ] {
        let mut body = body.clone();
        body[key] = value;
        let said = wrong(&registry, "Lookup", &body);
        assert_eq!(said, [(pointer.to_owned(), says.to_owned())], "{body}");
    }
    let said = wrong(&registry, "Lookup", &json!({"key": {"number": 1}}));
    assert_eq!(said, [(String::new(), "must have a member `@release`".to_owned())]);
    let content = "<m:LookupResponse xmlns:m='urn:example:registry:messages' xmlns:p='urn:example:registry:party' \
         xmlns:c='urn:example:registry:codes'><p:party><name> A  B </name><country>CH</country>\
         <c:address><c:line>x</c:line></c:address></p:party></m:LookupResponse>";
    let (_, got) = answer(&registry, "Lookup", 200, &envelope(content)).unwrap();
    assert_eq!(
        got,
        "{\"party\":[{\"name\":\"A B\",\"country\":\"CH\",\"address\":{\"line\":[\"x\"]}}]}"
    );
}

/// What has no place in a report, by the member that it is in.
fn misfits() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    vec![
        ("final", json!({"id": "1", "@unit": "m"}), "/final", "must have a member `value`"),
        ("final", json!({"id": "1", "value": 1}), "/final", "must have a member `@unit`"),
        (
            "final",
            json!({"id": "1", "value": 1, "@unit": "m", "note": "n"}),
            "/final/note",
            "is not known",
        ),
        (
            "final",
            json!({"id": "1", "value": 1, "@unit": "m", "@draft": true}),
            "/final/@draft",
            "is not known",
        ),
        (
            "final",
            json!({"id": "1", "value": 1, "@unit": "m", "@other": "x"}),
            "/final/@other",
            "is not known",
        ),
        ("plain", json!({"@other": "x"}), "/plain/@other", "is not known"),
        ("reading", json!({"id": "1", "@x:y": "z"}), "/reading/@x:y", "has no name that XML knows"),
        ("extra", json!([[1]]), "/extra", "must be no list within a list"),
        ("level", json!(7), "/level", "must be a string"),
        ("level", json!("middle"), "/level", "is of none of its types"),
        ("level", json!("2147483648"), "/level", "is of none of its types"),
        ("reading", json!({"@xsi:type": "Plain"}), "/reading/@xsi:type", ""),
        ("reading", json!({"@xsi:type": "Final", "id": "1", "@unit": "m"}), "/reading", ""),
    ]
}

/// An answer with a reading.
fn reported(attributes: &str, more: &str) -> String {
    let content = format!(
        "<d:ReportResponse xmlns:d='urn:example:devices' xmlns:o='urn:other' {XSI} {attributes}>\
         <d:id>1</d:id>{more}</d:ReportResponse>"
    );
    envelope(&content).replace(
        "http://schemas.xmlsoap.org/soap/envelope/",
        "http://www.w3.org/2003/05/soap-envelope",
    )
}

#[test]
fn types_restrict_others_and_take_what_nobody_lists() {
    let devices = service("devices");
    let body = json!({
        "final": {"id": "1", "value": 1.5, "@unit": "m"},
        "reading": {"id": "2", "@draft": true, "@quality": "good"},
        "level": "high",
        "extra": {"@a": "1", "b": [1, {"c": null}]},
        "plain": {"a": 1},
        "label": {"#text": "a", "@lang": "en"},
    });
    assert_eq!(
        sent(&devices, "Report", &body),
        "<n0:Report><n0:final unit=\"m\"><n0:id>1</n0:id><n0:value>1.5</n0:value></n0:final>\
         <n0:reading draft=\"true\" quality=\"good\"><n0:id>2</n0:id></n0:reading><n0:level>high</n0:level>\
         <n0:extra a=\"1\"><b>1</b><b><c xsi:nil=\"true\"/></b></n0:extra><n0:plain><n0:a>1</n0:a></n0:plain>\
         <n0:label lang=\"en\">a</n0:label></n0:Report>"
    );
    for (key, value, pointer, says) in misfits() {
        let mut body = body.clone();
        body[key] = value;
        let said = wrong(&devices, "Report", &body);
        assert_eq!(said.len(), 1, "{body} {said:?}");
        assert_eq!(
            (&*said[0].0, key == "reading" || said[0].1 == says),
            (pointer, true),
            "{said:?}"
        );
    }
    let soap12 = reported("unit='m' quality='good' o:seen='1'", "");
    let (_, got) = answer(&devices, "Report", 200, &soap12).unwrap();
    assert_eq!(got, "{\"@unit\":\"m\",\"@quality\":\"good\",\"id\":\"1\"}");
}

#[test]
fn an_element_may_be_of_a_type_that_restricts_its_own() {
    let devices = service("devices");
    let body = json!({
        "final": {"id": "1", "value": 1, "@unit": "m"},
        "reading": {"@xsi:type": "Final", "id": "2", "value": 7, "@unit": "m"},
        "level": "-7",
    });
    let written = sent(&devices, "Report", &body);
    let part = "<n0:reading xsi:type=\"n0:Final\" unit=\"m\"><n0:id>2</n0:id><n0:value>7</n0:value></n0:reading><n0:level>-7</n0:level>";
    assert!(written.contains(part), "{written}");
    let read = |attributes, more| answer(&devices, "Report", 200, &reported(attributes, more));
    let (_, got) = read("xsi:type='d:Final' unit='m'", "<d:value>2</d:value>").unwrap();
    assert_eq!(got, "{\"@xsi:type\":\"Final\",\"@unit\":\"m\",\"id\":\"1\",\"value\":2}");
    assert!(read("xsi:type='d:Final' quality='good'", "").is_err());
}

#[test]
fn a_document_takes_the_attributes_that_a_type_does() {
    let devices = service("devices");
    let schemas = &devices.document["components"]["schemas"];
    for (name, value, fits) in [
        ("Reading", json!({"id": "1", "@quality": "good"}), true),
        ("Reading", json!({"id": "1", "quality": "good"}), false),
        ("Reading", json!({"@xsi:type": "Final", "id": "1", "value": 1, "@unit": "m"}), true),
        ("Label", json!({"#text": "a", "@lang": "en"}), true),
        ("Label", json!("a"), false),
        ("Final", json!({"id": "1", "value": 1, "@unit": "m"}), true),
        ("Final", json!({"id": "1", "value": 1, "@unit": "m", "@quality": "good"}), false),
    ] {
        assert_eq!(jsonschema::is_valid(&schemas[name], &value), fits, "{name} {value}");
    }
}
