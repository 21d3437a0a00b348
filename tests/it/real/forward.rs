//! nginx as the service that decides, and what becomes of requests while it is gone.

use super::Nginx;
use crate::support::{Origin, Setup};

const DECIDES: &str = r#"
location /auth {
    if ($http_authorization = "Bearer good") { return 204; }
    add_header X-Protocol $server_protocol always;
    add_header WWW-Authenticate 'Bearer realm="nginx"' always;
    return 401;
}
"#;

#[tokio::test]
async fn nginx_decides_who_comes_in() {
    let mut nginx = Nginx::start(DECIDES);
    let origin = Origin::ok().await;
    let janua = Setup::new(format!(
        "[auth.sso.forward]\nurl = \"{}/auth\"\nresponse-headers = \"x-protocol\"\n\
         [[route]]\nauth = \"sso\"\nto = \"{}\"\n",
        nginx.url, origin.url
    ))
    .start()
    .await;
    let mut client = janua.client().await;
    let good = "Authorization: Bearer good\r\nX-Protocol: forged\r\n";
    for _ in 0..3 {
        assert_eq!(client.request("GET /", good).await.status(), 200);
        assert_eq!(origin.last().field("x-protocol").as_deref(), Some("HTTP/1.1"));
        let refused = client.request("GET /", "Authorization: Bearer bad\r\n").await;
        assert_eq!(refused.status(), 401);
        assert_eq!(refused.field("www-authenticate").as_deref(), Some("Bearer realm=\"nginx\""));
        assert!(String::from_utf8_lossy(&refused.body).contains("nginx"), "it is nginx's own page");
    }
    nginx.stop();
    let answer = client.request("GET /", good).await;
    answer.assert_refused(503, "auth.forward.unavailable", "it is gone");
    nginx.start_again();
    assert_eq!(client.request("GET /", good).await.status(), 200, "and back again");
}
