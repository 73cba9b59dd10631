//! The text of the file: where a byte of it is, and what of a line may be shown.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The longest line that is quoted, in bytes.
const LONGEST_LINE: usize = 200;

/// The text of a configuration file, with the beginnings of its lines.
pub(super) struct Source<'t> {
    text: &'t str,
    lines: Vec<usize>,
}

impl<'t> Source<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Source { text, lines }
    }

    /// The line of a byte, from 1.
    pub(super) fn line_number(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at).max(1)
    }

    /// Line and column of a byte, from 1; the column counts characters.
    pub(super) fn position(&self, at: usize) -> (usize, usize) {
        (self.line_number(at), self.line_before(at).chars().count() + 1)
    }

    /// The line that a byte is in, up to this byte.
    pub(super) fn line_before(&self, at: usize) -> &'t str {
        self.text.get(self.line_start(at)..at).unwrap_or_default()
    }

    /// The line that a byte is in, without its end.
    pub(super) fn line(&self, at: usize) -> &'t str {
        let rest = self.text.get(self.line_start(at)..).unwrap_or_default();
        rest.lines().next().unwrap_or_default()
    }

    fn line_start(&self, at: usize) -> usize {
        self.lines[self.line_number(at) - 1]
    }

    /// The line where `span` begins, and carets to print under the part of `span` that is in it. What is in `hidden`
    /// (sorted, not overlapping) is replaced by an ellipsis.
    pub(super) fn excerpt(&self, span: &Range<usize>, hidden: &[Range<usize>]) -> Option<(String, String)> {
        let start = self.line_start(span.start);
        let end = start + self.line(span.start).len();
        if end - start > LONGEST_LINE {
            return None;
        }
        let shown = self.show(start..end, hidden)?;
        if shown.trim().is_empty() {
            return None;
        }
        let blanks = self.show(start..span.start, hidden)?.chars().count();
        let carets = self.show(span.start..span.end.clamp(span.start, end), hidden)?.chars().count();
        Some((shown, format!("{}{}", " ".repeat(blanks), "^".repeat(carets.max(1)))))
    }

    fn show(&self, range: Range<usize>, hidden: &[Range<usize>]) -> Option<String> {
        let mut shown = String::new();
        let mut at = range.start;
        let first = hidden.partition_point(|span| span.end <= range.start);
        for span in hidden[first..].iter().take_while(|span| span.start < range.end) {
            shown.push_str(self.text.get(at..span.start.max(at))?);
            shown.push('…');
            at = span.end;
        }
        shown.push_str(self.text.get(at..range.end.max(at)).filter(|_| at <= range.end).unwrap_or_default());
        // A terminal is to show the line, not to obey it.
        Some(shown.chars().map(|c| if is_plain(c) { c } else { ' ' }).collect())
    }
}

fn is_plain(c: char) -> bool {
    matches!(c, '"' | '\'' | '\\') || c.escape_debug().len() == 1
}

/// The places of all single values of a table, tables and lists looked through, except those that begin where `shown` says.
pub(super) fn hidden(table: &DeTable<'_>, shown: &BTreeSet<usize>) -> Vec<Range<usize>> {
    let mut hidden = Vec::new();
    for value in table.values() {
        collect(value, &mut hidden);
    }
    hidden.retain(|span| !shown.contains(&span.start));
    hidden.sort_by_key(|span| span.start);
    hidden
}

fn collect(value: &Spanned<DeValue<'_>>, spans: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::Table(table) => table.values().for_each(|value| collect(value, spans)),
        DeValue::Array(list) => list.iter().for_each(|value| collect(value, spans)),
        _ => spans.push(value.span()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_lines_and_characters_from_one() {
        let source = Source::new("ä = 1\r\nbb = 2\n");
        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position(3), (1, 3));
        assert_eq!(source.position(8), (2, 1));
        assert_eq!(source.position(13), (2, 6));
        assert_eq!(source.position(15), (3, 1));
        assert_eq!(source.position(999), (3, 1));
        assert_eq!(source.line(9), "bb = 2");
        assert_eq!(Source::new("").position(0), (1, 1));
    }

    #[test]
    fn an_excerpt_hides_what_it_must_and_keeps_its_carets_in_place() {
        let text = "x = 1\na = { p = \"secret\", q = 5 }\n";
        let source = Source::new(text);
        let secret = text.find("\"secret\"").unwrap();
        let five = text.find('5').unwrap();
        let hidden = vec![secret..secret + 8; 1];
        let (line, carets) = source.excerpt(&(five..five + 1), &hidden).unwrap();
        assert_eq!(line, "a = { p = …, q = 5 }");
        assert_eq!(carets.find('^'), line.replace('…', ".").find('5'));
        let (_, carets) = source.excerpt(&(secret..secret + 8), &hidden).unwrap();
        assert_eq!(carets.trim(), "^");
    }

    #[test]
    fn a_value_that_spans_lines_is_hidden_on_each() {
        let text = "p = \"\"\"one\ntwo\"\"\" # end\n";
        let source = Source::new(text);
        let end = text.find("# end").unwrap();
        let hidden = vec![4..17; 1];
        assert_eq!(source.excerpt(&(end..end + 1), &hidden).unwrap().0, "… # end");
        assert_eq!(source.excerpt(&(0..1), &hidden).unwrap().0, "p = …");
    }

    #[test]
    fn an_escape_sequence_does_not_reach_the_terminal() {
        let source = Source::new("a = 1 # \u{1b}[2J\u{202e}\tend");
        assert_eq!(source.excerpt(&(0..1), &[]).unwrap().0, "a = 1 #  [2J  end");
    }
}
