//! What is written is read again, and nothing else ever is.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::cache::shelf::Seek;

fn key(partition: u128) -> Key {
    let url = crate::cache::shelf::Url::new("http", "a.example", "/x?y");
    Seek::new(&std::hash::RandomState::new(), partition, url).to_key()
}

fn object(length: usize, fields: &[(String, Vec<u8>)], vary: (&[u8], &[u8])) -> Arc<Object> {
    let mut headers = HeaderMap::new();
    headers.insert("surrogate-key", HeaderValue::from_static("shop shop/1"));
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value).unwrap());
    }
    let head = Head {
        status: StatusCode::NOT_FOUND,
        headers: &headers,
        terms: Terms::of_parts([5, 60, 7, 8], 5),
        at: Instant::now(),
        stamp: 1,
        vary,
        tags: Tags::read(&headers),
    };
    let body: Vec<u8> = (0..length).map(|at| (at * 7 % 251) as u8).collect();
    let pieces = body.chunks(100_000).map(Bytes::copy_from_slice).collect();
    Arc::new(Object::new(head, pieces))
}

fn joined(object: &Arc<Object>) -> Vec<u8> {
    object.open().body().flat_map(|piece| piece.to_vec()).collect()
}

fn written(seal: &Seal, object: &Arc<Object>) -> Vec<u8> {
    let body = body_seal(seal, object.open().body());
    let mut file = head(seal, &key(9), object, 1_000_000, body).unwrap();
    file.extend(joined(object));
    file
}

fn read(seal: &Seal, file: &[u8]) -> Result<(Held, Arc<Object>), Broken> {
    let mut from = file;
    let held = read_head(&mut from, file.len() as u64, seal)?;
    let body = held.body(&mut from, seal)?;
    let object = Arc::new(held.object(body, 3, 1_000_000));
    Ok((held, object))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_was_written_is_read_again(
        length in prop_oneof![0..200_usize, Just(SMALL), Just(SMALL + 1), Just(PIECE + 1), Just(3 * PIECE)],
        fields in prop::collection::vec(("[a-z][a-z0-9-]{0,20}", "[\\x20-\\x7e\u{e0}-\u{ff}]{0,40}"), 0..10),
        names in "[a-z,]{0,20}",
        values in prop::collection::vec(any::<u8>(), 0..30),
    ) {
        let seal = Seal::new(&[1; 32]);
        let fields: Vec<_> = fields
            .into_iter()
            .map(|(name, value)| (name, value.trim().as_bytes().to_vec()))
            .collect();
        let object = object(length, &fields, (names.as_bytes(), &values));
        let (held, again) = read(&seal, &written(&seal, &object)).unwrap();
        prop_assert_eq!(held.key, (9, "http://a.example/x?y".to_owned()));
        prop_assert_eq!(again.open().headers(), object.open().headers());
        prop_assert_eq!((again.status, again.terms), (object.status, object.terms));
        prop_assert_eq!((again.vary(), again.tags()), (object.vary(), object.tags()));
        prop_assert!(joined(&again) == joined(&object));
    }

    #[test]
    fn one_bit_or_one_byte_less_is_never_read(at: prop::sample::Index, bit in 0..8, small: bool) {
        let seal = Seal::new(&[1; 32]);
        let object = object(if small { 300 } else { SMALL + 9 }, &[], (b"", b""));
        let mut file = written(&seal, &object);
        let cut = at.index(file.len());
        prop_assert!(matches!(read(&seal, &file[..cut]), Err(Broken::Damaged(_))));
        file[cut] ^= 1_u8 << bit;
        prop_assert!(matches!(read(&seal, &file), Err(Broken::Damaged(_))));
    }

    #[test]
    fn no_other_bytes_are_read(mut bytes in prop::collection::vec(any::<u8>(), 0..300), magic: bool) {
        if magic && bytes.len() > 8 {
            bytes[..8].copy_from_slice(MAGIC);
        }
        prop_assert!(matches!(read(&Seal::new(&[1; 32]), &bytes), Err(Broken::Damaged(_))));
    }
}

#[test]
fn another_folders_file_is_not_read_nor_is_one_with_more_behind_it() {
    let seal = Seal::new(&[1; 32]);
    let mut file = written(&seal, &object(10, &[], (b"", b"")));
    assert!(read(&Seal::new(&[2; 32]), &file).is_err());
    assert!(read(&seal, &file).is_ok());
    file.push(0);
    assert!(read(&seal, &file).is_err());
}

#[test]
fn a_head_beyond_all_bounds_is_not_written() {
    let seal = Seal::new(&[1; 32]);
    let fields = [("x-long".to_owned(), vec![b'x'; LONGEST])];
    let object = object(1, &fields, (b"", b""));
    assert!(head(&seal, &key(1), &object, 0, [0; LENGTH]).is_none());
}

#[test]
fn the_time_on_the_disk_is_part_of_the_age() {
    let seal = Seal::new(&[1; 32]);
    let file = written(&seal, &object(1, &[], (b"", b"")));
    let held = read_head(&mut &file[..], file.len() as u64, &seal).unwrap();
    let age = |wall| held.object(Vec::new(), 1, wall).terms.age;
    // It came at 1,000,000 with an age of 5.
    for (wall, expected) in [(1_000_000, 5), (1_000_001, 6), (1_060_000, 65), (0, 5)] {
        assert_eq!(age(wall), expected, "{wall}");
    }
    assert_eq!(age(u64::MAX), u32::MAX);
}
