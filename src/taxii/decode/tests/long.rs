//! Contents with more around their elements than is held in memory: nothing is lost of them, and it makes no difference
//! how they arrive.

use super::*;
use crate::taxii::message::{Fault, Format};

/// About what is held in memory.
const HELD: usize = 256 << 10;
/// What a root is given that stands in the envelope of [`poll_response`] and is written as it comes.
const DECLARED: &str = " xmlns:t=\"http://taxii.mitre.org/messages/taxii_xml_binding-1.1\"";

/// The one block of a reply that comes whole, and in pieces.
fn cut_anyhow(limits: Limits, content: &str) -> (String, Content) {
    let body = poll_response("urn:x", content);
    let whole = decode_pieces(limits, [body.as_bytes()]);
    for size in [61, 4096, fastrand::usize(1..100_000)] {
        assert!(decode_pieces(limits, body.as_bytes().chunks(size)) == whole, "pieces of {size}");
    }
    let mut rest = body.as_bytes();
    let pieces = std::iter::from_fn(|| {
        let (piece, after) = rest.split_at(fastrand::usize(..=rest.len().min(70_000)));
        let more = !rest.is_empty();
        rest = after;
        more.then_some(piece)
    });
    assert!(decode_pieces(limits, pieces) == whole, "pieces of any size");
    let (bytes, block) = only(whole);
    (bytes, block.content)
}

/// Something that is no element and no text, of about this length.
fn blank(length: usize) -> String {
    match fastrand::usize(..4) {
        0 => " \n".repeat(length / 2),
        1 => format!("<!--{}-->", "c".repeat(length)),
        2 => format!("<?pi {}?>", "d".repeat(length)),
        _ => "<?pi data?>\n".repeat(length / 12),
    }
}

/// Lengths that fit, that do not, and that do by a hair.
fn length() -> usize {
    match fastrand::usize(..4) {
        0 => 0,
        1 => fastrand::usize(..100),
        2 => HELD + 20 - fastrand::usize(..40),
        _ => fastrand::usize(..HELD * 2),
    }
}

#[test]
fn nothing_is_lost_of_a_fragment_or_a_faulty_content_however_it_arrives() {
    for seed in 0..60 {
        fastrand::seed(seed);
        let root = format!("<a>{}</a>", "x".repeat(length()));
        let (before, after) = (blank(length()), blank(length()));
        let ends = ["<b/>", "tail", "&lt;", "<![CDATA[x]]>", "<!-- a -- b -->", "&nbsp;", "<b>\u{1}</b>"];
        let end = fastrand::choice(ends).unwrap();
        let content = format!("{before}{root}{after}{end}{}", blank(length()));
        let (bytes, found) = cut_anyhow(Limits::default(), &content);
        assert!(bytes == content, "seed {seed}: {} bytes of {}", bytes.len(), content.len());
        assert_eq!((found.root.is_some(), found.remarks), (end.starts_with("<!--"), vec![]), "seed {seed}");
        assert!(found.fragment || found.fault.is_some(), "seed {seed}");
        let faulty = format!("<!-- a -- b -->{before}{root}{after}");
        assert!(cut_anyhow(Limits::default(), &faulty).0 == faulty, "seed {seed}: a fault at the beginning");
    }
}

#[test]
fn nothing_is_lost_of_markup_that_is_longer_than_is_read() {
    let long = "n".repeat(1 << 20);
    let spaces = " ".repeat(1 << 20);
    for content in [format!("<{long}>x</{long}>"), format!("<a>x</a{spaces}\n>"), format!("<a/><?p {long}?><b/>")] {
        let (bytes, found) = cut_anyhow(Limits::default(), &content);
        assert!(bytes == content, "{} bytes of {}", bytes.len(), content.len());
        assert_eq!(found.fault.is_none(), found.fragment);
    }
    let (bytes, found) = cut_anyhow(Limits::default(), &format!("<?p {long}?>{spaces}<a><?p {long}?></a><?p {long}?>"));
    assert!(bytes.replace(DECLARED, "") == format!("<a><?p {long}?></a>"), "{} bytes", bytes.len());
    assert_eq!((found.format, found.fault), (Format::Xml, None));
    let (_, found) = cut_anyhow(Limits::default(), &format!("<a><?p {long}\u{1}{long}?></a>"));
    assert!(matches!(found.fault, Some(Fault::NotWellFormed(_))));
}

#[test]
fn what_stands_around_a_root_or_a_text_is_taken_back() {
    for seed in 0..40 {
        fastrand::seed(seed);
        let (before, after) = (blank(length()), blank(length()));
        let root = format!("<a>{}</a>", "x".repeat(length()));
        let (bytes, found) = cut_anyhow(Limits::default(), &format!("{before}{root}{after}"));
        assert!(bytes.replace(DECLARED, "") == root, "seed {seed}: {} bytes of {}", bytes.len(), root.len());
        assert_eq!((found.format, found.fragment, found.fault), (Format::Xml, false, None), "seed {seed}");
        let text = "y".repeat(length().max(1));
        let (bytes, found) = cut_anyhow(Limits::default(), &format!("{before}{text}{after}"));
        assert!(bytes == text, "seed {seed}: {} bytes of {}", bytes.len(), text.len());
        assert_eq!((found.format, found.fragment, found.fault), (Format::Text, false, None), "seed {seed}");
        let (bytes, found) = cut_anyhow(Limits::default(), &format!("{before}{after}"));
        assert_eq!((bytes.len(), found.format), (0, Format::Empty), "seed {seed}");
    }
}

#[test]
fn what_stands_around_a_root_counts_for_the_limit_once_it_is_too_long_for_being_held() {
    let limits = Limits { max_content_block: 400 << 10, ..Limits::default() };
    for (around, fault) in [(HELD - 100, None), (3 * HELD, Some(Fault::TooLarge(400 << 10)))] {
        for content in [format!("{}<a/>", " ".repeat(around)), format!("<a/>{}", " ".repeat(around))] {
            assert_eq!(cut_anyhow(limits, &content).1.fault, fault, "{around}");
        }
    }
}
