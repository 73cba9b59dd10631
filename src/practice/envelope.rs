//! Writing a finished message in other ways than plain UTF-8.

use bytes::Bytes;

/// How an XML envelope is written as bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Envelope {
    /// UTF-8, starting with its declaration.
    #[default]
    Utf8,
    /// UTF-8 without a declaration.
    NoDeclaration,
    /// UTF-8 with a byte order mark.
    Bom,
    /// UTF-8 with a newline before the declaration, which is not well-formed.
    NewlineFirst,
    /// UTF-8 with a newline before the root and no declaration, as MineMeld sends it.
    NewlineNoDeclaration,
    /// UTF-16, little-endian, with a byte order mark.
    Utf16Le,
    /// UTF-16, big-endian, with a byte order mark.
    Utf16Be,
    /// ISO-8859-1, as declared; other characters become references.
    Latin1,
}

const UTF_8: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

impl Envelope {
    /// The bytes of a message that is UTF-8, with or without a declaration.
    pub(super) fn write(self, message: Vec<u8>) -> Bytes {
        let root = without_declaration(&message);
        let text = || String::from_utf8_lossy(root).into_owned();
        let utf16 = |bytes: fn(u16) -> [u8; 2]| {
            let text = format!("\u{feff}<?xml version=\"1.0\" encoding=\"UTF-16\"?>{}", text());
            text.encode_utf16().flat_map(bytes).collect()
        };
        let bytes: Vec<u8> = match self {
            Self::Utf8 => [UTF_8.as_bytes(), root].concat(),
            Self::NoDeclaration => root.to_vec(),
            Self::Bom => ["\u{feff}".as_bytes(), UTF_8.as_bytes(), root].concat(),
            Self::NewlineFirst => [b"\n", UTF_8.as_bytes(), root].concat(),
            Self::NewlineNoDeclaration => [b"\n", root].concat(),
            Self::Utf16Le => utf16(u16::to_le_bytes),
            Self::Utf16Be => utf16(u16::to_be_bytes),
            Self::Latin1 => latin1(&format!("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>{}", text())),
        };
        bytes.into()
    }
}

fn without_declaration(message: &[u8]) -> &[u8] {
    if !message.starts_with(b"<?xml ") {
        return message;
    }
    memchr::memmem::find(message, b"?>").map_or(message, |end| message[end + 2..].trim_ascii_start())
}

fn latin1(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match u8::try_from(character) {
            Ok(byte) => bytes.push(byte),
            Err(_) => bytes.extend_from_slice(format!("&#{};", u32::from(character)).as_bytes()),
        }
    }
    bytes
}
