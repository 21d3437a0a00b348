//! The portal in Chromium: what a developer sees, taken from nowhere but the gateway.

use super::browser;
use crate::support::Setup;

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_shows_the_operations_and_asks_nobody_else() {
    let shop = concat!(env!("CARGO_MANIFEST_DIR"), "/config/shop.yaml");
    let janua = Setup::new(format!(
        "[docs]\npath = \"/docs\"\n[api.shop]\nopenapi = {shop:?}\n[[route]]\napi = \"shop\"\nto = \"mock\"\n"
    ));
    let janua = janua.start().await;
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
