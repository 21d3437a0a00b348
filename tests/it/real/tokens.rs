//! Tokens by another library than ours, and ours to that library: PyJWT.

use serde_json::Value;

use super::{said, script};
use crate::{
    auth::key,
    support::{Daemon, Door, Janua, Origin, Setup},
};

async fn gateway(origin: &Origin, jwt: &str) -> Janua {
    let sections = format!(
        "[auth.corp]\nlock-out.attempts = 0\n\
         jwt = {{ issuer = \"https://idp.example\", audience = \"orders\", {jwt} }}\n\
         [[route]]\nto = \"{}\"\nauth = \"corp\"\nallow.role = \"admin\"\n",
        origin.url
    );
    Setup::new(sections).start().await
}

async fn status(janua: &Janua, token: &str) -> (u16, String) {
    let fields = format!("Authorization: Bearer {token}\r\n");
    let answer = janua.client().await.request("GET /", &fields).await;
    (answer.status(), answer.reason())
}

#[tokio::test]
async fn tokens_by_every_algorithm_of_another_library_hold() {
    let made: Value = serde_json::from_str(&said(&mut script("tokens.py"))).unwrap();
    let origin = Origin::ok().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    std::fs::write(&file, made["jwks"].to_string()).unwrap();
    let by_keys = gateway(&origin, &format!("jwks-file = \"{}\"", file.display())).await;
    let secret = format!("secret = \"{}\"", made["secret"].as_str().unwrap());
    let by_secret = gateway(&origin, &secret).await;
    for (janua, other, tokens) in
        [(&by_keys, &by_secret, &made["tokens"]), (&by_secret, &by_keys, &made["shared"])]
    {
        for (algorithm, token) in tokens.as_object().unwrap() {
            let token = token.as_str().unwrap();
            assert_eq!(status(janua, token).await.0, 200, "{algorithm}");
            // The last letter of a signature may have spare bits; one in its middle has none.
            let mut changed = token.as_bytes().to_vec();
            let at = changed.len() - 20;
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            let (code, reason) = status(janua, &changed).await;
            assert_eq!((code, &*reason), (401, "auth.jwt.signature"), "{algorithm}");
            assert_eq!(status(other, token).await.0, 401, "{algorithm}");
        }
    }
}

/// The gateway's own token, to somebody who knows nothing of the gateway but where its keys are.
#[test]
fn another_library_verifies_the_token_that_the_origin_gets() {
    let daemon = Daemon::start(&format!(
        "[log]\naccess = \"off\"\n[server]\nstate = \"HOME/state\"\n[admin]\naddress = \"127.0.0.1:0\"\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\n\
         [auth.keys]\nidentity-token = {{ audience = \"orders\", claims = [\"roles\"] }}\n\
         api-key = {{ keys = [{}] }}\n[[route]]\nauth = \"keys\"\nto = \"echo\"\n",
        key("ann", "k-ann", ", roles = [\"admin\"]")
    ));
    let (status, answer) = daemon.public.ask("GET /", "X-Api-Key: k-ann\r\n");
    assert_eq!(status, 200, "{answer}");
    let seen: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let token = seen["headers"]["x-identity"].as_str().unwrap();
    let Door::Tcp(admin) = daemon.admin() else { unreachable!() };
    let url = format!("http://{admin}/jwks");
    let claims: Value =
        serde_json::from_str(&said(script("verify.py").args([&*url, token, "orders"]))).unwrap();
    assert_eq!((&claims["sub"], &claims["iss"]), (&"ann".into(), &"janua".into()));
    assert_eq!(claims["roles"], serde_json::json!(["admin"]));
    for (token, audience) in [(token.to_owned(), "others"), (format!("{token}AA"), "orders")] {
        let output = script("verify.py").args([&*url, &*token, audience]).output().unwrap();
        assert!(!output.status.success(), "{audience}");
    }
}
