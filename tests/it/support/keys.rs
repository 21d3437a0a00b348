//! An API key that tests come with, and whose it is.

/// Its digest, as configurations have it.
pub(crate) const DIGEST: &str = "3eb1bd439947eb762998e566ccc2e099c791118b2f40579cc4f7da2b5061b7f9";

/// A client's header field with it.
pub(crate) const FIELD: &str = "X-Api-Key: 0123456789abcdef0123456789abcdef\r\n";

/// A section `[auth.NAME]` that knows by it who `acme` is.
pub(crate) fn section(name: &str) -> String {
    let keys = format!("[{{ id = \"acme\", sha256 = \"{DIGEST}\" }}]");
    format!("[auth.{name}]\napi-key = {{ header = \"x-api-key\", keys = {keys} }}\n")
}
