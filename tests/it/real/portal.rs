//! The portal in Chromium: what a developer sees, taken from nowhere but the gateway.

use super::{browser, said, script};
use crate::support::{Janua, Setup};

/// A portal that shows the shop.
async fn portal() -> Janua {
    let shop = concat!(env!("CARGO_MANIFEST_DIR"), "/config/shop.yaml");
    let setup = Setup::new(format!(
        "[docs]\npath = \"/docs\"\n[api.shop]\nopenapi = {shop:?}\n[[route]]\napi = \"shop\"\nto = \"mock\"\n"
    ));
    setup.start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_shows_the_operations_and_asks_nobody_else() {
    let janua = portal().await;
    let url = format!("http://{}/docs/shop", janua.address);
    let (page, said) = browser::shown(&janua, &url).await;
    let server = format!("http://{}/shop", janua.address);
    for part in ["All orders", "A new order", "One order", "Orders of a small shop.", &server] {
        assert!(page.contains(part), "no {part:?} in\n{page:.4000}");
    }
    // It stands where it is seen.
    let head = page.find("</head>").unwrap();
    assert!(page[head..].contains("All orders"), "{page:.4000}");
    let refused = ["Content Security Policy", "ERR_NAME_NOT_RESOLVED", "Uncaught"];
    assert!(!refused.iter().any(|what| said.contains(what)), "{said}");
    for line in janua.log() {
        assert!(matches!(line["status"].as_u64(), Some(200 | 304)), "{line}");
    }
}

/// Where a developer searches who does not know yet which API it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_shows_all_apis_at_once() {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/config");
    let setup = Setup::new(format!(
        "[docs]\npath = \"/docs\"\n\
         [api.shop]\nopenapi = \"{config}/shop.yaml\"\n[[route]]\napi = \"shop\"\nto = \"mock\"\n\
         [api.bank]\nwsdl = \"{config}/bank.wsdl\"\nbase-path = \"/bank\"\n\
         [[route]]\napi = \"bank\"\nto = \"echo\"\n"
    ));
    let janua = setup.start().await;
    let url = format!("http://{}/docs/all.html", janua.address);
    let (page, said) = browser::shown(&janua, &url).await;
    let body = &page[page.find("</head>").unwrap()..];
    for part in ["Bank", "/bank/GetBalance", "How much there is, on a day or now.", "Shop"] {
        assert!(body.contains(part), "no {part:?} in\n{body:.4000}");
    }
    assert!(!said.contains("Content Security Policy") && !said.contains("Uncaught"), "{said}");
}

/// At the width of a phone and of a desk.
#[tokio::test(flavor = "multi_thread")]
async fn a_developer_finds_an_operation_and_tries_it() {
    let janua = portal().await;
    let browser = browser::Driven::open(&janua).await;
    let mut portal = script("portal.py");
    portal.args([browser.port.to_string(), format!("http://{}/docs/shop", janua.address)]);
    let seen = tokio::task::spawn_blocking(move || said(&mut portal)).await.unwrap();
    let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
    assert_eq!((&seen["phone"], &seen["desk"]), (&true.into(), &true.into()), "it does not fit");
    assert!(seen["found"].as_str().unwrap().contains("A new order"), "{seen}");
    assert!(seen["answer"].as_str().unwrap().contains("amphora"), "{seen}");
    let tried =
        |line: &serde_json::Value| line["route"] == "shop/listOrders" && line["status"] == 200;
    assert!(janua.log().iter().any(tried), "{:#?}", janua.log());
}
