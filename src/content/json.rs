//! A strict JSON checker (RFC 8259) that is pushed through: it holds a stack of brackets and one short string.
//!
//! It tells whether the bytes are one JSON value, and which version of STIX 2 a bundle is. That the strings are UTF-8
//! is not looked at here: [`Text`](super::text::Text) sees the same bytes.

/// Arrays and objects may be nested this deep, as elements of XML may (RELIABILITY X21).
pub(super) const DEPTH: usize = 512;
/// The longest string that is compared with anything: `spec_version`.
const LONGEST_WORD: usize = 16;
const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// What a whole file of valid JSON is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A STIX bundle of this version, `2.0` or `2.1`.
    Bundle(&'static str),
    /// A bundle without a version that is known.
    BundleOfUnknownVersion,
    /// Any other value.
    Other,
}

/// Where JSON ends to be JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) line: u64,
    pub(super) column: u64,
    pub(super) reason: String,
}

/// The checker.
#[derive(Debug)]
pub(super) struct Checker {
    state: State,
    /// The open brackets, outermost first: `true` for an object.
    open: Vec<bool>,
    /// Bytes read, and how many of them lie before the present line.
    offset: u64,
    line_start: u64,
    line: u64,
    mistake: Option<Mistake>,
    word: Word,
    stix: Stix,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Value,
    ValueOrEnd,
    Name,
    NameOrEnd,
    Colon,
    CommaOrEnd,
    String { name: bool },
    Escape { name: bool },
    Hex { name: bool, left: u8 },
    Number(Number),
    Literal { rest: &'static [u8] },
    End,
}

/// Where in a number the last byte was (RFC 8259, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    E,
    Sign,
    Exponent,
}

/// The present string, as long as it is short and plain. One with an escape is compared with nothing: nobody writes
/// the names of STIX that way.
#[derive(Debug, Default)]
struct Word {
    bytes: Vec<u8>,
    plain: bool,
}

/// What is known of a bundle so far.
#[derive(Debug, Default)]
struct Stix {
    /// The present name in the outermost object.
    outer: Name,
    /// The present name in an object of the array `objects`.
    inner: Name,
    bundle: bool,
    /// `spec_version` of the bundle itself, which only 2.0 defines.
    declared: Option<Declared>,
    /// Whether any object has `spec_version` 2.1.
    has_2_1: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Name {
    Type,
    SpecVersion,
    Objects,
    #[default]
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Declared {
    Known(&'static str),
    Unknown,
}

impl Checker {
    pub(super) fn new() -> Self {
        Self {
            state: State::Value,
            open: Vec::new(),
            offset: 0,
            line_start: 0,
            line: 1,
            mistake: None,
            word: Word::default(),
            stix: Stix::default(),
        }
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while self.mistake.is_none() && !bytes.is_empty() {
            let passed = match self.state {
                State::String { .. } => self.pass_string(bytes),
                _ => 0,
            };
            self.offset += passed as u64;
            bytes = &bytes[passed..];
            let Some((&byte, rest)) = bytes.split_first() else { return };
            if let Err(reason) = self.step(byte) {
                self.mistake = Some(self.mistake_here(reason));
            }
            self.offset += 1;
            bytes = rest;
        }
    }

    pub(super) fn finish(mut self) -> Result<Shape, Mistake> {
        if self.mistake.is_none() && self.state != State::End && !self.ends_with_a_number() {
            self.mistake = Some(self.mistake_here("the file ends too early".to_owned()));
        }
        match self.mistake {
            Some(mistake) => Err(mistake),
            None => Ok(self.stix.shape()),
        }
    }

    fn ends_with_a_number(&self) -> bool {
        self.open.is_empty() && matches!(self.state, State::Number(number) if number.may_end())
    }

    fn mistake_here(&self, reason: String) -> Mistake {
        Mistake { line: self.line, column: self.offset - self.line_start + 1, reason }
    }

    /// The bytes of a string up to the next one that means something.
    fn pass_string(&mut self, bytes: &[u8]) -> usize {
        let plain = |byte: &u8| *byte >= 0x20 && *byte != b'"' && *byte != b'\\';
        let end = bytes.iter().position(|byte| !plain(byte)).unwrap_or(bytes.len());
        self.word.push(&bytes[..end]);
        end
    }

    fn step(&mut self, byte: u8) -> Result<(), String> {
        match self.state {
            State::String { name } => self.in_string(byte, name),
            State::Escape { name } => {
                self.state = match byte {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => State::String { name },
                    b'u' => State::Hex { name, left: 4 },
                    _ => return Err("an escape that JSON does not have".to_owned()),
                };
                Ok(())
            }
            State::Hex { name, left } => {
                if !byte.is_ascii_hexdigit() {
                    return Err("\\u without four hexadecimal digits".to_owned());
                }
                self.state = if left == 1 { State::String { name } } else { State::Hex { name, left: left - 1 } };
                Ok(())
            }
            State::Literal { rest } => match rest.split_first() {
                Some((expected, rest)) if *expected == byte => {
                    if rest.is_empty() {
                        self.value_ended();
                    } else {
                        self.state = State::Literal { rest };
                    }
                    Ok(())
                }
                _ => Err("a word other than true, false and null".to_owned()),
            },
            State::Number(number) => match number.after(byte) {
                Some(number) => {
                    self.state = State::Number(number);
                    Ok(())
                }
                None if number.may_end() => {
                    self.value_ended();
                    self.between(byte)
                }
                None => Err("a number that is not whole".to_owned()),
            },
            _ => self.between(byte),
        }
    }

    fn in_string(&mut self, byte: u8, name: bool) -> Result<(), String> {
        match byte {
            b'"' if name => {
                self.name_ended();
                self.state = State::Colon;
            }
            b'"' => {
                self.string_ended();
                self.value_ended();
            }
            b'\\' => {
                self.word.plain = false;
                self.state = State::Escape { name };
            }
            _ => return Err("a control character in a string".to_owned()),
        }
        Ok(())
    }

    /// A byte outside strings, numbers and words.
    fn between(&mut self, byte: u8) -> Result<(), String> {
        match (self.state, byte) {
            (_, b' ' | b'\t' | b'\r') => {}
            (_, b'\n') => {
                self.line += 1;
                self.line_start = self.offset + 1;
            }
            // RFC 8259, section 8.1: a reader may ignore a byte order mark. It is not sent.
            (State::Value, _) if self.is_byte_order_mark(byte) => {}
            (State::NameOrEnd | State::CommaOrEnd, b'}') if self.open.last() == Some(&true) => self.close(),
            (State::ValueOrEnd | State::CommaOrEnd, b']') if self.open.last() == Some(&false) => self.close(),
            (State::CommaOrEnd, b',') => {
                self.state = if self.open.last() == Some(&true) { State::Name } else { State::Value };
            }
            (State::Colon, b':') => self.state = State::Value,
            (State::Name | State::NameOrEnd, b'"') => self.open_string(true),
            (State::Value | State::ValueOrEnd, _) => return self.value_begins(byte),
            (State::End, _) => return Err("something after the end of the value".to_owned()),
            (state, _) => return Err(state.expected().to_owned()),
        }
        Ok(())
    }

    fn is_byte_order_mark(&self, byte: u8) -> bool {
        usize::try_from(self.offset).ok().and_then(|at| BYTE_ORDER_MARK.get(at)) == Some(&byte)
    }

    fn value_begins(&mut self, byte: u8) -> Result<(), String> {
        match byte {
            b'{' => self.open(true)?,
            b'[' => self.open(false)?,
            b'"' => self.open_string(false),
            b'-' => self.state = State::Number(Number::Minus),
            b'0' => self.state = State::Number(Number::Zero),
            b'1'..=b'9' => self.state = State::Number(Number::Integer),
            b't' => self.state = State::Literal { rest: b"rue" },
            b'f' => self.state = State::Literal { rest: b"alse" },
            b'n' => self.state = State::Literal { rest: b"ull" },
            _ => return Err(State::Value.expected().to_owned()),
        }
        Ok(())
    }

    fn open(&mut self, object: bool) -> Result<(), String> {
        if self.open.len() == DEPTH {
            return Err(format!("nested deeper than {DEPTH} levels"));
        }
        self.open.push(object);
        self.state = if object { State::NameOrEnd } else { State::ValueOrEnd };
        Ok(())
    }

    fn close(&mut self) {
        self.open.pop();
        self.value_ended();
    }

    fn open_string(&mut self, name: bool) {
        self.word.clear();
        self.state = State::String { name };
    }

    fn value_ended(&mut self) {
        self.state = if self.open.is_empty() { State::End } else { State::CommaOrEnd };
    }

    fn name_ended(&mut self) {
        let name = match self.word.get() {
            b"type" => Name::Type,
            b"spec_version" => Name::SpecVersion,
            b"objects" => Name::Objects,
            _ => Name::Other,
        };
        match *self.open {
            [true] => self.stix.outer = name,
            [true, false, true] => self.stix.inner = name,
            _ => {}
        }
    }

    fn string_ended(&mut self) {
        let word = self.word.get();
        match (&*self.open, self.stix.outer, self.stix.inner) {
            ([true], Name::Type, _) => self.stix.bundle = word == b"bundle",
            ([true], Name::SpecVersion, _) => {
                self.stix.declared = Some(match word {
                    b"2.0" => Declared::Known("2.0"),
                    b"2.1" => Declared::Known("2.1"),
                    _ => Declared::Unknown,
                });
            }
            ([true, false, true], Name::Objects, Name::SpecVersion) => self.stix.has_2_1 |= word == b"2.1",
            _ => {}
        }
    }
}

impl State {
    fn expected(self) -> &'static str {
        match self {
            Self::Name | Self::NameOrEnd => "a name in quotation marks is missing",
            Self::Colon => "a colon is missing",
            Self::CommaOrEnd => "a comma or the closing bracket is missing",
            _ => "a value is missing",
        }
    }
}

impl Number {
    fn may_end(self) -> bool {
        matches!(self, Self::Zero | Self::Integer | Self::Fraction | Self::Exponent)
    }

    fn after(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Minus, b'0') => Some(Self::Zero),
            (Self::Minus | Self::Integer, b'0'..=b'9') => Some(Self::Integer),
            (Self::Zero | Self::Integer, b'.') => Some(Self::Point),
            (Self::Point | Self::Fraction, b'0'..=b'9') => Some(Self::Fraction),
            (Self::Zero | Self::Integer | Self::Fraction, b'e' | b'E') => Some(Self::E),
            (Self::E, b'+' | b'-') => Some(Self::Sign),
            (Self::E | Self::Sign | Self::Exponent, b'0'..=b'9') => Some(Self::Exponent),
            _ => None,
        }
    }
}

impl Word {
    fn clear(&mut self) {
        self.bytes.clear();
        self.plain = true;
    }

    fn push(&mut self, bytes: &[u8]) {
        self.plain &= self.bytes.len() + bytes.len() <= LONGEST_WORD;
        if self.plain {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Empty for a string that is too long or has an escape, which compares with nothing either.
    fn get(&self) -> &[u8] {
        if self.plain { &self.bytes } else { b"" }
    }
}

impl Stix {
    /// Bundle-level `spec_version` exists in 2.0 only; from 2.1 on the objects say it.
    fn shape(&self) -> Shape {
        match self.declared {
            _ if !self.bundle => Shape::Other,
            Some(Declared::Known(version)) => Shape::Bundle(version),
            None if self.has_2_1 => Shape::Bundle("2.1"),
            _ => Shape::BundleOfUnknownVersion,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8]) -> Result<Shape, Mistake> {
        let mut whole = Checker::new();
        whole.feed(bytes);
        let whole = whole.finish();
        let mut cut = Checker::new();
        bytes.chunks(1).for_each(|byte| cut.feed(byte));
        assert_eq!(whole, cut.finish(), "cut at every byte: {}", String::from_utf8_lossy(bytes));
        whole
    }

    #[test]
    fn the_version_of_a_bundle_is_its_own_or_that_of_its_objects() {
        let table = [
            (r#"{"type":"bundle","id":"bundle--1","spec_version":"2.0","objects":[]}"#, Shape::Bundle("2.0")),
            (r#"{"spec_version":"2.0","objects":[{"type":"x"}],"type":"bundle"}"#, Shape::Bundle("2.0")),
            (r#"{"type":"bundle","spec_version":"2.1"}"#, Shape::Bundle("2.1")),
            (r#"{"type":"bundle","objects":[{"type":"a"},{"spec_version":"2.1","type":"b"}]}"#, Shape::Bundle("2.1")),
            (r#"{"objects":[{"x":{"y":[]},"spec_version":"2.1"}],"type":"bundle"}"#, Shape::Bundle("2.1")),
            (r#"{"type":"bundle","objects":[{"x":{"spec_version":"2.1"}}]}"#, Shape::BundleOfUnknownVersion),
            (r#"{"type":"bundle","others":[{"spec_version":"2.1"}]}"#, Shape::BundleOfUnknownVersion),
            (r#"{"type":"bundle","spec_version":"3.0","objects":[]}"#, Shape::BundleOfUnknownVersion),
            (r#"{"type":"bundle","spec_version":2.0}"#, Shape::BundleOfUnknownVersion),
            (r#"{"type":"bundle"}"#, Shape::BundleOfUnknownVersion),
            (r#"{"type":"indicator","spec_version":"2.1"}"#, Shape::Other),
            (r#"[{"type":"bundle","spec_version":"2.0"}]"#, Shape::Other),
            (r#"{"a":{"type":"bundle","spec_version":"2.0"}}"#, Shape::Other),
            (r#"{"type":"bundles","bundle":"type"}"#, Shape::Other),
            ("\u{FEFF}{\"type\":\"bundle\",\"spec_version\":\"2.0\"}\n", Shape::Bundle("2.0")),
        ];
        for (text, expected) in table {
            assert_eq!(check(text.as_bytes()), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let table = [
            ("{\n  \"a\": 1,\n}", 3, 1, "a name in quotation marks is missing"),
            ("[1,]", 1, 4, "a value is missing"),
            ("[1 2]", 1, 4, "a comma or the closing bracket is missing"),
            ("[1}", 1, 3, "a comma or the closing bracket is missing"),
            ("{\"a\" 1}", 1, 6, "a colon is missing"),
            ("{} x", 1, 4, "something after the end of the value"),
            ("[01]", 1, 3, "a comma or the closing bracket is missing"),
            ("[1.]", 1, 4, "a number that is not whole"),
            ("[nul]", 1, 5, "a word other than true, false and null"),
            ("[\"\\x\"]", 1, 4, "an escape that JSON does not have"),
            ("[\"\\u12g\"]", 1, 7, "\\u without four hexadecimal digits"),
            ("[\"a\tb\"]", 1, 4, "a control character in a string"),
            ("\n[{\"a\":[", 2, 8, "the file ends too early"),
            ("[\u{FEFF}1]", 1, 2, "a value is missing"),
        ];
        for (text, line, column, reason) in table {
            assert_eq!(check(text.as_bytes()), Err(Mistake { line, column, reason: reason.to_owned() }), "{text}");
        }
    }

    #[test]
    fn nesting_ends_at_the_limit() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(check(nested(DEPTH).as_bytes()), Ok(Shape::Other));
        let mistake = check(nested(DEPTH + 1).as_bytes()).unwrap_err();
        assert_eq!(mistake.reason, "nested deeper than 512 levels");
    }

    #[test]
    fn any_one_byte_changed_is_judged_as_another_reader_judges_it() {
        let sample = br#" {"type" : "a\u00e9\n\"", "n":[-0.5e+3,10,0,1E2],"t":[true,false,null,{},[]], "x":{"y":""}} "#;
        let replacements = b"{}[]:,\"\\ 0129-+.eEtfnul/\x01\n";
        let valid = |bytes: &[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
        let mut judged = [0, 0];
        for at in 0..sample.len() {
            for &byte in replacements {
                let mut changed = sample.to_vec();
                changed[at] = byte;
                let expected = valid(&changed);
                judged[usize::from(expected)] += 1;
                assert_eq!(check(&changed).is_ok(), expected, "{}", String::from_utf8_lossy(&changed));
            }
            assert_eq!(check(&sample[..at]).is_ok(), valid(&sample[..at]), "cut at {at}");
        }
        assert!(judged.iter().all(|count| *count > 100), "both kinds were seen: {judged:?}");
    }
}
