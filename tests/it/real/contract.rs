//! PyPI's `schemathesis` against an API that is held to its document: what it makes by the document passes, what
//! it makes against it does not, and no answer is another than is promised.

use super::{command, installed, said};
use crate::support::Setup;

async fn agrees(document: &str, base: &str) {
    let document = format!("{}/{document}", env!("CARGO_MANIFEST_DIR"));
    let janua = Setup::new(format!(
        "[api.it]\nopenapi = {document:?}\nanswers = \"enforce\"\n[[route]]\napi = \"it\"\nto = \"mock\"\n"
    ));
    let janua = janua.start().await;
    let mut schemathesis = command(installed("schemathesis"));
    schemathesis.current_dir(janua.path("")).env("HYPOTHESIS_STORAGE_DIRECTORY", janua.path("h"));
    schemathesis.arg("run").arg(&document);
    schemathesis.args(["--url", &format!("http://{}{base}", janua.address)]);
    schemathesis.args(["--checks", "all", "--mode", "all", "--phases", "coverage,fuzzing"]);
    schemathesis.args(["--max-examples", "30", "--seed", "1", "--no-color"]);
    let told = tokio::task::spawn_blocking(move || said(&mut schemathesis)).await.unwrap();
    assert!(told.contains("No issues found"), "{told}");
    let refused = janua.log().iter().filter(|line| !line["reason"].is_null()).count();
    assert!(refused > 10, "{refused} were refused, of {}", janua.log().len());
}

#[tokio::test]
async fn a_small_shop_is_held_to_its_document() {
    agrees("config/shop.yaml", "/shop").await;
}

#[tokio::test]
async fn all_styles_and_bodies_are_held_to_their_document() {
    agrees("fuzz/contract.yaml", "").await;
}
