//! Base64 of gRPC-Web's text form: the same however it is cut, and malformed or not however it is cut.
#![no_main]

use janua::{grpc::Unwrapped, message::Change};
use libfuzzer_sys::fuzz_target;

fn unwrapped<'p>(pieces: impl Iterator<Item = &'p [u8]>) -> Option<Vec<u8>> {
    let (mut change, mut out) = (Unwrapped::default(), Vec::new());
    for piece in pieces {
        out.extend_from_slice(&change.piece(piece)?);
    }
    change.may_end().then_some(out)
}

fuzz_target!(|input: &[u8]| {
    let Some((size, text)) = input.split_first() else { return };
    let whole = unwrapped([text].into_iter());
    assert_eq!(whole, unwrapped(text.chunks(usize::from(*size).max(1))));
});
