//! What a user notices of rewriting: what an origin or a client gets, and what a bad rule says.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;

use super::{FieldValue, Form, HeaderRules, PathRewrite, RewriteProblem, Template, Variables};
use crate::{config, reject::Reject};

const PARAMS: [&str; 2] = ["id", "rest"];

/// A request for `target` with some header fields; `{path.id}` is 7 and `{path.rest}` is `a/b%20c`.
struct Request {
    method: Method,
    host: HeaderValue,
    path: String,
    query: Option<String>,
    id: HeaderValue,
    headers: HeaderMap,
}

impl Request {
    fn new(target: &str, fields: &[(&'static str, &str)]) -> Self {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).expect(value));
        }
        let host = HeaderValue::from_static("shop.example");
        let id = HeaderValue::from_static("0af7");
        Self { method: Method::GET, host, path: path.to_owned(), query, id, headers }
    }

    fn variables(&self) -> Variables<'_> {
        Variables {
            method: &self.method,
            scheme: "http",
            host: Some(&self.host),
            path: &self.path,
            query: self.query.as_deref(),
            id: &self.id,
            headers: &self.headers,
            client: Some([192, 0, 2, 1].into()),
            claim: &|name| (name == "tenant").then(|| "a&b=1 \r\nx".to_owned()),
            route: "orders",
            params: &|name| match name {
                "id" => Some("7"),
                "rest" => Some("a/b%20c"),
                _ => None,
            },
        }
    }
}

fn render(text: &str, form: Form, request: &Request) -> String {
    let template = Template::compile(text, form, &PARAMS).expect(text);
    String::from_utf8_lossy(&template.render(&request.variables())).into_owned()
}

#[test]
fn every_variable_has_its_value() {
    let request = Request::new("/a/b?c=d", &[("x-login", "ann"), ("x-login", "eve")]);
    for (text, expected) in [
        ("", ""),
        ("plain", "plain"),
        ("{{{route}}}", "{orders}"),
        ("{request.method} {request.uri}", "GET /a/b?c=d"),
        ("{request.scheme}://{request.host}{request.path}", "http://shop.example/a/b"),
        ("?{request.query}#{request.id}", "?c=d#0af7"),
        ("{client.ip},{path.id},{path.rest}", "192.0.2.1,7,a/b%20c"),
        ("<{request.header.X-Login}>", "<ann>"),
        ("<{request.header.x-none}>", "<>"),
    ] {
        assert_eq!(render(text, Form::Text, &request), expected, "{text}");
    }
    assert_eq!(render("{request.uri}", Form::Text, &Request::new("/a", &[])), "/a");
}

#[test]
fn values_are_made_safe_for_where_they_go() {
    let nasty = Request::new("/a\"b%20c", &[("x", "<a href='/?q=1&r'>\u{e9}\t")]);
    for (form, expected) in [
        (Form::Text, "<a href='/?q=1&r'>\u{e9}\t /a\"b%20c"),
        (Form::Header, "<a href='/?q=1&r'>\u{e9}\t /a\"b%20c"),
        (Form::Html, "&lt;a href=&#39;/?q=1&amp;r&#39;&gt;\u{e9}\t /a&quot;b%20c"),
        (Form::Uri, "%3Ca%20href%3D%27%2F%3Fq%3D1%26r%27%3E%C3%A9%09%20/a%22b%20c"),
    ] {
        assert_eq!(render("{request.header.x} {request.path}", form, &nasty), expected, "{form:?}");
    }
    assert_eq!(render("/caf\u{e9}#top", Form::Uri, &nasty), "/caf%C3%A9#top");
}

#[test]
fn behind_a_question_mark_a_value_is_the_value_of_one_parameter() {
    let request = Request::new("/a&b=c+d?e=f&g=h", &[]);
    for (text, expected) in [
        ("/x?id={request.path}&role=user", "/x?id=/a%26b%3Dc%2Bd&role=user"),
        ("/login?next={request.uri}", "/login?next=/a%26b%3Dc%2Bd?e%3Df%26g%3Dh"),
        // The query itself stays what it is.
        ("/x?{request.query}", "/x?e=f&g=h"),
        ("/x?a=1&{request.query}&p={request.path}", "/x?a=1&e=f&g=h&p=/a%26b%3Dc%2Bd"),
        ("{request.uri}&p={request.path}", "/a&b=c+d?e=f&g=h&p=/a%26b%3Dc%2Bd"),
        ("{request.path}?p=1", "/a&b=c+d?p=1"),
    ] {
        assert_eq!(render(text, Form::Uri, &request), expected, "{text}");
    }
}

#[test]
fn a_bad_template_says_where_and_what_was_meant() {
    for (text, at, says) in [
        ("{request.hots}", 0, "did you mean `{request.host}`?"),
        ("a {request.uir}", 2, "did you mean `{request.uri}`?"),
        ("{path.idd}", 0, "did you mean `{path.id}`?"),
        ("{path.something}", 0, "there is `{path.id}`, `{path.rest}`"),
        ("{id}", 0, "there are client.ip, request.host"),
        ("{}", 0, "for a brace write `{{`"),
        ("{request.header.a b}", 0, "not a header field's name"),
        ("{request.header.}", 0, "not a header field's name"),
        ("a{route", 1, "for a brace write `{{`"),
        ("{{a}", 3, "for a brace write `}}`"),
        ("a\r\nb", 1, "control character"),
    ] {
        let problem = Template::compile(text, Form::Header, &PARAMS).expect_err(text);
        let all = format!("{} {}", problem.message, problem.help.unwrap_or_default());
        assert!(all.contains(says), "{text}: {all}");
        assert_eq!(problem.at, at, "{text}");
    }
    let none: [&str; 0] = [];
    let problem = Template::compile("{path.id}", Form::Text, &none).expect_err("no parameters");
    assert!(problem.help.is_some_and(|help| help.contains("every path of the route")));
}

#[test]
fn a_location_never_leads_to_a_host_that_the_client_chose() {
    for (text, target, expected) in [
        ("https://{request.host}{request.uri}", "/a?b=c", "https://shop.example/a?b=c"),
        ("{request.uri}/", "//evil.example", "/evil.example/"),
        ("{request.uri}", "///evil.example", "/evil.example"),
        ("/{request.path}", "/\\evil.example", "/%5Cevil.example"),
        ("{request.header.x}", "/", "javascript%3Aalert%281%29"),
        ("//cdn.example{request.path}", "/a", "//cdn.example/a"),
    ] {
        let request = Request::new(target, &[("x", "javascript:alert(1)")]);
        let location = FieldValue::compile_uri(text, &PARAMS).expect(text);
        assert_eq!(location.render(&request.variables()), expected, "{text}");
    }
}

fn header_rules(text: &str) -> Result<HeaderRules, Vec<RewriteProblem>> {
    HeaderRules::compile(&toml::from_str(text).expect(text), &PARAMS)
}

#[test]
fn header_rules_remove_then_set_then_add() {
    let rules = header_rules(
        r#"
        remove = ["X-Secret", "x-both"]
        set = { x-both = "new", x-client = "{client.ip}", x-gone = "{request.header.x-none}" }
        add = { x-list = "{route}", x-fixed = "f", x-nothing = "{request.header.x-none}" }
        "#,
    )
    .expect("rules");
    let mut request = Request::new(
        "/",
        &[("x-secret", "s"), ("x-both", "1"), ("x-both", "2"), ("x-client", "forged")],
    );
    request.headers.append("x-list", HeaderValue::from_static("first"));
    request.headers.append("x-gone", HeaderValue::from_static("forged"));
    // The request's own map: the values are made from it before it is changed.
    let changes = rules.render(&request.variables());
    changes.apply(&mut request.headers);
    let mut after: Vec<_> = request
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")))
        .collect();
    after.sort();
    assert_eq!(
        after,
        ["x-both: new", "x-client: 192.0.2.1", "x-fixed: f", "x-list: first", "x-list: orders"],
    );
    assert!(HeaderRules::default().is_empty() && !rules.is_empty());
}

#[test]
fn framing_and_connection_fields_are_not_the_operators() {
    for (text, says) in [
        (r#"set = { Connection = "close" }"#, "`connection` is not changed by a rule"),
        (r#"add = { content-length = "1" }"#, "`content-length`"),
        (r#"remove = "transfer-encoding""#, "`transfer-encoding`"),
        (r#"remove = "host""#, "the upstream's `host`"),
        (r#"set = { te = "trailers", upgrade = "h2c" }"#, "Janua writes it anew"),
        (r#"set = { "a b" = "1" }"#, "not a header field's name"),
        (r#"set = { A = "1", a = "2" }"#, "there twice"),
        (r#"set = { a = "{nothing}" }"#, "no variable `nothing`"),
        (r#"set = { a = "b\nc" }"#, "control character"),
    ] {
        let problems = header_rules(text).expect_err(text);
        let all = problems.iter().map(|p| format!("{} {:?}", p.message, p.help));
        let all: Vec<_> = all.collect();
        assert!(all.iter().any(|said| said.contains(says)), "{text}: {all:?}");
    }
    let both = header_rules("remove = [\"te\", \"x\"]\nset = { upgrade = \"{x}\" }");
    assert_eq!(both.expect_err("three problems").len(), 3);
}

fn rewrite(text: &str) -> Result<PathRewrite, Vec<RewriteProblem>> {
    PathRewrite::compile(&toml::from_str::<config::Route>(text).expect(text), &PARAMS)
}

/// The target that the origin sees.
fn target(text: &str, request: &Request) -> Result<String, Reject> {
    let came = match &request.query {
        Some(query) => format!("{}?{query}", request.path),
        None => request.path.clone(),
    };
    let new = rewrite(text).expect(text).apply(&request.variables())?;
    Ok(new.map_or(came, |target| target.to_string()))
}

#[test]
fn a_prefix_is_taken_off_and_put_on_by_whole_segments() {
    let (strip, add) = (r#"strip-prefix = "/api""#, r#"add-prefix = "/v2/""#);
    let both = format!("{strip}\n{add}");
    for (text, came, goes) in [
        ("", "/api/x?y=z", "/api/x?y=z"),
        (strip, "/api", "/"),
        (strip, "/api?q", "/?q"),
        (strip, "/api/", "/"),
        (strip, "/api/x?y=z", "/x?y=z"),
        (strip, "/apix", "/apix"),
        (strip, "/v1/api/x", "/v1/api/x"),
        (strip, "/%61pi/x", "/x"),
        (strip, "//api//x", "/x"),
        (strip, "/api%2Fx", "/api%2Fx"),
        (strip, "/api//evil.example", "/evil.example"),
        (strip, "/api/%2F?", "/%2F?"),
        (strip, "*", "*"),
        (add, "/x", "/v2/x"),
        (add, "/", "/v2/"),
        (add, "//x", "/v2//x"),
        (add, "*", "*"),
        (&both, "/api/x", "/v2/x"),
        (&both, "/api", "/v2/"),
        (&both, "/other", "/v2/other"),
        (r#"strip-prefix = "/a b/é""#, "/a%20b/%c3%a9/x", "/x"),
    ] {
        assert_eq!(target(text, &Request::new(came, &[])).as_deref(), Ok(goes), "{text} {came}");
    }
}

#[test]
fn a_rewrite_says_path_and_query() {
    for (text, came, goes) in [
        ("/items/{path.id}", "/orders/7", "/items/7"),
        ("/items/{path.id}", "/orders/7?a=b?", "/items/7?a=b?"),
        ("/items/{path.id}?from={request.host}", "/orders/7?a=b", "/items/7?from=shop.example"),
        ("/items?id={path.id}&{request.query}", "/orders/7?a=b?", "/items?id=7&a=b?"),
        ("/new?{request.query}", "/old", "/new"),
        ("/proxy{request.uri}", "/a?b=c", "/proxy/a?b=c"),
        ("/proxy{request.uri}", "/a", "/proxy/a"),
        ("{request.path}", "//evil.example/x", "/evil.example/x"),
        ("/u/{request.header.x}", "/", "/u/a%2Fb%2F%3Fb%3D%26%23%25"),
        ("/{path.rest}/é", "/", "/a/b%20c/%C3%A9"),
    ] {
        let request = Request::new(came, &[("x", "a/b/?b=&#%")]);
        let text = format!("rewrite = \"{text}\"");
        assert_eq!(target(&text, &request).as_deref(), Ok(goes), "{text} {came}");
    }
}

#[test]
fn a_client_cannot_climb_out_of_a_rewrite() {
    for value in ["..", ".", "%2e%2E", "../x", "x/../../y", "..\\x", "..;x"] {
        let request = Request::new(&format!("/{value}"), &[("x", value)]);
        let climbs = target(r#"rewrite = "/files{request.path}""#, &request);
        assert_eq!(climbs, Err(Reject::RequestTarget));
        let header = target(r#"rewrite = "/files/{request.header.x}/x""#, &request);
        assert_eq!(header.is_err(), value != "%2e%2E", "its `%` is encoded: {header:?}");
    }
    let long = Request::new(&format!("/{}", "a".repeat(65_530)), &[]);
    assert_eq!(target(r#"add-prefix = "/prefix""#, &long), Err(Reject::TargetTooLong));
}

#[test]
fn a_bad_rewrite_says_what_to_write() {
    for (text, key, says) in [
        (r#"strip-prefix = "api""#, "strip-prefix", "write \"/api\""),
        (r#"strip-prefix = "/""#, "strip-prefix", "write it like"),
        (r#"strip-prefix = "/a/../b""#, "strip-prefix", "write it like"),
        (r#"add-prefix = "/{path.id}""#, "add-prefix", "use `rewrite`"),
        (r#"rewrite = "items""#, "rewrite", "write \"/items\""),
        (r#"rewrite = "{request.host}/x""#, "rewrite", "begins with `/`"),
        (r##"rewrite = "/a#b""##, "rewrite", "fragment"),
        (r#"rewrite = "/{path.no}""#, "rewrite", "no parameter `no`"),
        ("rewrite = \"/a\"\nadd-prefix = \"/b\"", "rewrite", "keep either"),
    ] {
        let problems = rewrite(text).expect_err(text);
        let said = format!("{} {:?}", problems[0].message, problems[0].help);
        assert_eq!((problems.len(), problems[0].key), (1, key), "{text}");
        assert!(said.contains(says) || said.replace("\\\"", "\"").contains(says), "{text}: {said}");
    }
}

proptest! {
    #[test]
    fn no_template_panics(text in "\\PC*|([{}]|request|\\.|path|id|header)*") {
        for form in [Form::Header, Form::Html, Form::Text, Form::Uri] {
            let _ = Template::compile(&text, form, &PARAMS);
        }
        let _ = rewrite(&format!("rewrite = {}", toml::Value::String(text)));
    }

    #[test]
    fn what_a_client_sends_never_breaks_a_value_or_a_target(
        path in "/[!-~]{0,20}",
        query in proptest::option::of("[!-~]{0,20}"),
        value in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut request = Request::new(&path, &[]);
        request.query = query;
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            request.headers.insert(HeaderName::from_static("x"), value);
        }
        let all = "/{request.header.x}/{request.path}/{request.query}/{path.rest}?{request.uri}";
        let value = FieldValue::compile(all, &PARAMS).expect(all).render(&request.variables());
        prop_assert!(!value.is_empty());
        let value = FieldValue::compile_uri(all, &PARAMS).expect(all).render(&request.variables());
        prop_assert!(value.to_str().is_ok_and(|value| !value.contains(' ')));
        for rule in [format!("rewrite = \"{all}\""), "strip-prefix = \"/a\"\nadd-prefix = \"/b\"".into()] {
            match rewrite(&rule).expect("a rule").apply(&request.variables()) {
                Ok(target) => {
                    let target = target.map_or_else(|| "/".into(), |target| target.to_string());
                    prop_assert!(target.starts_with('/') && !target.starts_with("//"));
                }
                Err(refusal) => prop_assert_eq!(refusal, Reject::RequestTarget),
            }
        }
    }
}
