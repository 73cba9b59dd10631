//! The text of the file: where a byte of it is, and what of a line may be shown.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The longest line that is quoted, in characters.
const LONGEST_LINE: usize = 160;

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

    /// Line and column of a byte, from 1; the column counts characters.
    pub(super) fn position(&self, at: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= at).max(1);
        let before = self.text.get(self.lines[line - 1]..at).map_or(0, |before| before.chars().count());
        (line, before + 1)
    }

    /// The line that a byte is in, without its end.
    pub(super) fn line(&self, at: usize) -> &'t str {
        self.line_range(at).1
    }

    fn line_range(&self, at: usize) -> (usize, &'t str) {
        let line = self.lines.partition_point(|start| *start <= at).max(1);
        let start = self.lines[line - 1];
        let rest = self.text.get(start..).unwrap_or_default();
        (start, rest.lines().next().unwrap_or_default())
    }

    /// The line where `span` begins, and carets to print under the part of `span` that is in it. What is in `hidden`
    /// (sorted, not overlapping) is replaced by an ellipsis.
    pub(super) fn excerpt(&self, span: &Range<usize>, hidden: &[Range<usize>]) -> Option<(String, String)> {
        let (start, line) = self.line_range(span.start);
        let end = start + line.len();
        let shown = self.show(start..end, hidden)?;
        if shown.trim().is_empty() || shown.chars().count() > LONGEST_LINE {
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
        let (line, carets) = source.excerpt(&(five..five + 1), &[secret..secret + 8]).unwrap();
        assert_eq!(line, "a = { p = …, q = 5 }");
        assert_eq!(carets.find('^'), line.replace('…', ".").find('5'));
        let (_, carets) = source.excerpt(&(secret..secret + 8), &[secret..secret + 8]).unwrap();
        assert_eq!(carets.trim(), "^");
    }

    #[test]
    fn a_value_that_spans_lines_is_hidden_on_each() {
        let text = "p = \"\"\"one\ntwo\"\"\" # end\n";
        let source = Source::new(text);
        let end = text.find("# end").unwrap();
        assert_eq!(source.excerpt(&(end..end + 1), &[4..17]).unwrap().0, "… # end");
        assert_eq!(source.excerpt(&(0..1), &[4..17]).unwrap().0, "p = …");
    }

    #[test]
    fn an_escape_sequence_does_not_reach_the_terminal() {
        let source = Source::new("a = 1 # \u{1b}[2J\u{202e}\tend");
        assert_eq!(source.excerpt(&(0..1), &[]).unwrap().0, "a = 1 #  [2J  end");
    }
}
