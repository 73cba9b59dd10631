//! Bodies in, messages and contents out. Every body is cut at every byte, which must make no difference.

mod contents;
mod corpus;
mod errors;
mod hostile;
mod long;
mod messages;
mod shared;

use super::*;
use crate::taxii::message::Content;

/// Keeps the contents of all blocks.
#[derive(Debug, Default, PartialEq)]
struct Kept {
    blocks: Vec<(Vec<u8>, ContentBlock)>,
    current: Vec<u8>,
    /// How often something was written for the current block.
    writes: usize,
    /// Where something was replaced in it last.
    replaced: Option<u64>,
}

impl BlockSink for Kept {
    type Error = Infallible;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        assert!(!bytes.is_empty(), "nothing is not written");
        assert_eq!(self.replaced, None, "what is replaced is replaced last");
        self.writes += 1;
        self.current.extend_from_slice(bytes);
        Ok(())
    }

    fn replace(&mut self, range: Range<u64>, by: &[u8]) -> Result<(), Infallible> {
        assert!(!range.is_empty() && self.replaced.is_none_or(|last| range.end <= last), "the last one comes first");
        self.replaced = Some(range.start);
        self.current.splice(range.start as usize..range.end as usize, by.iter().copied());
        Ok(())
    }

    fn block(&mut self, block: ContentBlock) -> Result<(), Infallible> {
        assert_eq!(block.content.size, self.current.len() as u64);
        self.blocks.push((std::mem::take(&mut self.current), block));
        (self.writes, self.replaced) = (0, None);
        Ok(())
    }
}

type Decoded = Result<(Message, Vec<(Vec<u8>, ContentBlock)>), DecodeError<Infallible>>;

fn decode_pieces<'a>(limits: Limits, pieces: impl IntoIterator<Item = &'a [u8]>) -> Decoded {
    let mut decoder = Decoder::new(limits, None, Kept::default());
    pieces.into_iter().try_for_each(|piece| decoder.feed(piece))?;
    let (message, sink) = decoder.finish()?;
    assert_eq!((sink.writes, sink.current.len()), (0, 0), "every write belongs to a block");
    Ok((message, sink.blocks))
}

/// Decodes a body whole, byte by byte, and cut in two at every place.
fn decode_with(limits: Limits, body: impl AsRef<[u8]>) -> Decoded {
    let body = body.as_ref();
    let whole = decode_pieces(limits, [body]);
    assert_eq!(decode_pieces(limits, body.chunks(1)), whole, "byte by byte");
    for cut in 1..body.len() {
        let (head, tail) = body.split_at(cut);
        assert_eq!(decode_pieces(limits, [head, tail]), whole, "cut at {cut}");
    }
    whole
}

fn decode(body: impl AsRef<[u8]>) -> Decoded {
    decode_with(Limits::default(), body)
}

/// A Poll_Response whose one block has this inside its Content.
fn poll_response(binding: &str, content: &str) -> String {
    format!(
        "<t:Poll_Response xmlns:t=\"http://taxii.mitre.org/messages/taxii_xml_binding-1.1\" message_id='1' \
         collection_name='c'>\n<t:Content_Block><t:Content_Binding binding_id='{binding}'/>\n\
         <t:Content>{content}</t:Content></t:Content_Block></t:Poll_Response>"
    )
}

/// The one block of a reply.
fn only(decoded: Decoded) -> (String, ContentBlock) {
    let (_, mut blocks) = decoded.unwrap();
    assert_eq!(blocks.len(), 1);
    let (bytes, block) = blocks.remove(0);
    (String::from_utf8_lossy(&bytes).into_owned(), block)
}

/// The bytes and the findings of a content.
fn content_of(binding: &str, content: &str) -> (String, Content) {
    let (bytes, block) = only(decode(poll_response(binding, content)));
    (bytes, block.content)
}
