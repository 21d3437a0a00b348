//! What `check` says of routes that lead past a document.

use super::{checked, partners, shop};

/// What has the path of an API and is no operation of it goes past its document.
#[test]
fn a_route_that_leads_past_a_document_is_told_of() {
    let api = format!(
        "{}[api.shop]\nopenapi = {}\nsecurity = {{ key = \"partners\" }}\n",
        partners(),
        shop()
    );
    let route = "[[route]]\napi = \"shop\"\nto = \"mock\"\n";
    for (stray, is_told) in [
        ("path = \"/v1/hidden\"", true),
        ("path = \"/v1/{rest*}\"", true),
        ("path = [\"/else\", \"/v1\"]", true),
        ("path = \"/v1/hidden\"\nlistener = \"main\"", true),
        // A method that the document does not have.
        ("path = \"/v1/orders\"\nmethods = [\"GET\", \"PURGE\"]", true),
        ("path = \"/v1/orders\"", true),
        ("path = \"/v1/orders/{any}\"\nmethods = \"GET\"\nheaders = { x-new = \"1\" }", false),
        ("path = \"/v1/orders/{any}/x\"", true),
        ("path = \"/v10\"", false),
        ("path = \"/{rest*}\"", false),
    ] {
        let said = checked(format!("{api}{route}[[route]]\n{stray}\nto = \"echo\"\n"));
        let told =
            "is among the paths of the API `shop` (`/v1`), whose document has no such operation";
        assert_eq!(said.contains(told), is_told, "{stray}: {said}");
    }
    let away = "[[route]]\nto = \"mock\"\napi = \"shop\"\nhost = \"api.example\"\n";
    for (host, is_told) in [
        ("api.example", true),
        ("API.example", true),
        ("*.example", true),
        ("other.example", false),
        ("*.other", false),
    ] {
        let hidden = format!("[[route]]\npath = \"/v1/hidden\"\nhost = \"{host}\"\n");
        for (to, is_told) in [("\"echo\"", is_told), ("{ status = 410 }", false)] {
            let said = checked(format!("{api}{away}{hidden}to = {to}\n"));
            assert_eq!(said.contains("no such operation"), is_told, "{host} {to}: {said}");
        }
    }
    // At the root an API has paths of its own only where it has a host of its own.
    let root = api.replace("[api.shop]\n", "[api.shop]\nbase-path = \"/\"\n");
    for (host, own, is_told) in [
        ("host = \"api.example\"\n", "host = \"api.example\"\n", true),
        ("host = \"api.example\"\n", "", false),
        ("", "host = \"api.example\"\n", false),
        ("", "", false),
    ] {
        let said = checked(format!(
            "{root}{route}{host}[[route]]\npath = \"/else\"\n{own}to = \"echo\"\n"
        ));
        let told = "`/else` is among the paths of the API `shop` (`/`)";
        assert_eq!(said.contains(told), is_told, "{host} {own}: {said}");
    }
}
