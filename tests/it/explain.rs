//! x
use janua::app::{
    Source,
    explain::{Arguments, explain},
};
const C: &str = r#"
[[listener]]
name = "public"
address = "127.0.0.1:8080"
[[listener]]
name = "secure"
address = "127.0.0.1:8443"
tls = "self-signed"
hsts = "1d"
[upstream.orders]
endpoints = ["http://10.0.0.5:8080", { url = "http://10.0.0.6:8080", weight = 2 }]
[[route]]
name = "orders"
host = "api.example.com"
path = "/orders/{id}"
methods = ["GET"]
strip-prefix = "/orders"
response-headers = { set = { "x-order" = "{path.id}" } }
to = "orders"
[[route]]
host = "api.example.com"
path = "/orders/{rest*}"
methods = ["GET"]
headers = { x-version = "2" }
to = "http://127.0.0.1:3000"
[[route]]
path = "/hello"
to = { status = 200, body = "Hello" }
[[route]]
host = "old.example.com"
to = { redirect = "https://new.example.com{request.uri}" }
[[route]]
path = "/echo"
to = "echo"
"#;
#[test]
fn shows() {
    for (method, url) in [
        ("GET", "http://api.example.com:8080/orders/7?x=1"),
        ("POST", "https://api.example.com:8443/orders/7"),
        ("GET", "/hello"),
        ("GET", "http://old.example.com/a"),
        ("GET", "/nope"),
        ("GET", "/echo"),
    ] {
        let arguments = Arguments { method: method.into(), url: url.into(), ..Default::default() };
        println!(
            "{}\n=======",
            explain(&Source::Text("j.toml".into(), C.into()), &arguments).unwrap()
        );
    }
}
