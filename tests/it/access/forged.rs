//! What clients say of who they are, with and without a trusted proxy in front.

use super::{get, verdict};
use crate::support::{Origin, Setup};

/// A route for 203.0.113.7 only, behind proxies at 127.0.0.1 and 127.8.0.0/16.
async fn behind_proxies(url: &str) -> crate::support::Janua {
    Setup::new(format!(
        "[access.one]\nallow = \"203.0.113.7\"\n[[route]]\naccess = \"one\"\nto = \"{url}\"\n"
    ))
    .listener("trusted-proxies = [\"127.0.0.1\", \"127.8.0.0/16\"]")
    .start()
    .await
}

#[tokio::test]
async fn chains_are_walked_from_the_right_and_garbage_ends_the_walk() {
    let origin = Origin::ok().await;
    let janua = behind_proxies(&origin.url).await;
    for (source, fields, admitted) in [
        ("127.0.0.1", "X-Forwarded-For: 203.0.113.7\r\n", true),
        ("127.8.0.9", "X-Forwarded-For: 203.0.113.7\r\n", true),
        ("127.0.0.1", "X-Forwarded-For: 6.6.6.6, 203.0.113.7\r\n", true),
        ("127.0.0.1", "X-Forwarded-For: 6.6.6.6, 203.0.113.7, 127.8.0.1\r\n", true),
        ("127.0.0.1", "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.7\r\n", true),
        ("127.0.0.1", "X-Forwarded-For: 203.0.113.7:4711\r\n", true),
        ("127.0.0.1", "X-Forwarded-For: ::ffff:203.0.113.7\r\n", true),
        ("127.0.0.1", "X-Forwarded-For: [::ffff:203.0.113.7]:80\r\n", true),
        ("127.0.0.1", "X-Forwarded-For:203.0.113.7 , 127.8.0.1\t\r\n", true),
        ("127.0.0.1", "X-Forwarded-For: garbage, 203.0.113.7\r\n", true),
        // Somebody who is not trusted.
        ("127.0.0.2", "X-Forwarded-For: 203.0.113.7\r\n", false),
        ("127.0.0.2", "Forwarded: for=203.0.113.7\r\n", false),
        ("127.0.0.2", "X_Forwarded_For: 203.0.113.7\r\n", false),
        ("127.0.0.2", "X-Real-IP: 203.0.113.7\r\nClient-IP: 203.0.113.7\r\n", false),
        ("127.0.0.2", "Connection: X-Forwarded-For\r\nX-Forwarded-For: 203.0.113.7\r\n", false),
        // A trusted one that heard it from somebody who is not.
        ("127.0.0.1", "X-Forwarded-For: 203.0.113.7, 6.6.6.6\r\n", false),
        ("127.0.0.1", "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 6.6.6.6\r\n", false),
        ("127.0.0.1", "X-Forwarded-For: 203.0.113.7, 6.6.6.6, 127.8.0.1\r\n", false),
        ("127.0.0.1", "X_Forwarded_For: 203.0.113.7\r\n", false),
        ("127.0.0.1", "", false),
        // Garbage: what stands left of it was said by nobody knows whom.
        ("127.0.0.1", "X-Forwarded-For: 203.0.113.7, garbage\r\n", false),
        ("127.0.0.1", "X-Forwarded-For: 203.0.113.7, garbage, 127.8.0.1\r\n", false),
        ("127.0.0.1", "X-Forwarded-For: 203.0.113.7,\r\n", false),
        ("127.0.0.1", "X-Forwarded-For: 203.0.113.7, , 127.8.0.1\r\n", false),
        ("127.0.0.1", "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For:\r\n", false),
        ("127.0.0.1", "X-Forwarded-For: 203.0.113.7, unknown\r\n", false),
        ("127.0.0.1", "X-Forwarded-For: 203.0.113.7, _secret\r\n", false),
        ("127.0.0.1", "X-Forwarded-For: 203.0.113.7, 127.0.0.1%lo\r\n", false),
        ("127.0.0.1", "X-Forwarded-For: 203.0.113.7, 127.8.0.01\r\n", false),
        ("127.0.0.1", "X-Forwarded-For: 203.0.113.7; 127.8.0.1\r\n", false),
        ("127.0.0.1", "X-Forwarded-For: \"203.0.113.7\"\r\n", false),
        ("127.0.0.1", "X-Forwarded-For: 203.0.113.7 127.8.0.1\r\n", false),
        ("127.0.0.1", "X-Forwarded-For: 203.0.113.7, 2130706433\r\n", false),
        ("127.0.0.1", "X-Forwarded-For: 203.0.113.7, 0x7f.8.0.1\r\n", false),
        ("127.0.0.1", "X-Forwarded-For: 203.0.113.7, \u{fc}\r\n", false),
        ("127.0.0.1", "X-Forwarded-For: 203.0.113.7, fe80::1%eth0\r\n", false),
        ("127.0.0.1", "X-Forwarded-For: 203.0.113.0/24\r\n", false),
        ("127.0.0.1", "X-Forwarded-For: http://203.0.113.7\r\n", false),
    ] {
        let before = origin.requests().len();
        let answer = get(source, &janua, fields).await;
        let expected = if admitted { (200, "") } else { (403, "access.ip") };
        assert_eq!(verdict(&answer), (expected.0, expected.1.to_owned()), "{source} {fields}");
        assert_eq!(origin.requests().len() - before, usize::from(admitted), "{source} {fields}");
    }
}

#[tokio::test]
async fn where_the_standards_field_counts_the_other_does_not() {
    let janua = Setup::new(
        "[access.one]\nallow = \"203.0.113.7\"\n[[route]]\naccess = \"one\"\nto = \"echo\"\n",
    )
    .listener("trusted-proxies = [\"127.0.0.1\"]\nclient-address = \"forwarded\"")
    .start()
    .await;
    for (fields, status) in [
        ("Forwarded: for=203.0.113.7\r\nX-Forwarded-For: 6.6.6.6\r\n", 200),
        ("Forwarded: for=6.6.6.6\r\nX-Forwarded-For: 203.0.113.7\r\n", 403),
        ("X-Forwarded-For: 203.0.113.7\r\n", 403),
    ] {
        assert_eq!(get("127.0.0.1", &janua, fields).await.status(), status, "{fields}");
    }
}

#[tokio::test]
async fn a_long_chain_is_walked_like_a_short_one() {
    let origin = Origin::ok().await;
    let janua = behind_proxies(&origin.url).await;
    let proxies = ", 127.8.0.1".repeat(700);
    for (client, status) in [("203.0.113.7", 200), ("203.0.113.8", 403)] {
        let field = format!("X-Forwarded-For: 203.0.113.7, {client}{proxies}\r\n");
        assert_eq!(get("127.0.0.1", &janua, &field).await.status(), status, "{client}");
    }
}
