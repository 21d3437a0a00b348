//! A comma-separated list (RFC 9110, 5.6.1) in which one word matters.
//!
//! In: the list's bytes. Out: whether the word is an element, and whether anything else is. What else
//! is in the list is not judged here.

/// A list so far, and the word that is looked for, in lower case.
#[derive(Clone, Copy)]
pub(super) struct List {
    word: &'static [u8],
    element: Element,
    /// Whether the word is an element.
    pub(super) has_word: bool,
    /// Whether there is an element that is not the word.
    pub(super) has_other: bool,
}

/// The element that is coming.
#[derive(Clone, Copy)]
enum Element {
    /// Nothing of it has come.
    Empty,
    /// So many bytes, which are the word's first ones.
    Like(u8),
    /// The word and a space; nothing more may come.
    Word,
    /// It is not the word.
    Other,
}

impl List {
    pub(super) const fn new(word: &'static [u8]) -> Self {
        Self { word, element: Element::Empty, has_word: false, has_other: false }
    }

    pub(super) fn take(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            bytes = rest;
            match byte {
                b',' => self.end_element(),
                b' ' | b'\t' => self.take_space(),
                _ => self.take_letter(byte),
            }
            if matches!(self.element, Element::Other) {
                let end = rest.iter().position(|&byte| byte == b',').unwrap_or(rest.len());
                bytes = rest.get(end..).unwrap_or_default();
            }
        }
    }

    /// The list as it is when nothing more comes.
    pub(super) fn ended(mut self) -> Self {
        self.end_element();
        self
    }

    fn take_letter(&mut self, byte: u8) {
        let at = match self.element {
            Element::Empty => 0,
            Element::Like(length) => length,
            Element::Word | Element::Other => u8::MAX,
        };
        let is_next = self.word.get(usize::from(at)) == Some(&byte.to_ascii_lowercase());
        self.element = if is_next { Element::Like(at + 1) } else { Element::Other };
    }

    fn take_space(&mut self) {
        self.element = match self.element {
            Element::Empty => Element::Empty,
            Element::Like(length) if usize::from(length) == self.word.len() => Element::Word,
            Element::Word => Element::Word,
            Element::Like(_) | Element::Other => Element::Other,
        };
    }

    fn end_element(&mut self) {
        match self.element {
            Element::Empty => {}
            Element::Like(length) if usize::from(length) == self.word.len() => self.has_word = true,
            Element::Word => self.has_word = true,
            Element::Like(_) | Element::Other => self.has_other = true,
        }
        self.element = Element::Empty;
    }
}
