//! The files that were read, laid end to end, so that a position names its file as well.
//!
//! In: texts. Out: for a [`Span`] or a [`Path`] the file, line and column. The positions of a file are
//! counted on from those of the file before it: a value can then wander from an included file into
//! the merged tree, and its span goes with it. Secrets are blacked out before any line is shown.

use std::{collections::HashMap, ops::Range, path::PathBuf};

use super::path::Path;

/// A range of bytes in the texts, laid end to end.
pub(super) type Span = Range<usize>;

/// Every file that was read, and where in them each value stands.
#[derive(Debug, Default)]
pub(super) struct Sources {
    files: Vec<File>,
    asked: Vec<PathBuf>,
    index: HashMap<Path, Place>,
    secrets: Vec<Span>,
}

/// A file, or a text without one.
#[derive(Debug)]
pub(super) struct File {
    /// How to call it in a message.
    pub(super) name: String,
    /// Where it is, if it is a file.
    pub(super) path: Option<PathBuf>,
    text: String,
    base: usize,
}

/// Where a value stands.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Its key; an element of a list has none.
    pub(super) key: Option<Span>,
    /// The value itself; of a `[table]`, its header.
    pub(super) value: Span,
}

/// A span, found.
pub(super) struct Location<'a> {
    /// The file it is in.
    pub(super) file: &'a File,
    /// The bytes of that file's text.
    pub(super) range: Range<usize>,
    /// The line, counted from 1.
    pub(super) line: usize,
    /// The character in the line, counted from 1.
    pub(super) column: usize,
}

impl Sources {
    /// Takes a file in; the result is the first position in its text.
    pub(super) fn add(&mut self, name: String, path: Option<PathBuf>, text: String) -> usize {
        // One position between two files belongs to the first: the end of its text.
        let base = self.files.last().map_or(0, |file| file.base + file.text.len() + 1);
        self.files.push(File { name, path, text, base });
        base
    }

    /// Remembers a file that was asked for, there or not, or a pattern for the names of files.
    pub(super) fn ask(&mut self, path: PathBuf) {
        self.asked.push(path);
    }

    /// Everything that was asked for.
    pub(super) fn asked(&self) -> &[PathBuf] {
        &self.asked
    }

    /// Each file, in the order of reading.
    pub(super) fn files(&self) -> &[File] {
        &self.files
    }

    /// Remembers where values stand.
    pub(super) fn set_index(&mut self, index: HashMap<Path, Place>) {
        self.index = index;
    }

    /// Remembers what must never be shown.
    pub(super) fn hide(&mut self, secrets: Vec<Span>) {
        self.secrets = secrets;
    }

    /// The text of a span, as it was written; empty if there is no such text.
    pub(super) fn text(&self, span: &Span) -> &str {
        self.file_of(span.start)
            .and_then(|file| file.text.get(file.local(span)))
            .unwrap_or_default()
    }

    /// The bytes to point at for a path; those of its nearest parent if nobody wrote it.
    pub(super) fn find(&self, path: &Path) -> Option<Span> {
        let Some(place) = self.index.get(path) else { return self.find(&path.parent()?) };
        let one_line = !self.text(&place.value).contains('\n');
        Some(match &place.key {
            Some(key) if !one_line => key.clone(),
            _ => place.value.clone(),
        })
    }

    /// The file, line and column of a span. What goes on over several lines is cut after the first.
    pub(super) fn locate(&self, span: &Span) -> Option<Location<'_>> {
        let file = self.file_of(span.start)?;
        let Range { start, end } = file.local(span);
        let before = file.text.get(..start)?;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line_end =
            file.text[start..].find(['\r', '\n']).map_or(file.text.len(), |at| start + at);
        Some(Location {
            file,
            range: start..end.clamp(start, line_end.max(start)),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        })
    }

    /// A file's text with the secrets in it blacked out, byte for byte.
    pub(super) fn shown(&self, file: &File) -> String {
        let mut text = file.text.clone();
        for secret in self.secrets.iter().filter(|span| self.is_in(file, span)) {
            let range = file.local(secret);
            let black = file.text.get(range.clone()).unwrap_or_default();
            let black: String = black.chars().flat_map(blacked_out).collect();
            if text.is_char_boundary(range.start) && text.is_char_boundary(range.end) {
                text.replace_range(range, &black);
            }
        }
        text
    }

    fn is_in(&self, file: &File, span: &Span) -> bool {
        self.file_of(span.start).is_some_and(|owner| owner.base == file.base)
    }

    fn file_of(&self, position: usize) -> Option<&File> {
        let after = self.files.partition_point(|file| file.base <= position);
        self.files.get(after.checked_sub(1)?)
    }
}

impl File {
    /// What it says.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The first position of its text.
    pub(super) const fn base(&self) -> usize {
        self.base
    }

    /// The bytes of this file's text that a span of it means.
    fn local(&self, span: &Span) -> Range<usize> {
        let place = |position: usize| position.saturating_sub(self.base).min(self.text.len());
        place(span.start)..place(span.end)
    }
}

/// What stands for a character of a secret: as many bytes, so that columns stay.
fn blacked_out(c: char) -> impl Iterator<Item = char> {
    let (shown, times) = match c {
        '\r' | '\n' => (c, 1),
        _ => ('*', c.len_utf8()),
    };
    std::iter::repeat_n(shown, times)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> (Sources, usize) {
        let mut sources = Sources::default();
        sources.add("a".into(), None, "x = 1\nß = 2".into());
        let base = sources.add("b".into(), None, "y = 'geheim'\n".into());
        (sources, base)
    }

    #[test]
    fn a_position_names_its_file() {
        let (sources, base) = two();
        let at = sources.locate(&(9..9)).unwrap();
        assert_eq!((at.file.name.as_str(), at.line, at.column), ("a", 2, 3));
        let at = sources.locate(&(base..base + 1)).unwrap();
        assert_eq!((at.file.name.as_str(), at.line, at.column), ("b", 1, 1));
        let end = sources.locate(&(base - 1..base - 1)).unwrap();
        assert_eq!((end.file.name.as_str(), end.line, end.column), ("a", 2, 6));
    }

    #[test]
    fn a_secret_is_blacked_out_and_nothing_moves() {
        let (mut sources, base) = two();
        let secret = base + 4..base + 12;
        sources.hide(vec![secret]);
        assert_eq!(sources.shown(&sources.files()[1]), "y = ********\n");
        assert_eq!(sources.shown(&sources.files()[0]), "x = 1\nß = 2");
    }

    #[test]
    fn what_nobody_wrote_is_found_at_its_parent() {
        let (mut sources, _) = two();
        let table = Path::root().key("x");
        let place = Place { key: Some(0..1), value: 4..5 };
        sources.set_index(HashMap::from([(table.clone(), place)]));
        assert_eq!(sources.find(&table.key("y").index(3)), Some(4..5));
        assert_eq!(sources.find(&Path::root().key("z")), None);
    }
}
