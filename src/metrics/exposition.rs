//! [`Page`]: the text format of Prometheus, version 0.0.4, and nothing about what is in it.
//!
//! In: families and their samples, in order. Out: text. Our own hundred lines rather than
//! prometheus-client's encoder: a scrape reads blocks that snapshots own, while that crate's registry
//! owns its collectors and its cells, and each const metric handed through it is as long as the line
//! it writes. 0.0.4 rather than OpenMetrics, because every scraper reads it.

use std::fmt::{Display, Write as _};

use super::histogram::{BOUNDS, Distribution};

/// What a family's samples are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// They only grow; the name ends in `_total`.
    Counter,
    /// They move.
    Gauge,
    /// Cumulative buckets, a sum and a count.
    Histogram,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Names of labels and their values.
type Pairs<'a> = &'a [(&'a str, &'a str)];

/// The text so far.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// Opens a family. One that turns out to have no samples leaves its two lines behind, which is
    /// legal and tells a reader that the series exists.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let kind = kind.as_str();
        // Our help is a constant without line ends and backslashes, so there is nothing to escape.
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        Family { page: self, name }
    }

    /// The page.
    pub(super) fn finish(self) -> String {
        self.text
    }

    fn line(&mut self, line: impl Display) {
        // A `String` takes everything; there is no error to see.
        let _ = write!(self.text, "{line}");
    }

    fn labels(&mut self, pairs: Pairs<'_>, last: Option<(&str, &str)>) {
        let mut open = '{';
        for (name, value) in pairs.iter().copied().chain(last) {
            self.text.push(open);
            self.text.push_str(name);
            self.text.push_str("=\"");
            for char in value.chars() {
                match char {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    other => self.text.push(other),
                }
            }
            self.text.push('"');
            open = ',';
        }
        if open == ',' {
            self.text.push('}');
        }
    }
}

/// A family whose samples follow.
#[derive(Debug)]
pub(super) struct Family<'a> {
    page: &'a mut Page,
    name: &'static str,
}

impl Family<'_> {
    /// One series. `value` is an integer.
    pub(super) fn sample(&mut self, labels: Pairs<'_>, value: impl Display) {
        self.write("", labels, None, value);
    }

    /// The series of a histogram, in seconds.
    pub(super) fn histogram(&mut self, labels: Pairs<'_>, distribution: &Distribution) {
        let bounds = BOUNDS.iter().map(|(_, seconds)| *seconds).chain(["+Inf"]);
        let mut count = 0;
        for (bound, bucket) in bounds.zip(distribution.buckets) {
            count += bucket;
            self.write("_bucket", labels, Some(("le", bound)), count);
        }
        let (seconds, micros) = (distribution.micros / 1_000_000, distribution.micros % 1_000_000);
        self.write("_sum", labels, None, format_args!("{seconds}.{micros:06}"));
        self.write("_count", labels, None, count);
    }

    fn write(
        &mut self,
        suffix: &str,
        labels: Pairs<'_>,
        last: Option<(&str, &str)>,
        value: impl Display,
    ) {
        self.page.text.push_str(self.name);
        self.page.text.push_str(suffix);
        self.page.labels(labels, last);
        self.page.line(format_args!(" {value}\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_escaped() {
        let mut page = Page::default();
        let mut family = page.family("a_total", Kind::Counter, "Help.");
        family.sample(&[], 1);
        family.sample(&[("x", "say \"hi\"\\\n"), ("y", "é")], 2);
        assert_eq!(
            page.finish(),
            "# HELP a_total Help.\n# TYPE a_total counter\na_total 1\n\
             a_total{x=\"say \\\"hi\\\"\\\\\\n\",y=\"é\"} 2\n"
        );
    }
}
