//! The first bytes of a connection, where a PROXY header may be: what has come of it decides nothing that
//! more of it would take back.
#![no_main]

use janua::message::ProxyHeader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let whole = ProxyHeader::parse(bytes);
    if let Ok(ProxyHeader::Whole(length, _)) = &whole {
        assert!(*length <= bytes.len());
        assert_eq!(whole, ProxyHeader::parse(&bytes[..*length]));
        for end in 0..*length {
            assert_eq!(ProxyHeader::parse(&bytes[..end]), Ok(ProxyHeader::Partial));
        }
    }
});
