//! What to try with the demo: ready commands, and what each of them shows.
//!
//! In: where the demo is. Out: [`Try`]s in the order they are printed. A feature that has something to
//! show adds its line to [`TABLE`] and its route to `demo.toml`; `tests/it/demo.rs` runs every line.

use std::{net::SocketAddr, path::Path as FilePath};

use super::{Addresses, Secrets, certificates, idp};

/// A command to try.
#[derive(Clone, Debug)]
pub struct Try {
    /// What it is about.
    pub title: &'static str,
    /// The command, for a shell.
    pub command: String,
    /// What it shows.
    pub shows: &'static str,
    /// What its output holds if that is so.
    pub proof: &'static [&'static str],
}

/// Title, command, what it shows, what proves it. `HTTP`, `HTTPS` and `CERTIFIED` are the demo's addresses;
/// other words in capitals are files, keys, tokens and a password that it made.
#[rustfmt::skip]
const TABLE: &[(&str, &str, &str, &[&str])] = &[
    ("Proxy", "curl -s HTTP/",
        "an origin says its name and what it got",
        &["It got GET / with", "x-forwarded-for: 127.0.0.1", "via: 1.1 janua"]),
    ("Balance", "curl -s 'HTTP/who?[1-4]'",
        "dawn and dusk take turns",
        &["dawn\n", "dusk\n"]),
    ("Route by header", "curl -s -H 'x-version: 2' 'HTTP/who?[1-2]'",
        "the more specific route wins, it leads to dusk",
        &["dusk\ndusk\n"]),
    ("Canary", "curl -s 'HTTP/release?[1-20]'; curl -s -b canary=dusk 'HTTP/release?[1-4]'",
        "one in ten goes to dusk, and everybody who has the cookie",
        &["dawn\n", "dusk\ndusk\ndusk\ndusk\n"]),
    ("Rewrite", "curl -si HTTP/api/orders/7",
        "the origin sees no /api, but x-order; you see x-served-by",
        &["It got GET /orders/7 with", "x-order: 7\n", "x-served-by: orders\r\n"]),
    ("Answer", "curl -s HTTP/hello/Ada",
        "Janua answers by itself, from the path",
        &["Hello, Ada.\n"]),
    ("Redirect", "curl -si HTTP/old/who",
        "308 to the new place",
        &["HTTP/1.1 308 ", "location: /who\r\n"]),
    ("Mirror", "curl -s -H 'Host: mirror.localhost' HTTP/any/thing",
        "a route by host; to = \"echo\" shows what an origin would get",
        &["\"target\": \"/any/thing\"", "\"route\": \"mirror\""]),
    ("No forgery", "curl -s -H 'X-Forwarded-For: 192.0.2.9' -H 'X_Forwarded_Proto: https' HTTP/",
        "the origin is told the truth about you",
        &["  x-forwarded-for: 127.0.0.1\n", "  x-forwarded-proto: http\n"]),
    ("Access list", "curl -s HTTP/office; curl -s --interface 127.0.0.9 HTTP/office",
        "one address of this machine may come in, another may not",
        &["You are in.\n", "\"reason\":\"access.ip\""]),
    ("Refusal", "curl -si HTTP/nowhere",
        "404 with a reason that is the same in the log, the metrics and `janua explain`",
        &["HTTP/1.1 404 ", "\"reason\":\"no_route\""]),
    ("Refusal as a page", "curl -s -H 'Accept: text/html' HTTP/nowhere",
        "the same for a browser",
        &["<h1>404 Not Found</h1>", "no_route"]),
    ("Method", "curl -si -X DELETE HTTP/hello/Ada",
        "405, and which methods there are",
        &["HTTP/1.1 405 ", "allow: GET, HEAD\r\n", "method_not_allowed"]),
    ("Ambiguity", "curl -si -H 'Content-Length: 3' -H 'Transfer-Encoding: chunked' -d abc HTTP/echo",
        "two lengths for one body smell of smuggling: 400",
        &["HTTP/1.1 400 ", "request.framing"]),
    ("Size", "head -c 2000000 /dev/zero | curl -si --data-binary @- HTTP/echo",
        "413: the route takes 1 MiB; curl asks first and sends nothing",
        &["HTTP/1.1 413 ", "request.body_too_large"]),
    ("Timeout", "curl -si HTTP/delay/3000",
        "the route gives up after a second: 504, and which time it was",
        &["HTTP/1.1 504 ", "timeout.first_byte"]),
    ("Status", "curl -si HTTP/status/418",
        "an origin's own word passes as it is",
        &["HTTP/1.1 418 ", "x-origin: d"]),
    ("Streaming", "seq 3 | curl -s -T - HTTP/echo",
        "an upload of unknown length comes back while it goes",
        &["1\n2\n3\n"]),
    ("Events", "curl -sN HTTP/sse",
        "server-sent events, each as it happens",
        &["data: event 1 of 5 from d", "data: event 5 of 5 from d"]),
    ("WebSocket", "curl -siN --max-time 1 -H 'Connection: Upgrade' -H 'Upgrade: websocket' \
        -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' HTTP/ws",
        "101; any WebSocket client gets back what it says",
        &["HTTP/1.1 101 ", "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"]),
    ("Limit", "for i in 1 2 3 4 5; do curl -si HTTP/limited | sed -n '1p;/^ratelimit:/p;/^retry-after:/p'; done",
        "three at once and then one in ten seconds: 429 with what is left and when to come again",
        &["HTTP/1.1 200 OK\r\nratelimit: \"few\";r=0;t=", "HTTP/1.1 429 ", "retry-after: 10\r\n"]),
    ("Quota", "for i in 1 2 3; do curl -si -H 'X-Team: red' HTTP/daily | sed -n '1p;/^ratelimit:/p;/quota/p'; done",
        "two a day for each team, until midnight UTC: 429, limit.quota",
        &["HTTP/1.1 200 OK\r\nratelimit: \"daily\";r=0;t=", "HTTP/1.1 429 ", "limit.quota"]),
    ("Delay", "for i in 1 2 3 4 5 6; do curl -s -o /dev/null -w '%{http_code} after %{time_total} s\n' HTTP/delayed & done; wait",
        "six at a time where four a second may come: nobody is refused, each waits for its turn",
        &["200 after 0.", "200 after 1."]),
    ("Overload", "for i in 1 2 3 4; do curl -s -o /dev/null -w '%{http_code} after %{time_total} s\\n' HTTP/busy/700 & done; wait",
        "four at a time where two may be in flight: two are refused at once, the others do not notice",
        &["503 after 0.0", "200 after 0.7"]),
    ("Bandwidth", "head -c 163840 /dev/zero | curl -s --data-binary @- -o /dev/null \
        -w '%{size_download} bytes after %{time_total} s\\n' HTTP/paced",
        "160 KiB where answers go at 64 KiB a second",
        &["163840 bytes after 2."]),
    ("Cache", "curl -si HTTP/news/sports HTTP/news/sports | grep -i -e ^cache-status -e edition",
        "the first one is fetched and kept, the second is what was kept",
        &["janua; fwd=uri-miss; fwd-status=200; stored", "janua; hit; ttl="]),
    ("Stale", "curl -s HTTP/news/weather; sleep 3; for i in 1 2; do curl -si HTTP/news/weather | grep -i -e ^cache-status -e edition; sleep 0.2; done",
        "what has just become stale is given once more at once, while a new edition is fetched for the next",
        &["; detail=stale", "janua; hit; ttl="]),
    ("Validation", "curl -si HTTP/news/archive HTTP/news/archive | grep -i -e ^cache-status -e edition",
        "no-cache: what is kept is given when the origin says that it holds, with 304",
        &["janua; fwd=uri-miss; fwd-status=200; stored", "janua; fwd=stale; fwd-status=304; "]),
    ("Purge", "curl -s HTTP/news/markets; curl -s -X POST --unix-socket ADMIN 'http://janua/purge?tag=news'; \
        curl -si HTTP/news/markets | grep -i -e ^cache-status -e edition",
        "what the origin has tagged as news is void at once",
        &["purged\n", "fwd-status=200; stored"]),
    ("Contract", "curl -s -H 'Content-Type: application/json' -d '{\"customer\":\"\",\"lines\":[{\"article\":\"Vase\"}],\"vip\":true}' HTTP/shop/orders",
        "an order that is not what the API's document says: 422, and everything that is wrong with it",
        &["contract.body", "\"pointer\":\"/customer\"", "\"pointer\":\"/lines/0\"", "'vip' was unexpected"]),
    ("Transform", "curl -s -H 'Content-Type: application/json' -d '{\"items\":[{\"price\":2.5,\"count\":4},{\"price\":5,\"count\":1}]}' HTTP/totals",
        "a filter in the language of jq makes other JSON of it before the origin gets it",
        &["{\"count\":2,\"total\":15}"]),
    ("Pages", "curl -si -X OPTIONS -H 'Origin: https://app.shop.example' -H 'Access-Control-Request-Method: POST' HTTP/totals | grep -i allow; \
        curl -s -X OPTIONS -H 'Origin: https://other.example' -H 'Access-Control-Request-Method: POST' HTTP/totals",
        "what a browser asks before a page of another origin uses a route, and what it is told of one that may not",
        &["access-control-allow-origin: https://app.shop.example", "access-control-allow-methods: POST", "cors.refused"]),
    ("Mock", "curl -s 'HTTP/shop/orders/7?trace=1'",
        "an operation without an origin answers from the document",
        &["\"customer\": \"Ada\"", "\"article\": \"amphora\""]),
    ("SOAP as JSON", "curl -s HTTP/accounts/CH000001; curl -s -H 'Content-Type: application/json' -d '{\"from\":\"CH000001\",\"to\":\"CH000002\",\"amount\":{\"@currency\":\"EUR\",\"#text\":120.5}}' HTTP/transfers",
        "a bank that speaks SOAP; its numbers are numbers, and its fault is a problem with the status that was said of it",
        &["{\"balance\":{\"@currency\":\"EUR\",\"#text\":100.00}}", "\"status\":409", "\"missing\":{\"@currency\":\"EUR\",\"#text\":20.50}"]),
    ("gRPC as JSON", "curl -s HTTP/v1/hello/Ada; curl -s 'HTTP/v1/hello/Ada/watch?times=3'; curl -s 'HTTP/v1/hello/Ada?times=often'",
        "a service that speaks gRPC: a call, a stream as lines, and what does not fit its types",
        &["{\"text\":\"Hello, Ada.\"}", "{\"text\":\"Hello, Ada: 3.\"}\n", "\"reason\":\"contract.parameter\""]),
    ("Portal", "curl -s HTTP/docs/shop/openapi.json HTTP/docs/openapi.json; curl -s HTTP/docs",
        "the API as this gateway means it, limits and all; one document of all; /docs is for a browser",
        &["**Limit**: 10/s", "\"operationId\":\"shop.listOrders\"", "<a href=\"/docs/shop\">Shop</a>"]),
    ("GraphQL", "curl -s -H 'Content-Type: application/json' -d '{\"query\":\"{ users(first: 100) { friends(first: 100) { name } } }\"}' HTTP/graphql",
        "a query that would cost too much: its service never sees it",
        &["graphql.cost", "Costs 10100; 5000 may be."]),
    ("JSON for GraphQL", "curl -s HTTP/people/7",
        "a stored operation is a route; the origin has one answer for all, and runs no query",
        &["\"name\":\"Ada\"", "\"name\":\"Ben\""]),
    ("Death", "curl -s HTTP/_demo/kill/2; for i in 1 2 3 4 5 6; do curl -s HTTP/who; done; sleep 1; \
        curl -s --unix-socket ADMIN http://janua/upstreams",
        "the second origin dies: no request fails, those that find nobody go on to the first; then it is left out",
        &["dusk is dead\ndawn\ndawn\ndawn\ndawn\ndawn\ndawn\n", "\"state\":\"down\",\"used\":false"]),
    ("Recovery", "curl -s HTTP/_demo/start/2; until curl -s HTTP/who | grep dusk; do sleep 0.1; done",
        "it is started again, and found to be well",
        &["dusk lives\ndusk\n"]),
    ("Nobody", "curl -si HTTP/articles/7",
        "401: the route asks who you are, and says how one says it",
        &["HTTP/1.1 401 ", "www-authenticate: ApiKey ", "www-authenticate: Basic ", "auth.missing"]),
    ("API key", "curl -s -H 'x-api-key: USER_KEY' -H 'X-User: root' HTTP/articles/7",
        "a user may view; the origin is told who it is, and sees no key",
        &["It got GET /articles/7 with", "  x-user: ben\n", "  x-roles: user\n"]),
    ("Authorize", "curl -si -X DELETE -H 'x-api-key: USER_KEY' HTTP/articles/7",
        "403: only administrators create, edit and delete",
        &["HTTP/1.1 403 ", "authz.role"]),
    ("Comment", "curl -s -d 'Well said.' -H 'x-api-key: USER_KEY' HTTP/articles/7/comments",
        "but a user may comment",
        &["It got POST /articles/7/comments with", "  x-user: ben\n"]),
    ("Administrator", "curl -s -X DELETE -H 'x-api-key: ADMIN_KEY' HTTP/articles/7",
        "an administrator may",
        &["It got DELETE /articles/7 with", "  x-user: ada\n", "  x-roles: admin\n"]),
    ("Password", "curl -s -X DELETE -u ada:PASSWORD HTTP/articles/7",
        "the same person by a password",
        &["It got DELETE /articles/7 with", "  x-user: ada\n"]),
    ("Token", "curl -s -H 'Authorization: Bearer TOKEN' HTTP/orders/7",
        "a token that an identity provider of the demo's signed; its keys are found by discovery",
        &["It got GET /orders/7 with", "  x-user: ada\n"]),
    ("Identity token", "curl -s -H 'Authorization: Bearer TOKEN' HTTP/orders/7 | grep x-identity; \
        curl -s --unix-socket ADMIN http://janua/jwks",
        "the origin gets a token of the gateway's own, with keys at the admin door to check it",
        &["  x-identity: eyJ", "\"crv\":\"P-256\""]),
    ("Opaque token", "curl -s -H 'Authorization: Bearer OPAQUE' HTTP/parcels/7",
        "a token that says nothing: the provider is asked about it",
        &["It got GET /parcels/7 with", "  x-user: ben\n"]),
    ("A service that decides", "curl -s HTTP/cave; curl -s -H 'x-pass: sesame' HTTP/cave",
        "it is asked about each request; its no passes to the client, its word on who it is to the origin",
        &["Say the word.\n", "It got GET /cave with", "  x-user: ali\n"]),
    ("Client certificate", "curl -s --cacert AUTHORITY --cert ADA_PEM CERTIFIED/vault",
        "who it is by a certificate; nobody without one gets as far as a request",
        &["It got GET /vault with", "  x-user: ada\n", "  x-roles: admin\n"]),
    ("Policy", "curl -s -H 'x-api-key: USER_KEY' HTTP/reports/7; curl -s -H 'x-api-key: USER_KEY' HTTP/reports/open-7",
        "what a policy in Cedar permits: users read open reports only",
        &["\"reason\":\"authz.policy\"", "It got GET /reports/open-7 with"]),
    ("No browser", "curl -si HTTP/account",
        "401: only a browser that asks for a page is sent to log in",
        &["HTTP/1.1 401 ", "auth.missing"]),
    ("Login", "curl -sL -c JAR -b JAR -H 'Accept: text/html' -o /dev/null -w '%{url_effective}' HTTP/account \
        | xargs curl -sL -c JAR -b JAR -d user=ben",
        "what a browser does at /account: to the provider, back, and there; try it in one too",
        &["It got GET /account with", "  x-user: ben\n"]),
    ("TLS and HTTP/2", "curl -si --http2 --cacert CERT HTTPS/who",
        "by a certificate made for the occasion, with HSTS",
        &["HTTP/2 200", "strict-transport-security: max-age=86400"]),
];

/// What to try with a demo that is there.
pub(super) fn tries(at: Addresses, state: &FilePath, secrets: &Secrets) -> Vec<Try> {
    let file = |name: &str| state.join(name).display().to_string();
    let places = [
        ("CERTIFIED", format!("https://{}", reachable(at.certified))),
        ("AUTHORITY", file(certificates::AUTHORITY)),
        ("ADA_PEM", file(certificates::CLIENT)),
        ("ADMIN_KEY", secrets.admin.0.clone()),
        ("ADMIN", file("admin.sock")),
        ("CERT", file("self-signed.pem")),
        ("JAR", file("cookies")),
        ("TOKEN", secrets.token.clone()),
        ("OPAQUE", idp::OPAQUE.to_owned()),
        ("USER_KEY", secrets.user.0.clone()),
        ("PASSWORD", secrets.password.0.clone()),
        ("HTTPS", format!("https://{}", reachable(at.tls))),
        ("HTTP/", format!("http://{}/", reachable(at.clear))),
    ];
    let command = |text: &str| {
        places.iter().fold(text.to_owned(), |text, (name, place)| text.replace(name, place))
    };
    TABLE
        .iter()
        .map(|&(title, text, shows, proof)| Try { title, command: command(text), shows, proof })
        .collect()
}

/// Where a client on this machine finds a listener.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let loopback = match address {
        SocketAddr::V4(_) => [127, 0, 0, 1].into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    if address.ip().is_unspecified() { SocketAddr::new(loopback, address.port()) } else { address }
}
