//! Services of all shapes: what they make of JSON and of envelopes, and descriptions that are refused.

mod facets;
mod shapes;

use std::{fs, path::Path as FilePath, time::SystemTime};

use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};

use super::*;
use crate::{
    config::{Path, Problems},
    reject::Reject,
};

const WSDL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/translate/wsdl");

fn compile(section: Value) -> Result<Service, String> {
    let section: config::Api = serde_json::from_value(section).unwrap();
    let mut problems = Problems::new();
    let service = Service::compile(&section, &Path::root(), &mut problems);
    let said: Vec<_> =
        problems.iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect();
    service.ok_or_else(|| said.join("\n"))
}

fn service(name: &str) -> Service {
    compile(json!({"wsdl": format!("{WSDL}/{name}.wsdl")})).unwrap()
}

fn asked(body: &Value) -> Asked {
    Asked { body: body.to_string().into(), ..Asked::default() }
}

/// The content of the envelope that an operation makes.
fn sent(service: &Service, id: &str, body: &Value) -> String {
    let operation = service.operation(id).unwrap();
    let envelope = operation.request(&asked(body), SystemTime::UNIX_EPOCH);
    let envelope =
        envelope.unwrap_or_else(|(reject, wrong)| panic!("{reject:?} {}", wrong.to_json()));
    let text = String::from_utf8(envelope.to_vec()).unwrap();
    let (_, content) = text.split_once("<soap:Body>").unwrap_or(("", ""));
    content.strip_suffix("</soap:Body></soap:Envelope>").unwrap().to_owned()
}

fn wrong(service: &Service, id: &str, body: &Value) -> Vec<(String, String)> {
    let (_, wrong) =
        service.operation(id).unwrap().request(&asked(body), SystemTime::now()).unwrap_err();
    wrong.iter().map(|wrong| (wrong.pointer.clone(), wrong.says.clone())).collect()
}

fn envelope(content: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Header/><s:Body>{content}</s:Body></s:Envelope>"
    )
}

fn answer(
    service: &Service,
    id: &str,
    status: u16,
    envelope: &str,
) -> Result<(Option<u16>, String), String> {
    let headers =
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"))]);
    let status = StatusCode::from_u16(status).unwrap();
    let answered = service.operation(id).unwrap().answer(status, &headers, envelope.as_bytes())?;
    let status = answered.status.map(|status| status.as_u16());
    Ok((status, String::from_utf8(answered.body.to_vec()).unwrap()))
}

#[test]
fn a_wrapped_call_is_an_object_of_what_is_in_the_wrapper() {
    let bank = service("bank");
    let body = json!({"to": "CH000002", "from": "CH000001", "amount": {"#text": 12.5, "@currency": "CHF"}, "note": ["a<b", "&"]});
    assert_eq!(
        sent(&bank, "Transfer", &body),
        "<n0:Transfer><n0:from>CH000001</n0:from><n0:to>CH000002</n0:to>\
         <n0:amount currency=\"CHF\">12.5</n0:amount><n0:note>a&lt;b</n0:note><n0:note>&amp;</n0:note></n0:Transfer>"
    );
    let operation = bank.operation("Transfer").unwrap();
    assert_eq!(operation.target(), "/services/bank");
    assert_eq!(operation.fields()[0].1, "text/xml; charset=utf-8");
    assert_eq!(operation.fields()[1].1, "\"urn:example:bank#Transfer\"");
    let text = envelope(
        "<r:GetBalanceResponse xmlns:r=\"urn:example:bank:types\">\n<r:overdrawn>0</r:overdrawn><r:balance currency=\"EUR\">0012345678901234567890.10</r:balance></r:GetBalanceResponse>",
    );
    let (_, json) = answer(&bank, "GetBalance", 200, &text).unwrap();
    assert_eq!(
        json,
        "{\"balance\":{\"@currency\":\"EUR\",\"#text\":12345678901234567890.10},\"overdrawn\":false}"
    );
}

#[test]
fn what_a_call_does_not_take_is_refused_with_its_place() {
    let bank = service("bank");
    let whole =
        json!({"from": "CH000001", "to": "CH000002", "amount": {"#text": 1, "@currency": "EUR"}});
    for (key, value, pointer, says) in [
        ("from", Value::Null, "/from", "must be a string"),
        ("from", json!(1), "/from", "must be a string"),
        ("amount", json!(1), "/amount", "must be an object"),
        ("amount", json!({"#text": 1}), "/amount", "must have a member `@currency`"),
        ("amount", json!({"@currency": "EUR"}), "/amount", "must have a member `#text`"),
        ("amount", json!({"#text": "1", "@currency": "EUR"}), "/amount/#text", "must be a number"),
        ("amount", json!({"#text": 1, "@currency": "EUR", "x": 1}), "/amount/x", "is not known"),
        ("from", json!("a"), "/from", "does not match its pattern"),
        (
            "amount",
            json!({"#text": 1, "@currency": "USD"}),
            "/amount/@currency",
            "is none of its values",
        ),
        ("note", json!("a"), "/note", "must be a list"),
        ("note", json!(["a", 1]), "/note/1", "must be a string"),
        ("note", json!(["a", "b", "c", "d"]), "/note", "has no place here, or too many values"),
        ("note", json!(["\u{1}"]), "/note/0", "has a character that XML cannot hold"),
        ("evil><", json!("x"), "/evil><", "is not known"),
    ] {
        let mut body = whole.clone();
        body[key] = value;
        assert_eq!(
            wrong(&bank, "Transfer", &body),
            [(pointer.to_owned(), says.to_owned())],
            "{body}"
        );
    }
    let said = wrong(&bank, "Transfer", &json!({"from": 1}));
    assert_eq!(said.len(), 3, "{said:?}");
    assert_eq!(
        wrong(&bank, "Transfer", &json!([])),
        [(String::new(), "must be an object".to_owned())]
    );
    let operation = bank.operation("Transfer").unwrap();
    let broken = Asked { body: "{".into(), ..Asked::default() };
    assert_eq!(operation.request(&broken, SystemTime::now()).unwrap_err().0, Reject::BodySyntax);
}

#[test]
fn a_fault_is_a_problem_with_the_status_of_whose_it_is() {
    let bank = service("bank");
    let detail = "<detail><t:InsufficientFunds xmlns:t=\"urn:example:bank:types\"><t:missing currency=\"EUR\">3.10</t:missing></t:InsufficientFunds></detail>";
    let fault = |code: &str, rest: &str| {
        envelope(&format!(
            "<s:Fault><faultcode>s:{code}</faultcode><faultstring>No \"money\"</faultstring>{rest}</s:Fault>"
        ))
    };
    let (status, json) = answer(&bank, "Transfer", 500, &fault("Client.Funds", detail)).unwrap();
    assert_eq!(status, Some(422));
    assert_eq!(
        json,
        "{\"type\":\"about:blank\",\"title\":\"Unprocessable Entity\",\"status\":422,\"detail\":\"No \\\"money\\\"\",\
         \"reason\":\"soap.fault\",\"code\":\"Client.Funds\",\
         \"fault\":{\"InsufficientFunds\":{\"missing\":{\"@currency\":\"EUR\",\"#text\":3.10}}}}"
    );
    assert_eq!(answer(&bank, "Transfer", 500, &fault("Server", "")).unwrap().0, Some(502));
    assert_eq!(answer(&bank, "Transfer", 200, &fault("MustUnderstand", "")).unwrap().0, Some(502));
    let loose = "<detail><x>1</x><y a='2'><z/></y></detail>";
    let (_, json) = answer(&bank, "GetBalance", 500, &fault("Server", loose)).unwrap();
    assert!(json.ends_with("\"fault\":{\"x\":\"1\",\"y\":{\"@a\":\"2\",\"z\":\"\"}}}"), "{json}");
    let twice = "<detail><x>1</x><y/><x>2</x></detail>";
    let (_, json) = answer(&bank, "GetBalance", 500, &fault("Server", twice)).unwrap();
    assert!(json.ends_with("\"fault\":{\"x\":[\"1\",\"2\"],\"y\":\"\"}}"), "{json}");

    let by_name = json!({"InsufficientFunds": 409, "Funds": 402});
    let chosen =
        compile(json!({"wsdl": format!("{WSDL}/bank.wsdl"), "soap": {"faults": by_name}})).unwrap();
    assert_eq!(
        answer(&chosen, "Transfer", 500, &fault("Client.Funds", detail)).unwrap().0,
        Some(409)
    );
    assert_eq!(answer(&chosen, "Transfer", 500, &fault("Client.Funds", "")).unwrap().0, Some(402));

    let soap12 = "<e:Envelope xmlns:e=\"http://www.w3.org/2003/05/soap-envelope\"><e:Body><e:Fault><e:Code><e:Value>e:Sender</e:Value>\
                  <e:Subcode><e:Value xmlns:m='u'>m:Late</e:Value></e:Subcode></e:Code><e:Reason><e:Text xml:lang='en'>Too late</e:Text></e:Reason></e:Fault></e:Body></e:Envelope>";
    let (status, json) = answer(&service("people"), "Hire", 400, soap12).unwrap();
    assert!(
        status == Some(422)
            && json.contains("\"code\":\"Sender.Late\"")
            && json.contains("\"detail\":\"Too late\""),
        "{json}"
    );
    // Who calls is not the client's to say.
    let stranger = soap12.replace("m:Late", "m:FailedAuthentication");
    let (status, _) = answer(&service("people"), "Hire", 400, &stranger).unwrap();
    assert_eq!(status, Some(502));
    let stranger = fault("Client.AuthenticationFailure", "");
    assert_eq!(answer(&bank, "Transfer", 500, &stranger).unwrap().0, Some(502));
}

#[test]
fn an_answer_that_is_none_says_why() {
    let bank = service("bank");
    let ok = |inner: &str| {
        envelope(&format!(
            "<r:GetBalanceResponse xmlns:r=\"urn:example:bank:types\">{inner}</r:GetBalanceResponse>"
        ))
    };
    for (status, text, says) in [
        (200, String::new(), "there is no envelope"),
        (200, "<a/>".into(), "it is no envelope"),
        (200, "<a".into(), "a tag does not end"),
        (200, format!("<!DOCTYPE a>{}", ok("")), "a DOCTYPE is not taken"),
        (200, envelope(""), "its body is empty"),
        (200, envelope("<a/>"), "its content is another element than the one expected"),
        (200, envelope("<a/><b/>"), "the body has more than one content"),
        (503, ok(""), "it is a failure without a fault"),
        (200, ok("<r:overdrawn>maybe</r:overdrawn>"), "a value is not of its type"),
        (
            200,
            ok("<r:overdrawn>true</r:overdrawn><r:overdrawn>true</r:overdrawn>"),
            "an element is there more than once",
        ),
        (200, ok("<overdrawn>true</overdrawn>"), "an element is not known here"),
        (200, ok("<r:balance unit='EUR'>1</r:balance>"), "an attribute is not known here"),
        (200, ok("<r:balance><r:x/></r:balance>"), "an element has elements in place of text"),
        (200, ok("text"), "an element has text between elements"),
        (
            200,
            envelope("<a/>")
                .replace("<s:Header/>", "<s:Header><x s:mustUnderstand='1'/></s:Header>"),
            "a header has to be understood and is not",
        ),
    ] {
        let said = answer(&bank, "GetBalance", status, &text).unwrap_err();
        assert!(said.contains(says), "{text}: {said}");
    }
}

#[test]
fn parts_of_an_rpc_are_members() {
    let tickets = service("tickets");
    let body = json!({"show": 7, "seats": {"seat": [{"row": "A", "number": 1}]}});
    assert_eq!(
        sent(&tickets, "Book", &body),
        "<n0:Book><show>7</show><seats><seat><row>A</row><number>1</number></seat></seats></n0:Book>"
    );
    let text = envelope(
        "<m:BookResponse xmlns:m='urn:example:booking'><price>10</price><booked><seat><row>A</row><number>1</number></seat></booked></m:BookResponse>",
    );
    let expected = "{\"price\":10,\"booked\":{\"seat\":[{\"row\":\"A\",\"number\":1}]}}";
    assert_eq!(answer(&tickets, "Book", 200, &text).unwrap().1, expected);
}

#[test]
fn choices_lists_attributes_and_strangers_have_their_places() {
    let catalog = service("catalog");
    let body = json!({
        "@id": "a1", "@tags": ["x", "y"], "@lang": "de",
        "name": "Shoe", "price": 10, "discount": 5, "sizes": [36, 38],
        "video": ["v1"], "photo": ["p1", "p2"], "#any": {"extra": {"@k": "v", "#text": "t"}},
    });
    assert_eq!(
        sent(&catalog, "Put", &body),
        "<n0:item id=\"a1\" tags=\"x y\" xml:lang=\"de\"><n0:name>Shoe</n0:name><n0:price>10</n0:price><n0:discount>5</n0:discount>\
         <n0:sizes>36 38</n0:sizes><n0:photo>p1</n0:photo><n0:photo>p2</n0:photo><n0:video>v1</n0:video><extra k=\"v\">t</extra></n0:item>"
    );
    let free = json!({"@id": "a", "name": "n", "free": {}});
    assert_eq!(
        sent(&catalog, "Put", &free),
        "<n0:item id=\"a\"><n0:name>n</n0:name><n0:free/></n0:item>"
    );
    let neither = json!({"@id": "a", "name": "n"});
    assert_eq!(
        wrong(&catalog, "Put", &neither),
        [(String::new(), "must have one of the members `free`, `price`".to_owned())]
    );
    let both = json!({"@id": "a", "name": "n", "free": {}, "price": 1});
    assert_eq!(
        wrong(&catalog, "Put", &both),
        [("/price".to_owned(), "has no place here, or too many values".to_owned())]
    );
    // A bare call of a simple type takes just that.
    assert_eq!(sent(&catalog, "Find", &json!("shoe")), "<n0:find>shoe</n0:find>");
    let item = "<item id='a' tags='x  y'><video>v</video><name>n</name><free/><photo>p</photo><o:x xmlns:o='u'><o:y/></o:x></item>";
    let text = envelope(&format!("<items xmlns='urn:example:catalog'>{item}</items>"));
    let expected = "{\"item\":[{\"@id\":\"a\",\"@tags\":[\"x\",\"y\"],\"name\":\"n\",\"free\":{},\"photo\":[\"p\"],\"video\":[\"v\"],\"#any\":{\"x\":{\"y\":\"\"}}}]}";
    assert_eq!(answer(&catalog, "Find", 200, &text).unwrap().1, expected);
    // Nothing is answered to what goes one way.
    assert_eq!(answer(&catalog, "Put", 202, "").unwrap(), (None, String::new()));
}

#[test]
fn types_go_on_in_themselves_and_in_those_that_extend_them() {
    let section = json!({"wsdl": format!("{WSDL}/people.wsdl"), "soap": {"port": "P12"}});
    let people = compile(section).unwrap();
    let operation = people.operation("Hire").unwrap();
    assert_eq!(operation.fields()[0].1, "application/soap+xml; charset=utf-8; action=\"urn:hire\"");
    assert_eq!(operation.target(), "/12?wsdl");
    let who = json!({"name": "A", "born": null, "child": [{"name": "B", "born": "2020-01-01", "child": []}]});
    assert_eq!(
        sent(&people, "Hire", &json!({"who": who})),
        "<n0:Hire><n0:who><n0:name>A</n0:name><n0:born xsi:nil=\"true\"/><n0:child><n0:name>B</n0:name><n0:born>2020-01-01</n0:born></n0:child></n0:who></n0:Hire>"
    );
    let boss = json!({"@xsi:type": "Boss", "@number": 7, "name": "C", "born": null, "salary": 1.5, "car": "x"});
    assert_eq!(
        sent(&people, "Hire", &json!({"who": boss, "extra": {"a": ["1", "2"]}})),
        "<n0:Hire><n0:who xsi:type=\"n0:Boss\" number=\"7\"><n0:name>C</n0:name><n0:born xsi:nil=\"true\"/><n0:salary>1.5</n0:salary><n0:car>x</n0:car></n0:who>\
         <n0:extra><a>1</a><a>2</a></n0:extra></n0:Hire>"
    );
    let stranger = json!({"who": {"@xsi:type": "HireResponse", "name": "C", "born": null}});
    assert_eq!(wrong(&people, "Hire", &stranger)[0].0, "/who/@xsi:type");
    let text = envelope(
        "<HireResponse xmlns='urn:example:people' xmlns:q='urn:example:people' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'><who xsi:type='q:Employee' number='1'><name>A</name><born xsi:nil='1'/><salary>INF</salary></who></HireResponse>",
    );
    let expected = "{\"who\":{\"@xsi:type\":\"Employee\",\"@number\":1,\"name\":\"A\",\"born\":null,\"salary\":\"INF\"}}";
    assert_eq!(answer(&people, "Hire", 200, &text).unwrap().1, expected);
}

#[test]
fn a_description_in_several_files_is_one() {
    let weather = service("weather");
    assert_eq!(
        sent(&weather, "Forecast", &json!({"place": "Bern", "kind": ["rain"]})),
        "<n0:Forecast><place>Bern</place><kind>rain</kind></n0:Forecast>"
    );
    let days =
        "<day>2026-01-01</day><degrees>-1.0</degrees><day>2026-01-02</day><degrees>2</degrees>";
    let text = envelope(&format!(
        "<a:ForecastResponse xmlns:a='urn:example:weather:abstract'>{days}</a:ForecastResponse>"
    ));
    let expected = "{\"day\":[\"2026-01-01\",\"2026-01-02\"],\"degrees\":[-1.0,2]}";
    assert_eq!(answer(&weather, "Forecast", 200, &text).unwrap().1, expected);
}

#[test]
fn an_operation_can_be_a_get() {
    let operations = json!({"Forecast": {"method": "GET", "path": "/weather/{place}"}});
    let weather =
        compile(json!({"wsdl": format!("{WSDL}/weather.wsdl"), "operations": operations})).unwrap();
    let operation = weather.operation("Forecast").unwrap();
    let ask = |query: &str| Asked {
        path: vec![("place".into(), "Bern%20S%C3%BCd+".into())],
        query: Some(query.into()),
        ..Asked::default()
    };
    let envelope =
        operation.request(&ask("days=3&kind=rain&kind=wind%20and+sun"), SystemTime::now()).unwrap();
    let text = String::from_utf8(envelope.to_vec()).unwrap();
    assert!(
        text.contains(
            "<place>Bern Süd+</place><days>3</days><kind>rain</kind><kind>wind and sun</kind>"
        ),
        "{text}"
    );
    for query in ["days=x", "days=1&days=2", "place=Basel"] {
        assert_eq!(
            operation.request(&ask(query), SystemTime::now()).unwrap_err().0,
            Reject::ContractParameter,
            "{query}"
        );
    }
    let parameters = &weather.document["paths"]["/weather/{place}"]["get"]["parameters"];
    let named: Vec<_> = parameters
        .as_array()
        .unwrap()
        .iter()
        .map(|p| {
            (
                p["name"].as_str().unwrap(),
                p["in"].as_str().unwrap(),
                p["required"].as_bool().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        named,
        [("place", "path", true), ("days", "query", false), ("kind", "query", false)]
    );
}

#[test]
fn clients_are_told_by_a_document_what_they_may_send() {
    let document = service("catalog").document;
    let schemas = &document["components"]["schemas"];
    let item = &schemas["Item"];
    assert_eq!(item["required"], json!(["@id", "name"]));
    assert_eq!(
        item["allOf"],
        json!([{"oneOf": [{"required": ["free"]}, {"required": ["price"]}]}])
    );
    assert_eq!(
        item["properties"]["name"],
        json!({"type": "string", "minLength": 1, "maxLength": 20})
    );
    assert_eq!(item["properties"]["sizes"]["items"]["enum"], json!([36, 38]));
    assert_eq!(schemas["Percent"]["maximum"], 100);
    assert_eq!(
        document["paths"]["/Find"]["post"]["requestBody"]["content"]["application/json"]["schema"],
        json!({"type": "string"})
    );
    let people = service("people").document;
    let person = &people["components"]["schemas"]["Person"];
    assert_eq!(
        person["properties"]["child"]["items"],
        json!({"$ref": "#/components/schemas/Person"})
    );
    assert_eq!(person["properties"]["born"]["anyOf"][1], json!({"type": "null"}));
    assert_eq!(
        people["components"]["schemas"]["Boss"]["required"],
        json!(["@number", "name", "born", "salary"])
    );
    let bank = service("bank").document;
    assert_eq!(bank["paths"]["/GetBalance"]["post"]["description"], "How much is there.");
    assert_eq!(bank["components"]["schemas"]["Account"]["pattern"], "^(?:[A-Z]{2}[0-9]{6})$");
}

#[test]
fn headers_say_who_calls_and_for_what() {
    let soap = json!({"addressing": true, "timestamp": "5m", "username": {"name": "gate", "password": "s3<ret", "digest": false}});
    let bank = compile(json!({"wsdl": format!("{WSDL}/bank.wsdl"), "soap": soap})).unwrap();
    let body = asked(&json!({"account": "CH000001"}));
    let envelope =
        bank.operation("GetBalance").unwrap().request(&body, SystemTime::UNIX_EPOCH).unwrap();
    let text = String::from_utf8(envelope.to_vec()).unwrap();
    for part in [
        ">urn:example:bank#GetBalance</wsa:Action>",
        ">http://bank.example/services/bank</wsa:To>",
        ">urn:uuid:",
        "<wsu:Created>1970-01-01T00:00:00Z</wsu:Created><wsu:Expires>1970-01-01T00:05:00Z</wsu:Expires>",
        "<wsse:Username>gate</wsse:Username>",
        "#PasswordText\">s3&lt;ret</wsse:Password>",
        "soap:mustUnderstand=\"1\"",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let soap = json!({"username": {"name": "gate", "password": "secret", "digest": true}});
    let bank = compile(json!({"wsdl": format!("{WSDL}/bank.wsdl"), "soap": soap})).unwrap();
    let operation = bank.operation("GetBalance").unwrap();
    let made: Vec<_> =
        (0..2).map(|_| operation.request(&body, SystemTime::UNIX_EPOCH).unwrap()).collect();
    let text = String::from_utf8(made[0].to_vec()).unwrap();
    assert!(
        text.contains("#PasswordDigest")
            && text.contains("<wsse:Nonce")
            && !text.contains("secret"),
        "{text}"
    );
    assert_ne!(made[0], made[1]);
}

#[test]
fn an_action_of_ws_addressing_is_never_empty() {
    let wsam = "<input xmlns:w='http://www.w3.org/2007/05/addressing/metadata' w:Action='urn:own'";
    let wsaw = "<input xmlns:w='http://www.w3.org/2006/05/addressing/wsdl' w:Action='urn:own'";
    let folder = tempfile::tempdir().unwrap();
    let answered = "<input message='t:m'/><output message='t:m'/></operation></portType>";
    for (changes, action) in [
        (&[][..], "u/p/o"),
        (&[("<input message='t:m'/></operation></portType>", answered)][..], "u/p/oRequest"),
        (&[("'u'", "'http://127.0.0.1/a'")], "http://127.0.0.1/a/p/o"),
        (&[("'u'", "'http://127.0.0.1/a/'")], "http://127.0.0.1/a/p/o"),
        (&[("'u'", "'URN:a:b'")], "URN:a:b:p:o"),
        (&[("<input message", "<input name='i' message")], "u/p/i"),
        (&[("soapAction=''", "soapAction='said'")], "said"),
        (&[("<input message", wsam)], "urn:own"),
        (&[("<input message", wsaw)], "urn:own"),
        (&[("<input message", wsam), ("soapAction=''", "soapAction='said'")], "urn:own"),
    ] {
        let mut text = description("<xs:element name='In' type='xs:int'/>");
        for (from, to) in changes {
            let to = to.replace("w:Action='urn:own'", "w:Action='urn:own' message");
            text = text.replace(from, &to);
        }
        let file = folder.path().join("a.wsdl");
        fs::write(&file, &text).unwrap();
        let made = compile(json!({"wsdl": file, "soap": {"addressing": true}})).unwrap();
        let operation = made.operation("o").unwrap();
        let sent = operation.request(&asked(&json!(1)), SystemTime::now()).unwrap();
        let sent = String::from_utf8(sent.to_vec()).unwrap();
        assert!(sent.contains(&format!(">{action}</wsa:Action>")), "{action}: {sent}");
    }
    let soap = json!({"addressing": true});
    let tickets = compile(json!({"wsdl": format!("{WSDL}/tickets.wsdl"), "soap": soap})).unwrap();
    let body = asked(&json!({"show": 1, "seats": {"seat": []}}));
    let operation = tickets.operation("Book").unwrap();
    let sent = operation.request(&body, SystemTime::now()).unwrap();
    let sent = String::from_utf8(sent.to_vec()).unwrap();
    assert!(sent.contains(">urn:example:tickets:Tickets:BookRequest</wsa:Action>"), "{sent}");
    // HTTP has the empty one.
    assert_eq!(operation.fields()[1].1, "\"\"");
}

/// A description with one operation, of these types; the element that it takes is `In`.
fn description(types: &str) -> String {
    format!(
        "<definitions xmlns='http://schemas.xmlsoap.org/wsdl/' xmlns:s='http://schemas.xmlsoap.org/wsdl/soap/' \
         xmlns:xs='http://www.w3.org/2001/XMLSchema' xmlns:t='u' targetNamespace='u'>\n\
         <types><xs:schema targetNamespace='u'>\n{types}\n</xs:schema></types>\n\
         <message name='m'><part name='p' element='t:In'/></message>\n\
         <portType name='p'><operation name='o'><input message='t:m'/></operation></portType>\n\
         <binding name='b' type='t:p'><s:binding style='document'/><operation name='o'><s:operation soapAction=''/><input><s:body use='literal'/></input></operation></binding>\n\
         <service name='s'><port name='p' binding='t:b'><s:address location='http://127.0.0.1/'/></port></service>\n</definitions>"
    )
}

fn refused(folder: &FilePath, text: &str) -> String {
    let file = folder.join("a.wsdl");
    fs::write(&file, text).unwrap();
    compile(json!({"wsdl": file})).err().unwrap_or_else(|| panic!("it is taken: {text}"))
}

/// The element `In`, of a type with this in it.
fn complex(inner: &str) -> String {
    format!("<xs:element name='In'><xs:complexType>{inner}</xs:complexType></xs:element>")
}

/// The same with a sequence.
fn sequence(inner: &str) -> String {
    complex(&format!("<xs:sequence>{inner}</xs:sequence>"))
}

/// Fails the test unless a description with these types is refused at this line for this reason.
fn refuses<const N: usize>(table: [(String, &str, &str); N]) {
    let folder = tempfile::tempdir().unwrap();
    for (types, place, says) in table {
        let said = refused(folder.path(), &description(&types));
        let at = format!("a.wsdl:{place}");
        assert!(said.contains(&at) && said.contains(says), "{types}: {said}");
    }
}

#[test]
fn types_that_are_not_there_say_where_they_are_missing() {
    refuses([
        (String::new(), "5:", "there is no element `In` in `u`"),
        ("<xs:element name='In' type='t:None'/>".into(), "3:", "there is no type `None` in `u`"),
        (
            "<xs:element name='In' type='q:None'/>".into(),
            "3:",
            "the prefix of `q:None` is not bound",
        ),
        (
            "<xs:element name='In' type='xs:str'/>".into(),
            "3:",
            "there is no type `str` in `http://www.w3.org/2001/XMLSchema`",
        ),
        ("<xs:element type='xs:string'/>".into(), "3:", "a global element has no name"),
        ("<xs:redefine schemaLocation='x'/>".into(), "3:", "`redefine` is not understood"),
        (
            "<xs:element name='In' substitutionGroup='t:x'/>".into(),
            "3:",
            "substitution groups are not understood",
        ),
        (sequence("<xs:element ref='t:none'/>"), "3:", "there is no element `none` in `u`"),
        (sequence("<xs:element type='xs:int'/>"), "3:", "an element has no name"),
        (
            sequence("<xs:element name='a' type='xs:int' maxOccurs='many'/>"),
            "3:",
            "`many` is no number for `maxOccurs`",
        ),
    ]);
}

#[test]
fn groups_and_attributes_that_are_not_there_say_where_they_are_missing() {
    let deep = format!("{}{}", "<xs:sequence>".repeat(40), "</xs:sequence>".repeat(40));
    refuses([
        (sequence("<xs:group ref='t:none'/>"), "3:", "there is no group `none` in `u`"),
        (
            sequence("<xs:element name='a' type='xs:int'/><xs:element name='a' type='xs:string'/>"),
            "3:",
            "two elements `a` of one type are not of the same type",
        ),
        (sequence("<xs:unique name='x'/>"), "3:", "`unique` is not understood"),
        (complex(&deep), "3:", "groups are within each other too often"),
        (complex("<xs:attribute ref='t:none'/>"), "3:", "there is no attribute `none` in `u`"),
        (
            complex("<xs:attribute name='a' type='t:none'/>"),
            "3:",
            "there is no simple type `none` in `u`",
        ),
        (
            complex("<xs:attributeGroup ref='t:none'/>"),
            "3:",
            "there is no group of attributes `none` in `u`",
        ),
        (
            complex("<xs:complexContent><xs:extension base='t:none'/></xs:complexContent>"),
            "3:",
            "there is no type `none` in `u`",
        ),
        (
            complex("<xs:complexContent><xs:extension/></xs:complexContent>"),
            "3:",
            "it does not say what its base is",
        ),
        (
            complex("<xs:simpleContent><xs:extension base='xs:none'/></xs:simpleContent>"),
            "3:",
            "there is no type `none`",
        ),
    ]);
}

#[test]
fn groups_that_grow_by_what_they_refer_to_are_not_made() {
    let mut types = complex("<xs:group ref='t:G0'/>");
    for depth in 0..10 {
        let often = format!("<xs:group ref='t:G{}'/>", depth + 1).repeat(4);
        types +=
            &format!("<xs:group name='G{depth}'><xs:sequence>{often}</xs:sequence></xs:group>");
    }
    types += "<xs:group name='G10'><xs:sequence/></xs:group>";
    let mut more = complex("<xs:attributeGroup ref='t:A0'/>");
    for depth in 0..25 {
        let twice = format!("<xs:attributeGroup ref='t:A{}'/>", depth + 1).repeat(2);
        more += &format!("<xs:attributeGroup name='A{depth}'>{twice}</xs:attributeGroup>");
    }
    more += "<xs:attributeGroup name='A25'><xs:attribute name='a'/></xs:attributeGroup>";
    let mut unions = "<xs:element name='In' type='t:U0'/>".to_owned();
    for depth in 0..25 {
        let twice = format!("t:U{} ", depth + 1).repeat(2);
        unions += &format!(
            "<xs:simpleType name='U{depth}'><xs:union memberTypes='{twice}'/></xs:simpleType>"
        );
    }
    unions += "<xs:simpleType name='U25'><xs:union memberTypes='xs:int'/></xs:simpleType>";
    let says = "its types have more than 200000 parts";
    refuses([(types, "3:", says), (more, "3:", says), (unions, "3:", says)]);
}

#[test]
fn elements_that_may_not_be_there_are_not_known_however_often_their_group_may_be() {
    let never = "<xs:sequence maxOccurs='0'><xs:element name='b' type='xs:int'/></xs:sequence>";
    let inner = format!("<xs:element name='a' type='xs:int'/>{never}");
    let types = complex(&format!("<xs:sequence maxOccurs='unbounded'>{inner}</xs:sequence>"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.wsdl");
    fs::write(&file, description(&types)).unwrap();
    let service = compile(json!({"wsdl": file})).unwrap();
    assert_eq!(sent(&service, "o", &json!({"a": [1, 2]})), "<n0:In><a>1</a><a>2</a></n0:In>");
    let said = wrong(&service, "o", &json!({"a": [1], "b": [1]}));
    assert_eq!(said, [("/b".to_owned(), "is not known".to_owned())]);
}

#[test]
fn types_that_are_not_understood_say_what_and_where() {
    refuses([
        ("<xs:element name='In'><xs:complexType mixed='true'/></xs:element>".into(), "3:", "text between elements is not understood"),
        ("<xs:element name='In'><xs:simpleType><xs:restriction base='xs:int'><xs:enumeration value='a'/></xs:restriction></xs:simpleType></xs:element>".into(), "3:", "`a` is no value of this type"),
        ("<xs:element name='In'><xs:simpleType/></xs:element>".into(), "3:", "a simple type says nothing"),
        ("<xs:element name='In'><xs:simpleType><xs:list/></xs:simpleType></xs:element>".into(), "3:", "it does not say of which type"),
        ("<xs:element name='In' type='t:A'/><xs:complexType name='A'><xs:complexContent><xs:extension base='t:A'/></xs:complexContent></xs:complexType>".into(), "3:", "a type goes back to others too often, or to itself"),
        ("<xs:element name='In' type='t:A'/><xs:simpleType name='A'><xs:restriction base='t:A'/></xs:simpleType>".into(), "3:", "a type goes back to others too often, or to itself"),
        ("<xs:element name='In' type='t:A'/>\n<xs:group name='G'><xs:sequence><xs:group ref='t:G'/></xs:sequence></xs:group><xs:complexType name='A'><xs:group ref='t:G'/></xs:complexType>".into(), "4:", "groups are within each other too often"),
        ("<xs:import namespace='v' schemaLocation='none.xsd'/>".into(), "3:", "none.xsd"),
        ("<xs:include schemaLocation='https://127.0.0.1/a.xsd'/>".into(), "3:", "imports from an address"),
    ]);
}

#[test]
fn a_description_that_is_not_understood_says_what_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let good = description("<xs:element name='In' type='xs:int'/>");
    for (from, to, says) in [
        ("use='literal'", "use='encoded'", "values encoded as SOAP does are not understood"),
        ("element='t:In'", "type='xs:int'", "a part of style `document` has to name an element"),
        (
            "<part name='p' element='t:In'/>",
            "<part name='p' element='t:In'/><part name='q' element='t:In'/>",
            "an envelope of style `document` has one part",
        ),
        ("style='document'", "style='rpc'", "a part of style `rpc` has to name a type"),
        ("message='t:m'", "message='t:n'", "there is no message `n` in `u`"),
        ("type='t:p'", "type='t:q'", "there is no portType `q` in `u`"),
        ("binding='t:b'", "binding='t:c'", "there is no binding `c` in `u`"),
        ("<s:address location='http://127.0.0.1/'/>", "", "no port of this service speaks SOAP"),
        ("<service name='s'>", "<!-- <service> -->", "an end tag is not the one of its start tag"),
        (
            "<portType name='p'><operation name='o'>",
            "<portType name='p'><operation name='x'>",
            "the portType has no operation `o`",
        ),
        (
            "soapAction=''",
            "soapAction='a\"b'",
            "the action of `o` cannot be sent in a header field",
        ),
        ("<definitions", "<!DOCTYPE a [<!ENTITY b 'c'>]><definitions", "a DOCTYPE is not taken"),
        ("<definitions", "<description", "an end tag is not the one of its start tag"),
    ] {
        assert!(good.contains(from), "{from}");
        let said = refused(
            folder,
            &good.replacen(from, to, 1).replace("soapAction='a\"b'", "soapAction='a&quot;b'"),
        );
        assert!(said.contains(says), "{to}: {said}");
    }
    assert!(refused(folder, "<a/>").contains("this is no WSDL 1.1"));
    assert!(refused(folder, "").contains("there is no element"));
    assert!(
        refused(
            folder,
            &good.replace("<service", "<documentation").replace("</service", "</documentation")
        )
        .contains("describes no service")
    );
    assert!(compile(json!({"wsdl": folder.join("none.wsdl")})).unwrap_err().contains("none.wsdl"));
}

#[test]
fn files_that_import_each_other_end() {
    let folder = tempfile::tempdir().unwrap();
    let schema = "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' targetNamespace='u'><xs:include schemaLocation='b.xsd'/><xs:element name='In' type='xs:int'/></xs:schema>";
    fs::write(folder.path().join("b.xsd"), schema).unwrap();
    let file = folder.path().join("a.wsdl");
    fs::write(&file, description("<xs:include schemaLocation='b.xsd'/>")).unwrap();
    assert!(compile(json!({"wsdl": file})).is_ok());
    for number in 0..100 {
        let next = format!(
            "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:include schemaLocation='c{}.xsd'/></xs:schema>",
            number + 1
        );
        fs::write(folder.path().join(format!("c{number}.xsd")), next).unwrap();
    }
    fs::write(&file, description("<xs:include schemaLocation='c0.xsd'/>")).unwrap();
    assert!(compile(json!({"wsdl": file})).unwrap_err().contains("imports more than 64 files"));
}

#[test]
fn what_is_said_of_operations_has_to_fit() {
    for (more, says) in [
        (
            json!({"operations": {"Transfer": {"method": "GET"}}}),
            "operations.Transfer.method: `amount` of `Transfer` is no simple value",
        ),
        (
            json!({"operations": {"GetBalance": {"method": "FETCH"}}}),
            "operations.GetBalance.method: `FETCH` is no method for a call",
        ),
        (
            json!({"operations": {"GetBalance": {"path": "balance"}}}),
            "operations.GetBalance.path: `balance` does not begin with `/`",
        ),
        (
            json!({"operations": {"GetBalance": {"path": "/{number}"}}}),
            "operations.GetBalance.path: `GetBalance` takes no simple value `number`",
        ),
        (
            json!({"operations": {"GetBalance": {"path": "/a"}, "Transfer": {"path": "/a"}}}),
            "operations.Transfer: another operation has `POST /a`, too",
        ),
        (json!({"soap": {"service": "Bonk"}}), "has no service `Bonk`; there are `Bank`"),
        (json!({"soap": {"port": "Bonk"}}), "has no port `Bonk`; there are `BankSoap`"),
        (json!({"soap": {"faults": {"A": 200}}}), "soap.faults.A: 200 is no status of a failure"),
        (
            json!({"soap": {"username": {"name": "a", "password": {"env": "JANUA_NO_SUCH"}}}}),
            "soap.username.password: the environment variable",
        ),
    ] {
        let mut section = more.clone();
        section["wsdl"] = format!("{WSDL}/bank.wsdl").into();
        let said = compile(section).unwrap_err();
        assert!(said.contains(says), "{more}: {said}");
    }
}
