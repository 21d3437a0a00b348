//! What is wrong with a document that was read, and what cannot be written.

/// Why bytes are not XML, or none that is taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what}, in line {line}, column {column}")]
pub struct XmlError {
    /// What is wrong; it names nothing that the document says.
    pub what: &'static str,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
}

impl XmlError {
    /// Something wrong at a byte of a document.
    pub(super) fn at(text: &[u8], offset: usize, what: &'static str) -> Self {
        let (line, column) = place(&text[..offset.min(text.len())]);
        Self { what, line, column }
    }
}

/// Where the next character is: line and column, from 1.
pub(super) fn place(before: &[u8]) -> (usize, usize) {
    let line = before.iter().filter(|byte| **byte == b'\n').count();
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    // Bytes that go on with a character are not counted.
    let column = before[start..].iter().filter(|byte| **byte & 0xc0 != 0x80).count();
    (line + 1, column + 1)
}

/// Why something cannot be written as XML.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotXml {
    /// A name that is none in XML.
    #[error("is not a name in XML")]
    Name,
    /// A character that XML has no way to write.
    #[error("has a character that XML cannot hold")]
    Character,
    /// Something after the end, or an end without a beginning.
    #[error("is outside of the document")]
    Place,
}
