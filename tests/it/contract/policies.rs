//! Routes of an API: which there are, and what each operation asks for.

use super::{partners, setup, shop, shop_of_all};
use crate::support::{Origin, Setup};

#[tokio::test]
async fn each_operation_is_a_route_and_nothing_else_is() {
    let (_origin, janua) = shop_of_all("").await;
    let world = janua.world();
    let names: Vec<_> = world.routes.targets().iter().map(|route| &*route.name).collect();
    assert_eq!(
        names,
        [
            "shop/listOrders",
            "shop/addOrder",
            "shop/getOrder",
            "shop/dropOrder",
            "shop/styles",
            "shop/exploded"
        ]
    );
    janua.get("/v1/other").await.assert_refused(404, "no_route", "no operation");
    janua.get("/orders").await.assert_refused(404, "no_route", "the server's path is missing");
    let answer = janua.client().await.request("PUT /v1/orders/7", "").await;
    answer.assert_refused(405, "method_not_allowed", "not by this method");
    assert_eq!(answer.field("allow").as_deref(), Some("DELETE, GET, HEAD"));
}

#[tokio::test]
async fn who_an_operation_asks_for_is_what_its_document_says() {
    let (_origin, janua) = shop_of_all("").await;
    let answer = janua.client().await.request("DELETE /v1/orders/7", "").await;
    answer.assert_refused(401, "auth.missing", "the document's own `security`");
    assert_eq!(janua.get("/v1/orders/7").await.status(), 200, "`security: []`");
    // Who may not come in learns nothing of the contract.
    let answer = janua.client().await.request("DELETE /v1/orders/x", "").await;
    answer.assert_refused(401, "auth.missing", "before the parameter is looked at");
}

#[tokio::test]
async fn an_operation_may_be_different_from_what_its_document_says() {
    let keys = "base-path = \"/shop\"\n[api.shop.operations]\n\
                dropOrder = { auth = [] }\n\
                getOrder = { auth = \"partners\", limit = \"1/h\" }\n\
                addOrder = { enabled = false }\n\
                listOrders = { limit = { rate = \"1/h\", per = \"global\" } }\n";
    let (_origin, janua) = shop_of_all(keys).await;
    let status = async |line: &str| janua.client().await.request(line, "").await.status();
    assert_eq!(status("DELETE /shop/orders/7").await, 200);
    assert_eq!(status("GET /shop/orders/7").await, 401);
    assert_eq!(status("POST /shop/orders").await, 405);
    assert_eq!(status("GET /shop/orders").await, 200);
    assert_eq!(status("GET /shop/orders").await, 429);
}

/// Keys of ours in the document count where the file says nothing.
#[tokio::test]
async fn a_document_may_say_for_itself_what_its_operations_ask_for() {
    let origin = Origin::ok().await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("api.json");
    let document = serde_json::json!({
        "openapi": "3.0.3",
        "info": { "title": "A", "version": "1" },
        "paths": { "/a": {
            "get": { "x-janua-limit": "1/h", "responses": {} },
            "post": { "x-janua-auth": "partners", "responses": {} },
            "delete": { "x-janua-cache": true, "x-janua-auth": [], "responses": {} },
        } },
    });
    std::fs::write(&file, document.to_string()).unwrap();
    let janua = Setup::new(format!(
        "{}[api.a]\nopenapi = {:?}\noperations = {{ \"POST /a\" = {{ limit = \"5/h\" }} }}\n\
         [[route]]\napi = \"a\"\nto = \"{}\"\n",
        partners(),
        file.display().to_string(),
        origin.url
    ));
    let janua = janua.start().await;
    let status = async |line: &str| janua.client().await.request(line, "").await.status();
    assert_eq!((status("GET /a").await, status("GET /a").await), (200, 429));
    assert_eq!(status("POST /a").await, 401);
    let world = janua.world();
    let delete = world.routes.targets().iter().find(|route| &*route.name == "a/DELETE /a");
    assert!(delete.unwrap().cache.is_some());
}

/// The route's own keys hold for every operation.
#[tokio::test]
async fn an_apis_route_may_be_for_a_host_and_change_header_fields() {
    let origin = Origin::ok().await;
    let text = format!(
        "[api.shop]\nopenapi = {}\nsecurity = {{ key = \"partners\" }}\n{}\
         [[route]]\nname = \"s\"\napi = \"shop\"\nhost = \"shop.example\"\nto = \"{}\"\n\
         strip-prefix = \"/v1\"\nrequest-headers = {{ set = {{ x-order = \"{{path.order-id}}\" }} }}\n",
        shop(),
        partners(),
        origin.url
    );
    // A variable that only some operations have is an error at load.
    let report = Setup::new(text.clone()).fails_to_start().await;
    assert!(report.to_string().contains("order-id"), "{report}");
    let text = text.replace("{path.order-id}", "{route}");
    let janua = Setup::new(text).start().await;
    let answer = janua.client().await.request("GET /v1/orders/7", "").await;
    assert_eq!(answer.status(), 404, "another host");
    let mut client = janua.client().await;
    client.send("GET /v1/orders/7 HTTP/1.1\r\nHost: shop.example\r\n\r\n").await;
    assert_eq!(client.answer().await.status(), 200);
    let got = origin.last();
    assert_eq!((got.target(), got.field("x-order")), ("/orders/7", Some("s/getOrder".into())));
}

#[tokio::test]
async fn a_reload_with_a_document_that_is_wrong_changes_nothing() {
    let (origin, janua) = shop_of_all("").await;
    let wrong = setup(&origin.url, "operations = { nope = { limit = \"1/s\" } }");
    assert!(janua.reload(&wrong).await.is_err());
    assert_eq!(janua.get("/v1/orders/7").await.status(), 200);
    let diff = janua.reload(&setup(&origin.url, "max-depth = 9")).await.unwrap();
    assert_eq!(diff.changed, ["api shop"]);
}
