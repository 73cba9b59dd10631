//! Rust source as the walls see it: the paths it names, outside comments, strings and test modules.

use std::iter::Peekable;
use std::vec::IntoIter;

/// A path that a source file names, with every `use` group spread out and every `super` resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// The line it begins on, from 1.
    pub(crate) line: usize,
    /// `crate::poll::walk` as its segments; a glob ends in `*`.
    pub(crate) segments: Vec<String>,
}

impl Named {
    /// The path as it would be written.
    pub(crate) fn text(&self) -> String {
        self.segments.join("::")
    }

    /// Whether the path is `prefix` (`std::fs`) or below it.
    pub(crate) fn is_within(&self, prefix: &str) -> bool {
        let mut segments = self.segments.iter();
        prefix.split("::").all(|wanted| segments.next().is_some_and(|segment| segment == wanted))
    }
}

/// Every path of two or more segments that `source` names, in the module `module` (`["poll", "walk"]`), and the names
/// of the modules it declares for tests only.
pub(crate) fn read(source: &str, module: &[&str]) -> (Vec<Named>, Vec<String>) {
    let (tokens, test_modules) = without_tests(tokens(&blank(source)));
    let mut tokens = tokens.into_iter().peekable();
    let mut named = Vec::new();
    while let Some((line, token)) = tokens.next() {
        if is_word(&token) && tokens.peek().is_some_and(|(_, next)| next == "::") {
            spread(line, vec![token], &mut tokens, &mut named);
        } else if token == "::" {
            // `::std::fs`: a path from the root of all crates.
            continue;
        }
    }
    for path in &mut named {
        resolve(&mut path.segments, module);
    }
    (named, test_modules)
}

type Token = (usize, String);

/// Follows a path from its first segment, into every branch of a `use` group.
fn spread(line: usize, mut path: Vec<String>, tokens: &mut Peekable<IntoIter<Token>>, named: &mut Vec<Named>) {
    while tokens.next_if(|(_, t)| t == "::").is_some() {
        match tokens.peek().map(|(_, t)| t.clone()) {
            Some(token) if is_word(&token) || token == "*" => {
                tokens.next();
                path.push(token);
            }
            Some(token) if token == "{" => {
                tokens.next();
                return spread_group(&path, tokens, named);
            }
            _ => break, // generic arguments: `Vec::<u8>::new`
        }
    }
    named.push(Named { line, segments: path });
}

/// The branches of `path::{…}`, up to its closing brace.
fn spread_group(path: &[String], tokens: &mut Peekable<IntoIter<Token>>, named: &mut Vec<Named>) {
    while let Some((line, token)) = tokens.next() {
        match token.as_str() {
            "}" => return,
            "self" => named.push(Named { line, segments: path.to_vec() }),
            // The name after `as` is ours, and no path.
            "as" => drop(tokens.next()),
            word if is_word(word) || word == "*" => {
                let mut longer = path.to_vec();
                longer.push(token);
                spread(line, longer, tokens, named);
            }
            _ => {}
        }
    }
}

/// Writes `super::super::x` as `crate::…::x`, and `self::x` likewise.
fn resolve(segments: &mut Vec<String>, module: &[&str]) {
    let ups = segments.iter().take_while(|s| *s == "super").count();
    let from_here = usize::from(segments[0] == "self");
    if ups + from_here > 0 {
        let kept = module.len().saturating_sub(ups);
        let root = std::iter::once("crate").chain(module[..kept].iter().copied()).map(String::from);
        segments.splice(..ups + from_here, root);
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c == '_' || c.is_alphabetic())
}

/// Takes out what stands under `#[cfg(test)]`, and names the modules that have a file of their own.
fn without_tests(tokens: Vec<Token>) -> (Vec<Token>, Vec<String>) {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut modules) = (Vec::new(), Vec::new());
    let mut rest = &tokens[..];
    while let Some((first, after)) = rest.split_first() {
        let marked = rest.len() > MARK.len() && MARK.iter().zip(rest).all(|(mark, (_, token))| mark == token);
        if marked {
            rest = &rest[MARK.len()..];
            let end = end_of_declaration(rest);
            let words: Vec<&str> = rest[..end].iter().map(|(_, t)| t.as_str()).collect();
            if let [.., "mod", name, ";"] = words[..] {
                modules.push(name.to_owned());
            }
            rest = &rest[end..];
        } else {
            kept.push(first.clone());
            rest = after;
        }
    }
    (kept, modules)
}

/// The number of tokens up to the `;` or the closing brace that ends a declaration.
fn end_of_declaration(tokens: &[Token]) -> usize {
    let mut depth = 0usize;
    for (i, (_, token)) in tokens.iter().enumerate() {
        match token.as_str() {
            ";" if depth == 0 => return i + 1,
            "{" | "(" | "[" => depth += 1,
            "}" if depth == 1 => return i + 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    tokens.len()
}

/// Words, `::`, and every other character that is not white space, each with its line.
fn tokens(source: &str) -> Vec<Token> {
    let mut found = Vec::new();
    for (number, line) in source.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let length = match word {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                word => word,
            };
            found.push((number + 1, rest[..length].to_owned()));
            rest = rest[length..].trim_start();
        }
    }
    found
}

/// The source with the inside of comments, strings and character literals blanked, line by line as long as before.
fn blank(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = not_code(rest, out.chars().next_back());
        if length == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            out.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    out
}

/// The length of the comment or literal that `rest` begins with; 0 where it begins with code. `before` is the character
/// in front: the `r` of `for` begins no raw string.
fn not_code(rest: &str, before: Option<char>) -> usize {
    let inside_a_word = before.is_some_and(|c| c == '_' || c.is_alphanumeric());
    if rest.starts_with("//") {
        rest.find('\n').unwrap_or(rest.len())
    } else if rest.starts_with("/*") {
        block_comment(rest)
    } else if rest.starts_with('"') {
        quoted(rest, '"')
    } else if let Some(hashes) = raw_string(rest).filter(|_| !inside_a_word) {
        let end = format!("\"{}", "#".repeat(hashes));
        let start = hashes + 2;
        rest[start..].find(&end).map_or(rest.len(), |i| start + i + end.len())
    } else if let Some(after) = rest.strip_prefix('\'') {
        // A lifetime has no closing quote after one character.
        let literal = after.starts_with('\\') || after.chars().nth(1) == Some('\'');
        if literal { quoted(rest, '\'') } else { 0 }
    } else {
        0
    }
}

/// The number of `#` of the raw string that `rest` begins with.
fn raw_string(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        match here {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (i, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return i + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::read;

    fn named(source: &str) -> Vec<String> {
        read(source, &["poll", "walk"]).0.iter().map(|n| format!("{} {}", n.line, n.text())).collect()
    }

    #[test]
    fn a_use_group_is_every_path_in_it() {
        let source = "use crate::{wire, store::{self, disk::Place as P}, push::*};\nuse std::{fs, io};";
        let paths = ["1 crate::wire", "1 crate::store", "1 crate::store::disk::Place", "1 crate::push::*"];
        assert_eq!(named(source), [&paths[..], &["2 std::fs", "2 std::io"]].concat());
    }

    #[test]
    fn a_path_in_the_middle_of_code_counts() {
        assert_eq!(named("fn f() -> u8 {\n    crate::push::send::<u8>(&x)\n}"), ["2 crate::push::send"]);
        assert_eq!(named("let x: ::std::fs::File;"), ["1 std::fs::File"]);
    }

    #[test]
    fn a_way_out_over_super_is_seen() {
        assert_eq!(named("use super::super::push::x;"), ["1 crate::push::x"]);
        assert_eq!(named("use super::part;"), ["1 crate::poll::part"]);
        assert_eq!(named("use self::part::x;"), ["1 crate::poll::walk::part::x"]);
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        let quiet = "// crate::push::x\n/* crate::push /* :: */ crate::push::x */\n\"crate::push::x \\\" a::b\";\n\
                     r#\"crate::push::x \" a::b\"#; b\"a::b\"; '\"'; '\\''; fn f<'a>(x: &'a u8) {}";
        assert_eq!(named(quiet), [""; 0]);
        assert_eq!(named("'\"'; crate::push::x; '\"'"), ["1 crate::push::x"]);
        assert_eq!(named("let x = for_r\"a::b\"; /* */ c::d"), ["1 c::d"]);
    }

    #[test]
    fn what_is_for_tests_alone_is_left_out() {
        let source = "#[cfg(test)]\nmod tests { use crate::push::x; fn f() { a::b } }\nuse crate::wire::y;\n\
                      #[cfg(test)]\nmod more;\n#[cfg(test)]\nuse crate::push::z;\nuse c::d;";
        assert_eq!(named(source), ["3 crate::wire::y", "8 c::d"]);
        assert_eq!(read(source, &["poll"]).1, ["more"]);
    }
}
