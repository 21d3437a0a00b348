//! One framing in, one framing out: what is malformed or may be read in two ways is refused by name,
//! and no origin sees any of it; what is odd and legal goes through, in one form.
//!
//! RFC 9112 for HTTP/1.1, RFC 9113 for HTTP/2, byte by byte over real sockets.

mod http2;
mod legal;
mod refused;
