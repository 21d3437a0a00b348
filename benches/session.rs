//! What it costs to know a browser again that has logged in, through the chain and alone.

use std::{
    hint::black_box,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, mpsc},
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt as _;
use http::{Request, Response, request::Parts};
use janua::{
    auth::{Ask, Verdict},
    chain,
    config::Config,
    message::Client,
    snapshot::{Purpose, Snapshot, View},
    worker::{Clock, Worker},
};

/// An identity provider where everybody is alice, as soon as it is told the login's nonce; its URL.
fn provider() -> (String, mpsc::SyncSender<String>) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let pair = pair.unwrap_or_else(|error| unreachable!("{error}"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|e| unreachable!("{e}"));
    let address = listener.local_addr().unwrap_or_else(|error| unreachable!("{error}"));
    let url = format!("http://{address}");
    let (say, nonce) = mpsc::sync_channel::<String>(1);
    let own = url.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer(stream, &pair, &own, &nonce);
        }
    });
    (url, say)
}

fn answer(mut stream: TcpStream, pair: &EcdsaKeyPair, url: &str, nonce: &mpsc::Receiver<String>) {
    let mut head = [0; 4_096];
    let length = stream.read(&mut head).unwrap_or(0);
    let asked = String::from_utf8_lossy(&head[..length]).into_owned();
    let part = |text: &[u8]| URL_SAFE_NO_PAD.encode(text);
    let body = match asked.split(' ').nth(1) {
        Some("/.well-known/openid-configuration") => format!(
            r#"{{"issuer":"{url}","jwks_uri":"{url}/keys","authorization_endpoint":"{url}/go","token_endpoint":"{url}/token"}}"#
        ),
        Some("/keys") => {
            let point = pair.public_key().as_ref();
            let (x, y) = (part(&point[1..33]), part(&point[33..]));
            format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","kid":"a","x":"{x}","y":"{y}"}}]}}"#)
        }
        _ => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let nonce = nonce.recv().unwrap_or_default();
            let claims = format!(
                r#"{{"iss":"{url}","aud":"bench","sub":"alice","roles":["admin"],"iat":{now},"exp":{},"nonce":"{nonce}"}}"#,
                now + 300
            );
            let text =
                format!("{}.{}", part(br#"{"alg":"ES256","kid":"a"}"#), part(claims.as_bytes()));
            let signature = pair.sign(&SystemRandom::new(), text.as_bytes());
            let signature = signature.unwrap_or_else(|error| unreachable!("{error}"));
            let token = format!("{text}.{}", part(signature.as_ref()));
            format!(r#"{{"token_type":"Bearer","access_token":"a","id_token":"{token}"}}"#)
        }
    };
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    let _ = stream.write_all((head + &body).as_bytes());
}

fn head(target: &str, cookie: &str) -> Parts {
    let request = Request::get(target)
        .header("host", "h7.example")
        .header("user-agent", "bench/1.0")
        .header("accept", "text/html")
        .header("cookie", cookie)
        .body(());
    request.unwrap_or_else(|error| unreachable!("{error}")).into_parts().0
}

/// The first cookie that an answer sets, and where it leads.
fn led<T>(answer: &Response<T>) -> (String, String) {
    let field = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let cookie = field("set-cookie").unwrap_or_default().split(';').next().unwrap_or_default();
    (cookie.to_owned(), field("location").unwrap_or_default().to_owned())
}

/// A gateway for people of this provider's.
fn world(url: &str) -> Arc<View> {
    let text = format!(
        "log.access = \"off\"\n\
         [auth.people]\nidentity-headers = {{ x-user = \"sub\" }}\n\
         [auth.people.oidc]\nissuer = \"{url}\"\nclient-id = \"bench\"\n\
         [[route]]\nname = \"page\"\nauth = \"people\"\nallow.role = \"admin\"\nto = {{ status = 200, body = \"ok\" }}\n"
    );
    let config: Config = toml::from_str(&text).unwrap_or_else(|error| unreachable!("{error}"));
    let compiled = Snapshot::compile(config, Purpose::Look, None);
    let (snapshot, _) = compiled.unwrap_or_else(|problems| unreachable!("{problems:?}"));
    View::new(snapshot.into())
}

fn session(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| unreachable!("{error}"));
    let (url, say) = provider();
    let world = world(&url);
    let Some(listener) = world.listeners.first().cloned() else { unreachable!() };
    let peer = "127.0.0.1:4000".parse().ok();
    let client =
        Client::new(peer, None, listener.id, false, Worker { index: 0, clock: Clock::new() });
    let client = Arc::new(client);
    let serve = |head: &Parts| {
        let (world, listener) = (world.clone(), listener.clone());
        let answer = chain::serve(world, listener, client.begin(), head.clone(), None);
        answer.map(|answer| match answer {
            Ok(answer) => answer,
            Err(never) => match never {},
        })
    };
    let cookie = runtime.block_on(async {
        world.start();
        let (flow, location) = led(&serve(&head("/", "a=b")).await);
        let said = |name| location.split(['?', '&']).find_map(|it| it.strip_prefix(name));
        let (state, nonce) =
            (said("state=").unwrap_or_default(), said("nonce=").unwrap_or_default());
        assert!(say.send(nonce.to_owned()).is_ok());
        let back = head(&format!("/.janua/people/callback?code=c&state={state}"), &flow);
        led(&serve(&back).await).0
    });
    let page = head("/", &format!("theme=dark; {cookie}"));
    assert_eq!(runtime.block_on(serve(&page)).status(), 200);
    let mut group = criterion.benchmark_group("session");
    group.bench_function("chain, session and a role", |bencher| {
        bencher.iter(|| black_box(serve(&page).now_or_never()));
    });
    let ask = Ask {
        method: &page.method,
        target: &page.uri,
        host: page.headers.get("host"),
        connection: None,
        headers: &page.headers,
        query: None,
        client: "203.0.113.7".parse().ok(),
        certificate: None,
        now: tokio::time::Instant::now(),
        wall: u64::try_from(
            SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis(),
        )
        .unwrap_or_default(),
    };
    let routes = world.routes.targets();
    let Some(route) = routes.iter().find(|route| &*route.name == "page") else { unreachable!() };
    group.bench_function("identify alone, session", |bencher| {
        bencher.iter(|| {
            let Verdict::Now(Ok(who)) = route.auth.identify(ask) else { unreachable!() };
            black_box(who)
        });
    });
    group.finish();
}

criterion_group!(benches, session);
criterion_main!(benches);
