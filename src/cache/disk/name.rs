//! [`Name`]: where an answer is on the disk.
//!
//! In: the key and what the answer varies by. Out: three digests, which sort all that is kept of a URL together,
//! and the file's name. A name alone proves nothing: what is in the file does.

use super::seal::Seal;
use crate::cache::{
    object::Object,
    shelf::{Key, Url},
};

/// Where an answer is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Name {
    /// Of the URL, whoever asks.
    pub(super) url: u64,
    /// Of the URL and the partition.
    pub(super) key: u64,
    /// Of what it varies by.
    pub(super) variant: u64,
}

/// The name of a file: an answer's, and what it was compared with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Filed {
    pub(super) name: Name,
    /// The number of the last purge that it was compared with when it was filed.
    pub(super) number: u64,
    /// Whether its origin is to be asked first.
    pub(super) soft: bool,
}

/// The digest of a URL, however it is spelled.
pub(super) fn of_url(seal: &Seal, url: &str) -> u64 {
    let parts = Url::read(url);
    match parts.respelled() {
        None => seal.digest("url", &[url.as_bytes()]),
        Some(target) => seal.digest("url", &[parts.with(&target).text().as_bytes()]),
    }
}

/// The digests of a key.
pub(super) fn of_key(seal: &Seal, url: &str, partition: u128) -> (u64, u64) {
    let parts = [url.as_bytes(), &partition.to_le_bytes()];
    (of_url(seal, url), seal.digest("key", &parts))
}

impl Name {
    /// Where an answer is.
    pub(super) fn of(seal: &Seal, key: &Key, object: &Object) -> Self {
        Self::by(seal, (key.url(), key.partition()), object.vary())
    }

    /// The same by the key's parts, and the names and values that it varies by.
    pub(super) fn by(
        seal: &Seal,
        (url, partition): (&str, u128),
        (names, values): (&[u8], &[u8]),
    ) -> Self {
        let (url, key) = of_key(seal, url, partition);
        Self { url, key, variant: seal.digest("variant", &[names, values]) }
    }
}

impl Filed {
    /// The folder that it is in.
    pub(super) fn folder(&self) -> String {
        folder_of(self.name.url)
    }

    /// The file's name there.
    pub(super) fn file(&self) -> String {
        let Name { url, key, variant } = self.name;
        let soft = if self.soft { "s" } else { "" };
        format!("{url:016x}{key:016x}{variant:016x}.{:x}{soft}", self.number)
    }

    /// What a file's name says, if it is one of these.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (digests, rest) = text.split_once('.')?;
        let (rest, soft) = rest.strip_suffix('s').map_or((rest, false), |rest| (rest, true));
        let part = |at: usize| u64::from_str_radix(digests.get(at..at + 16)?, 16).ok();
        let name = Name { url: part(0)?, key: part(16)?, variant: part(32)? };
        let filed = Self { name, number: u64::from_str_radix(rest, 16).ok()?, soft };
        // Each has one name, so `+1` or capitals are somebody else's.
        (filed.file() == text).then_some(filed)
    }
}

/// The folder of a URL's answers.
pub(super) fn folder_of(url: u64) -> String {
    format!("{:02x}", url >> 56)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_files_name_says_what_it_is_of(url: u64, key: u64, variant: u64, number: u64, soft: bool) {
            let filed = Filed { name: Name { url, key, variant }, number, soft };
            prop_assert_eq!(Filed::read(&filed.file()), Some(filed));
            prop_assert!(filed.file().starts_with(&filed.folder()));
        }

        #[test]
        fn no_other_text_is_a_name(text in "[0-9a-fs.+A-F]{0,70}|\\PC*") {
            if let Some(filed) = Filed::read(&text) {
                prop_assert_eq!(filed.file(), text);
            }
        }
    }

    #[test]
    fn digests_are_of_parts_not_of_bytes_in_a_row() {
        let seal = Seal::new(&[7; 32]);
        let digest = |parts: &[&[u8]]| seal.digest("variant", parts);
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
        assert_ne!(digest(&[b"", b"a"]), digest(&[b"a", b""]));
        assert_ne!(seal.digest("url", &[b"a"]), seal.digest("key", &[b"a"]));
        assert_ne!(digest(&[b"a"]), Seal::new(&[8; 32]).digest("variant", &[b"a"]));
    }
}
