//! Writes a document. Whatever it is given comes out as what it is: a name as a name, text as text.

use super::{
    NotXml,
    chars::{is_name, is_text},
};

/// A document that is being written.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
    /// Where in `out` the names of the open elements are.
    open: Vec<(usize, usize)>,
    /// The last start tag has no end yet.
    in_tag: bool,
}

impl Writer {
    /// A document with an XML declaration.
    pub fn document() -> Self {
        let mut out = Vec::with_capacity(2048);
        out.extend_from_slice(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
        Self { out, ..Self::default() }
    }

    /// Begins an element.
    ///
    /// # Errors
    /// The name is none.
    pub fn start(&mut self, name: &str) -> Result<(), NotXml> {
        if !is_name(name) {
            return Err(NotXml::Name);
        }
        self.close_tag();
        self.out.push(b'<');
        self.open.push((self.out.len(), name.len()));
        self.out.extend_from_slice(name.as_bytes());
        self.in_tag = true;
        Ok(())
    }

    /// Gives the element that just began an attribute.
    ///
    /// # Errors
    /// The name is none, the value has a character that XML cannot hold, or no element just began.
    pub fn attribute(&mut self, name: &str, value: &str) -> Result<(), NotXml> {
        if !is_name(name) {
            return Err(NotXml::Name);
        }
        if !is_text(value) {
            return Err(NotXml::Character);
        }
        if !self.in_tag {
            return Err(NotXml::Place);
        }
        self.out.push(b' ');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"=\"");
        self.escape(value, |byte| match byte {
            b'&' => Some("&amp;"),
            b'<' => Some("&lt;"),
            b'"' => Some("&quot;"),
            // As they are, readers take them for spaces.
            b'\t' => Some("&#9;"),
            b'\n' => Some("&#10;"),
            b'\r' => Some("&#13;"),
            _ => None,
        });
        self.out.push(b'"');
        Ok(())
    }

    /// Writes text.
    ///
    /// # Errors
    /// It has a character that XML cannot hold, or is in no element.
    pub fn text(&mut self, text: &str) -> Result<(), NotXml> {
        if self.open.is_empty() {
            return Err(NotXml::Place);
        }
        if !is_text(text) {
            return Err(NotXml::Character);
        }
        if text.is_empty() {
            return Ok(());
        }
        self.close_tag();
        self.escape(text, |byte| match byte {
            b'&' => Some("&amp;"),
            b'<' => Some("&lt;"),
            b'>' => Some("&gt;"),
            // As it is, readers take it for the end of a line.
            b'\r' => Some("&#13;"),
            _ => None,
        });
        Ok(())
    }

    /// Ends the element that began last.
    ///
    /// # Errors
    /// There is none.
    pub fn end(&mut self) -> Result<(), NotXml> {
        let (at, length) = self.open.pop().ok_or(NotXml::Place)?;
        if self.in_tag {
            self.in_tag = false;
            self.out.extend_from_slice(b"/>");
        } else {
            self.out.extend_from_slice(b"</");
            self.out.extend_from_within(at..at + length);
            self.out.push(b'>');
        }
        Ok(())
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing is written yet.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// The document; what is still open is ended.
    pub fn finish(mut self) -> Vec<u8> {
        while self.end().is_ok() {}
        self.out
    }

    fn close_tag(&mut self) {
        if self.in_tag {
            self.in_tag = false;
            self.out.push(b'>');
        }
    }

    fn escape(&mut self, text: &str, escaped: impl Fn(u8) -> Option<&'static str>) {
        let bytes = text.as_bytes();
        let mut from = 0;
        for (at, byte) in bytes.iter().enumerate() {
            // Letters are all that is beyond.
            if *byte <= b'>'
                && let Some(escaped) = escaped(*byte)
            {
                self.out.extend_from_slice(&bytes[from..at]);
                self.out.extend_from_slice(escaped.as_bytes());
                from = at + 1;
            }
        }
        self.out.extend_from_slice(&bytes[from..]);
    }
}
