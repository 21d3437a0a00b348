//! The portal in Chromium: what a developer sees, taken from nowhere but the gateway.

use std::process::Command;

use super::{alone, program};
use crate::support::Setup;

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_shows_the_operations_and_asks_nobody_else() {
    let shop = concat!(env!("CARGO_MANIFEST_DIR"), "/config/shop.yaml");
    let janua = Setup::new(format!(
        "[docs]\npath = \"/docs\"\n[api.shop]\nopenapi = {shop:?}\n[[route]]\napi = \"shop\"\nto = \"mock\"\n"
    ));
    let janua = janua.start().await;
    let mut chromium = Command::new(program("chromium"));
    alone(&mut chromium);
    chromium.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
    chromium.args(["--no-first-run", "--disable-background-networking", "--enable-logging=stderr"]);
    chromium.args(["--disable-component-update", "--virtual-time-budget=20000", "--dump-dom"]);
    chromium.arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1");
    chromium.arg(format!("--user-data-dir={}", janua.path("chromium").display()));
    chromium.arg(format!("http://{}/docs/shop", janua.address));
    let shown = tokio::task::spawn_blocking(move || chromium.output().unwrap()).await.unwrap();
    let page = String::from_utf8_lossy(&shown.stdout).into_owned();
    let server = format!("http://{}/shop", janua.address);
    for part in ["All orders", "A new order", "One order", "Orders of a small shop.", &server] {
        assert!(page.contains(part), "no {part:?} in\n{page:.4000}");
    }
    // It stands where it is seen.
    let head = page.find("</head>").unwrap();
    assert!(page[head..].contains("All orders"), "{page:.4000}");
    let said = String::from_utf8_lossy(&shown.stderr).into_owned();
    let refused = ["Content Security Policy", "ERR_NAME_NOT_RESOLVED", "Uncaught"];
    assert!(!refused.iter().any(|what| said.contains(what)), "{said}");
    for line in janua.log() {
        assert!(matches!(line["status"].as_u64(), Some(200 | 304)), "{line}");
    }
}
