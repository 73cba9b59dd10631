//! From whatever encoding a document is in to UTF-8.
//!
//! The order of belief is byte order mark, encoding declaration, charset of the Content-Type, UTF-8: real servers say
//! wrong things in their headers. UTF-8 passes through without a copy and unchecked; the scanner checks it.

use encoding_rs::{DecoderResult, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::chars::is_space;
use super::{declaration, shown};

/// The longest XML declaration, for a document whose encoding must be found in it.
const MAX_DECLARATION: usize = 4 << 10;
/// What is transcoded at once.
const PIECE: usize = 8 << 10;

/// How the encoding of a document is found, and where the document begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The charset of the Content-Type, asked when there is neither a byte order mark nor an encoding declaration.
    pub charset: Option<String>,
    /// Whether white space before the document is dropped, as replies of real servers need it (a file with white
    /// space before its XML declaration is not well formed).
    pub leading_space: bool,
}

/// An encoding that is not known, or that cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// Declared, but not one of those that are read.
    #[error("the encoding \"{0}\" is not known; UTF-8, UTF-16, ISO-8859-1, US-ASCII and windows-1252 are")]
    Declared(String),
    /// UTF-16 or UTF-32 that does not begin with a byte order mark, or UTF-32.
    #[error("neither UTF-8 nor UTF-16 with a byte order mark")]
    Wide,
    /// An XML declaration that does not end.
    #[error("the XML declaration is longer than {MAX_DECLARATION} bytes")]
    Endless,
}

/// Turns what is fed into pieces of UTF-8.
#[derive(Debug)]
pub struct Front {
    rules: Rules,
    state: State,
    /// What is read before the encoding is known.
    head: Vec<u8>,
    /// Whether anything but white space was handed on.
    begun: bool,
    /// Bytes of the source before the document.
    skipped: u64,
}

#[derive(Debug)]
enum State {
    Looking,
    Utf8,
    Latin1,
    Other(Box<encoding_rs::Decoder>),
}

/// The encodings that are read.
#[derive(Clone, Copy)]
enum Encoding {
    Utf8,
    Latin1,
    Other(&'static encoding_rs::Encoding),
}

impl Front {
    /// A front before a document.
    pub fn new(rules: Rules) -> Self {
        Self { rules, state: State::Looking, head: Vec::new(), begun: false, skipped: 0 }
    }

    /// Takes the next bytes of the source, and hands on UTF-8.
    pub fn feed<E: From<Unknown>>(
        &mut self,
        bytes: &[u8],
        mut hand_on: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.take(bytes, false, &mut hand_on)
    }

    /// The source is complete.
    pub fn finish<E: From<Unknown>>(&mut self, mut hand_on: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        self.take(b"", true, &mut hand_on)
    }

    /// How many bytes of the source stand before offset 0 of the document, a byte order mark for one. Offsets plus
    /// this number are offsets in the source. `None` where the source is not UTF-8.
    pub fn source_offset(&self) -> Option<u64> {
        matches!(self.state, State::Looking | State::Utf8).then_some(self.skipped)
    }

    fn take<E: From<Unknown>>(
        &mut self,
        bytes: &[u8],
        last: bool,
        hand_on: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let State::Looking = self.state else { return self.pass(bytes, last, hand_on) };
        let mut bytes = bytes;
        if self.rules.leading_space && self.head.is_empty() {
            let space = bytes.iter().take_while(|&&b| is_space(b)).count();
            self.skipped += space as u64;
            bytes = &bytes[space..];
        }
        let (looked_at, rest) = bytes.split_at(bytes.len().min(MAX_DECLARATION.saturating_sub(self.head.len())));
        self.head.extend_from_slice(looked_at);
        let Some((encoding, mark)) = look(&self.head, self.rules.charset.as_deref(), last)? else { return Ok(()) };
        self.state = match encoding {
            Encoding::Utf8 => State::Utf8,
            Encoding::Latin1 => State::Latin1,
            Encoding::Other(other) => State::Other(Box::new(other.new_decoder_without_bom_handling())),
        };
        self.skipped += mark as u64;
        let head = std::mem::take(&mut self.head);
        self.pass(&head[mark..], false, hand_on)?;
        self.pass(rest, last, hand_on)
    }

    fn pass<E: From<Unknown>>(
        &mut self,
        bytes: &[u8],
        last: bool,
        hand_on: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let drop_space = self.rules.leading_space;
        let (begun, skipped) = (&mut self.begun, &mut self.skipped);
        let mut give = |piece: &[u8]| {
            let mut piece = piece;
            if drop_space && !*begun {
                let space = piece.iter().take_while(|&&b| is_space(b)).count();
                *skipped += space as u64;
                piece = &piece[space..];
            }
            *begun |= !piece.is_empty();
            if piece.is_empty() { Ok(()) } else { hand_on(piece) }
        };
        match &mut self.state {
            State::Looking => Ok(()),
            State::Utf8 => give(bytes),
            State::Latin1 => {
                let mut buffer = [0; 2 * PIECE];
                bytes.chunks(PIECE).try_for_each(|piece| {
                    let length = encoding_rs::mem::convert_latin1_to_utf8(piece, &mut buffer);
                    give(&buffer[..length])
                })
            }
            State::Other(decoder) => transcode(decoder, bytes, last, give),
        }
    }
}

fn transcode<E>(
    decoder: &mut encoding_rs::Decoder,
    mut bytes: &[u8],
    last: bool,
    mut give: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut buffer = [0; PIECE];
    loop {
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(bytes, &mut buffer, last);
        give(&buffer[..written])?;
        bytes = &bytes[read..];
        match result {
            DecoderResult::InputEmpty => return Ok(()),
            DecoderResult::OutputFull => {}
            // A byte that UTF-8 never has: the scanner reports it where it stands.
            DecoderResult::Malformed(..) => give(b"\xFF")?,
        }
    }
}

/// Finds the encoding and the length of the byte order mark; `None` where more must be read.
fn look(head: &[u8], charset: Option<&str>, last: bool) -> Result<Option<(Encoding, usize)>, Unknown> {
    match head {
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => return Err(Unknown::Wide),
        [0xEF, 0xBB, 0xBF, ..] => return Ok(Some((Encoding::Utf8, 3))),
        [0xFF, 0xFE, _, _, ..] => return Ok(Some((Encoding::Other(UTF_16LE), 2))),
        [0xFE, 0xFF, ..] => return Ok(Some((Encoding::Other(UTF_16BE), 2))),
        [0, _, ..] | [_, 0, ..] => return Err(Unknown::Wide),
        [0xEF | 0xFE | 0xFF, ..] | [_] | [] if head.len() < 4 && !last => return Ok(None),
        _ => {}
    }
    let declared = match declaration(head) {
        Some(declaration) => declaration::encoding(declaration),
        None if begins_declaration(head) && head.len() >= MAX_DECLARATION => return Err(Unknown::Endless),
        None if begins_declaration(head) && !last => return Ok(None),
        None => None,
    };
    let encoding = match declared {
        Some(label) => by_label(label).ok_or_else(|| Unknown::Declared(shown(label)))?,
        // The header is believed least: what it calls by an unknown name is checked as UTF-8.
        None => charset.and_then(|label| by_label(label.as_bytes())).unwrap_or(Encoding::Utf8),
    };
    Ok(Some((encoding, 0)))
}

/// For text that was decoded already: the length of the XML declaration it begins with, where that names an encoding
/// other than UTF-8. A document in UTF-8 must not begin with it.
pub fn misleading_declaration(text: &[u8]) -> Option<usize> {
    let inner = declaration(&text[..text.len().min(MAX_DECLARATION)])?;
    let label = declaration::encoding(inner)?.to_ascii_lowercase();
    let length = DECLARATION.len() + inner.len() + b"?>".len();
    (!matches!(&label[..], b"utf-8" | b"utf8" | b"us-ascii" | b"ascii")).then_some(length)
}

const DECLARATION: &[u8] = b"<?xml";

/// What stands between `<?xml` and `?>`.
fn declaration(head: &[u8]) -> Option<&[u8]> {
    let inner = head.strip_prefix(DECLARATION)?;
    inner.first().filter(|&&b| is_space(b))?;
    memchr::memmem::find(inner, b"?>").map(|end| &inner[..end])
}

/// Whether an XML declaration may begin here.
fn begins_declaration(head: &[u8]) -> bool {
    match head.strip_prefix(DECLARATION) {
        Some(inner) => inner.first().is_none_or(|&b| is_space(b)),
        None => DECLARATION.starts_with(head),
    }
}

fn by_label(label: &[u8]) -> Option<Encoding> {
    let label = String::from_utf8_lossy(label).trim_matches(['"', '\'', ' ']).to_ascii_lowercase();
    match label.as_str() {
        // All ASCII is UTF-8. And a declaration of UTF-16 that can be read byte by byte is not in UTF-16: some
        // programs write it before they convert to UTF-8.
        "utf-8" | "utf8" | "us-ascii" | "ascii" | "utf-16" | "utf-16le" | "utf-16be" => Some(Encoding::Utf8),
        "iso-8859-1" | "iso_8859-1" | "iso8859-1" | "latin1" | "latin-1" | "l1" => Some(Encoding::Latin1),
        "windows-1252" | "cp1252" | "cp-1252" => Some(Encoding::Other(WINDOWS_1252)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf8(source: &[u8], rules: &Rules, split: usize) -> Result<(Vec<u8>, Option<u64>), Unknown> {
        let mut front = Front::new(rules.clone());
        let mut out = Vec::new();
        let mut hand_on = |piece: &[u8]| {
            out.extend_from_slice(piece);
            Ok(())
        };
        front.feed(&source[..split], &mut hand_on)?;
        source[split..].iter().try_for_each(|byte| front.feed(&[*byte], &mut hand_on))?;
        front.finish(&mut hand_on)?;
        Ok((out, front.source_offset()))
    }

    /// The source is cut in two at every place, and its second part into single bytes.
    fn read(source: &[u8], rules: &Rules) -> Result<(String, Option<u64>), Unknown> {
        let whole = utf8(source, rules, source.len());
        for split in 0..source.len() {
            assert_eq!(utf8(source, rules, split), whole, "cut at {split} of {source:?}");
        }
        whole.map(|(bytes, offset)| (String::from_utf8_lossy(&bytes).into_owned(), offset))
    }

    fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        format!("\u{FEFF}{text}").encode_utf16().flat_map(unit).collect()
    }

    fn reply(charset: Option<&str>) -> Rules {
        Rules { charset: charset.map(Into::into), leading_space: true }
    }

    #[test]
    fn utf_8_passes_and_its_byte_order_mark_is_dropped() {
        assert_eq!(read("<é/>".as_bytes(), &Rules::default()), Ok(("<é/>".into(), Some(0))));
        assert_eq!(read("\u{FEFF}<é/>".as_bytes(), &Rules::default()), Ok(("<é/>".into(), Some(3))));
        assert_eq!(read(b"", &Rules::default()), Ok((String::new(), Some(0))));
        assert_eq!(read(b"<", &Rules::default()), Ok(("<".into(), Some(0))));
    }

    #[test]
    fn utf_16_is_told_by_its_byte_order_mark_whatever_is_declared() {
        let text = "<?xml version='1.0' encoding='ISO-8859-1'?><é>🦀</é>";
        for source in [utf16(text, u16::to_le_bytes), utf16(text, u16::to_be_bytes)] {
            assert_eq!(read(&source, &reply(Some("utf-8"))), Ok((text.into(), None)));
        }
    }

    #[test]
    fn wide_text_without_a_byte_order_mark_is_refused() {
        let text = "<a/>";
        let le: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for source in [&le[..], &be, b"\xFF\xFE\0\0<\0\0\0", b"\0\0\xFE\xFF\0\0\0<"] {
            assert_eq!(read(source, &reply(Some("utf-16"))), Err(Unknown::Wide), "{source:?}");
        }
    }

    #[test]
    fn the_declaration_is_believed_before_the_charset() {
        let declared =
            |encoding: &str| [b"<?xml version='1.0' encoding='", encoding.as_bytes(), b"'?><a>\xE9\x80</a>"].concat();
        for (encoding, text) in [("iso-8859-1", "é\u{80}"), ("Windows-1252", "é€")] {
            let (out, offset) = read(&declared(encoding), &reply(Some("utf-8"))).unwrap();
            assert_eq!((&out[out.len() - text.len() - 4..], offset), (&*format!("{text}</a>"), None));
        }
        assert_eq!(read(b"<a>\xE9</a>", &reply(Some("ISO-8859-1"))), Ok(("<a>é</a>".into(), None)));
        assert_eq!(read("<a>é</a>".as_bytes(), &reply(Some("\"UTF-8\""))), Ok(("<a>é</a>".into(), Some(0))));
        assert_eq!(read("<a>é</a>".as_bytes(), &reply(Some("klingon"))), Ok(("<a>é</a>".into(), Some(0))));
    }

    #[test]
    fn unknown_declared_encodings_are_refused_by_name() {
        for name in ["utf-7", "UTF-32", "klingon", "iso-2022-kr"] {
            let source = format!("<?xml version='1.0' encoding=\"{name}\"?><a/>");
            assert_eq!(read(source.as_bytes(), &Rules::default()), Err(Unknown::Declared(name.into())));
        }
        let endless = format!("<?xml {}", " ".repeat(MAX_DECLARATION));
        assert_eq!(utf8(endless.as_bytes(), &Rules::default(), endless.len()), Err(Unknown::Endless));
        assert_eq!(utf8(endless.as_bytes(), &Rules::default(), 0), Err(Unknown::Endless));
    }

    #[test]
    fn white_space_before_a_reply_is_dropped_and_before_a_file_kept() {
        let source = b"\r\n <?xml version='1.0' encoding='iso-8859-1'?><\xE9/>";
        assert!(read(source, &reply(None)).unwrap().0.ends_with("?><é/>"));
        assert_eq!(read(b" \n<a/>", &reply(None)), Ok(("<a/>".into(), Some(2))));
        assert_eq!(read(b"\xEF\xBB\xBF\n<a/>", &reply(None)), Ok(("<a/>".into(), Some(4))));
        assert_eq!(read(b" <a/>", &Rules::default()), Ok((" <a/>".into(), Some(0))));
        assert_eq!(read(&utf16("\n<a/>", u16::to_le_bytes), &reply(None)).unwrap().0, "<a/>");
    }

    #[test]
    fn half_a_character_becomes_a_byte_that_the_scanner_refuses() {
        let mut source = utf16("<a/>", u16::to_le_bytes);
        source.extend_from_slice(&[0x00, 0xD8]);
        let (out, _) = utf8(&source, &Rules::default(), 5).unwrap();
        assert_eq!(out, b"<a/>\xFF");
        source.pop();
        assert_eq!(utf8(&source, &Rules::default(), 0).unwrap().0, b"<a/>\xFF");
    }
}
