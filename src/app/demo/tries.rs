//! What there is to try in the demo: commands as data, so that a test can run every one of them.
//!
//! In a command, `CLEAR`, `TLS`, `CONFIG`, `PID` and `JANUA` stand for what they are in a running demo.
//! Whoever builds a feature adds its lines here.

/// Something to try.
#[derive(Clone, Copy, Debug)]
pub struct Try {
    /// What it shows.
    pub shows: &'static str,
    /// The command.
    pub command: &'static str,
    /// What its output has in it.
    pub output: &'static [&'static str],
}

/// Everything there is to try.
pub const TRIES: &[Try] = &[
    Try {
        shows: "proxying: two requests, each to another origin in turn",
        command: "curl -s CLEAR/origin/ CLEAR/origin/",
        output: &["\"origin\": \"a\"", "\"origin\": \"b\""],
    },
    Try {
        shows: "what an origin is told of the client: x-forwarded-*, via, x-request-id",
        command: "curl -s -H 'X-Forwarded-For: 6.6.6.6' CLEAR/echo",
        output: &["\"x-forwarded-for\": \"127.0.0.1\"", "\"via\": \"1.1 janua\"", "x-request-id"],
    },
    Try {
        shows: "rewriting: the path, a field for the origin and one for the client, from variables",
        command: "curl -si CLEAR/orders/7",
        output: &["HTTP/1.1 200", "x-order: 7", "/items/7?from=127.0.0.1", "\"x-client\""],
    },
    Try {
        shows: "HTTP/2 over TLS, with a certificate that Janua made itself",
        command: "curl -sk --http2 -o /dev/null -w 'HTTP/%{http_version}\\n' TLS/hello",
        output: &["HTTP/2"],
    },
    Try {
        shows: "a fixed answer",
        command: "curl -s CLEAR/hello",
        output: &["Hello 127.0.0.1, this is 127.0.0.1."],
    },
    Try {
        shows: "a redirect, followed",
        command: "curl -sL -o /dev/null -w '%{num_redirects} redirect to %{url_effective}\\n' \
                  CLEAR/old/page",
        output: &["1 redirect to", "/origin/page"],
    },
    Try {
        shows: "a body both ways, streamed",
        command: "curl -s -d 'there and back' CLEAR/origin/echo",
        output: &["there and back"],
    },
    Try {
        shows: "a status of the origin's choice goes through",
        command: "curl -s -o /dev/null -w '%{http_code}\\n' CLEAR/origin/status/418",
        output: &["418"],
    },
    Try {
        shows: "events as they come, one a second",
        command: "curl -sN CLEAR/origin/sse/3",
        output: &["data: 1", "data: 2", "data: 3"],
    },
    Try {
        shows: "a WebSocket is opened; in a browser: new WebSocket('ws://..').send('hello')",
        command: "curl -si --max-time 1 -H 'Connection: Upgrade' -H 'Upgrade: websocket' \
                  -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' \
                  CLEAR/origin/ws",
        output: &["HTTP/1.1 101", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="],
    },
    Try {
        shows: "no route: a reason for programs",
        command: "curl -si CLEAR/nowhere",
        output: &["HTTP/1.1 404", "application/problem+json", "\"reason\":\"no_route\""],
    },
    Try {
        shows: "the same for people",
        command: "curl -s -H 'Accept: text/html' CLEAR/nowhere",
        output: &["<h1>404 Not Found</h1>", "no_route"],
    },
    Try {
        shows: "a method that no route takes, and those that one does",
        command: "curl -si -X DELETE CLEAR/orders/7",
        output: &["HTTP/1.1 405", "allow: GET, HEAD", "method_not_allowed"],
    },
    Try {
        shows: "an origin that takes too long",
        command: "curl -s CLEAR/slow",
        output: &["\"status\":504", "timeout.first_byte"],
    },
    Try {
        shows: "an origin that is not there",
        command: "curl -s CLEAR/down",
        output: &["\"status\":502", "upstream.connect_refused"],
    },
    Try {
        shows: "why a request goes where it goes",
        command: "JANUA explain GET CLEAR/orders/7 --config CONFIG",
        output: &["> order", "takes it", "GET /items/7?from=127.0.0.1"],
    },
    Try {
        shows: "another configuration without a restart: edit CONFIG, then",
        command: "kill -HUP PID",
        output: &[],
    },
];
