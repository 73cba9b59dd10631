//! What the scanner accepts, and what it says of what it does not. Every document is cut at every byte.

use std::convert::Infallible;
use std::fmt::Write;

use super::*;

/// Writes down what it is told, so that two readings can be compared whatever the pieces.
#[derive(Default)]
struct Recorder {
    /// Tags with resolved names; texts with references resolved; everything else as it stands.
    events: String,
    /// What kind of piece came last: pieces of one kind are one.
    last: &'static str,
    raw: Vec<u8>,
    first_fault: Option<Fault>,
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn resolved(name: &Name<'_>) -> String {
    format!("{{{}}}{}", text(name.namespace), text(name.local))
}

impl Recorder {
    fn piece(&mut self, kind: &'static str, bytes: &[u8]) {
        if self.last != kind {
            write!(self.events, "\n{kind} ").unwrap();
        }
        self.last = kind;
        // Latin-1, so that half a character is not replaced.
        self.events.extend(bytes.iter().map(|&b| char::from(b)));
    }
}

impl Consumer for Recorder {
    type Error = Infallible;

    fn token(&mut self, token: Token<'_>) -> Result<(), Infallible> {
        assert_eq!(token.offset, self.raw.len() as u64, "offsets are contiguous");
        self.raw.extend_from_slice(token.raw);
        match token.kind {
            Kind::Start(tag) => {
                self.last = "";
                write!(self.events, "\n{} start {}", token.depth, resolved(&tag.name)).unwrap();
                assert_eq!(tag.empty, token.raw.ends_with(b"/>"));
                assert!(!tag.name.local.is_empty() || self.first_fault.is_some());
                assert!(token.raw[..tag.name_end].ends_with(tag.name.local));
                for attribute in tag.attributes() {
                    let value = attribute.value().into_owned();
                    write!(self.events, " {}={value:?}", resolved(&attribute.name)).unwrap();
                }
            }
            Kind::End => {
                self.last = "";
                write!(self.events, "\n{} end", token.depth).unwrap();
            }
            Kind::Text => self.piece("text", token.raw),
            Kind::Reference(c) => self.piece("text", c.to_string().as_bytes()),
            Kind::Section(inner) => self.piece("section", inner),
            Kind::Comment => self.piece("comment", token.raw),
            Kind::Instruction => self.piece("instruction", token.raw),
            Kind::Declaration => self.piece("declaration", token.raw),
        }
        Ok(())
    }

    fn fault(&mut self, fault: Fault) -> Result<(), Infallible> {
        self.first_fault.get_or_insert(fault);
        Ok(())
    }
}

#[derive(Debug, PartialEq)]
struct Reading {
    events: String,
    raw: Vec<u8>,
    fault: Option<Fault>,
    result: Result<(), Error<Infallible>>,
}

fn read_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, options: &Options) -> Reading {
    let mut recorder = Recorder::default();
    let mut document = Document::new(options.clone());
    let fed = pieces.into_iter().try_for_each(|piece| document.feed(piece, &mut recorder));
    let result = fed.and_then(|()| document.finish(&mut recorder));
    // After an error it depends on the pieces how much of a text was handed on before.
    let events = if result.is_ok() { recorder.events } else { String::new() };
    let raw = if result.is_ok() { recorder.raw } else { Vec::new() };
    Reading { events, raw, fault: recorder.first_fault, result }
}

/// Reads a document whole, in two pieces cut at every place, and byte by byte.
fn read_with(document: &[u8], options: &Options) -> Reading {
    let whole = read_pieces([document], options);
    let shown = || text(document).into_owned();
    assert_eq!(read_pieces(document.chunks(1), options), whole, "byte by byte: {}", shown());
    for cut in 1..document.len() {
        let (head, tail) = document.split_at(cut);
        assert_eq!(read_pieces([head, tail], options), whole, "cut at {cut}: {}", shown());
    }
    if whole.result.is_ok() {
        let document = document.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(document);
        assert_eq!(whole.raw, document, "the raw bytes of the tokens are the document");
    }
    whole
}

fn read(document: impl AsRef<[u8]>) -> Reading {
    read_with(document.as_ref(), &Options::default())
}

/// Whether a document is well formed, by our reading.
fn verdict(document: impl AsRef<[u8]>) -> Result<(), String> {
    let reading = read(document);
    match (reading.fault, reading.result) {
        (None, Ok(())) => Ok(()),
        (Some(fault), _) => Err(fault.kind.to_string()),
        (None, Err(error)) => Err(error.to_string()),
    }
}

#[test]
fn what_is_well_formed_is_read_token_by_token() {
    let document = "<?xml version='1.0' encoding=\"UTF-8\" standalone='yes' ?>\n<!-- a -- no, - b --><?pi some data?>\n\
        <p:a xmlns:p='urn:p' xmlns=\"urn:&amp;d\" p:x = '1>\"/>' y=\"&lt;&#x41;\tz\">t&amp;&#233;é]]<![CDATA[<&]]]]>\
        <b/><p:c xmlns='' xmlns:p=\"urn:q\" p:d='' ><e></e ></p:c>🦀<!----></p:a >\n<?end?><!-- --> ";
    let document = document.replace("-- no", "no");
    let reading = read(&document);
    assert_eq!((&reading.result, &reading.fault), (&Ok(()), &None));
    let expected = "\ndeclaration <?xml version='1.0' encoding=\"UTF-8\" standalone='yes' ?>\ntext \n\n\
        comment <!-- a no, - b -->\ninstruction <?pi some data?>\ntext \n\n\
        1 start {urn:&d}a";
    assert!(!reading.events.starts_with(expected), "the root has a prefix");
    let expected = expected.replace("{urn:&d}a", "{urn:p}a {urn:p}x=\"1>\\\"/>\" {}y=\"<A z\"");
    let rest = reading.events.strip_prefix(&expected).expect(&reading.events);
    let e_acute: String = "é".bytes().chain("é".bytes()).map(char::from).collect();
    let crab: String = "🦀".bytes().map(char::from).collect();
    assert_eq!(
        rest,
        format!(
            "\ntext t&{e_acute}]]\nsection <&]]\n2 start {{urn:&d}}b\n2 end\n2 start {{urn:q}}c {{urn:q}}d=\"\"\
             \n3 start {{}}e\n3 end\n2 end\ntext {crab}\ncomment <!---->\n1 end\ntext \n\ninstruction <?end?>\
             \ncomment <!-- -->\ntext  "
        )
    );
}

#[test]
fn these_are_well_formed() {
    for good in [
        "<a/>",
        "<a></a>",
        "\n<a\n/>\n",
        "<a b='1' c='1'\t\r\nd=\"2\"/>",
        "<_:a xmlns:_='u'/>",
        "<a xml:lang='en' xml:space='preserve'/>",
        "<a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>",
        "<a xmlns=''/>",
        "<a x='1' xmlns:p='u' p:x='2'/>",
        "<a b='>' c='/>' d='\"' e=\"'\"/>",
        "<a>></a>",
        "<a>]] > ]></a>",
        "<a>]]&gt;</a>",
        "<a><![CDATA[]]></a>",
        "<a><![CDATA[]]]]><![CDATA[>]]></a>",
        "<a><![CDATA[ ]]]></a>",
        "<a><![CDATA[</a><!-- &x; ]] >]]></a>",
        "<a><!-- <b> & ]]> - - --></a>",
        "<a><?p <b> & ?? > ]]> --?></a>",
        "<a>&lt;&gt;&amp;&quot;&apos;&#9;&#xA;&#x10FFFF;</a>",
        "<a>\u{7F}\u{85}\u{E000}\u{FFFD}\u{10FFFF}</a>",
        "<名前 属性='値'>文字</名前>",
        "<a b='&amp;&#60;'/>",
        "<xml/>",
        "<a><b:c xmlns:b='u' b:d=''/></a>",
        "<a><!----></a>",
        "\u{FEFF}<?xml version='1.0'?><a/>",
        "<?xml version=\"1.0\" encoding=\"us-ascii\"?><a/>",
        "<a\r\n>\r\r\n</a\t>",
    ] {
        assert_eq!(verdict(good), Ok(()), "{good}");
        roxmltree::Document::parse(good.trim_start_matches('\u{FEFF}')).expect(good);
    }
}

/// What the other parser lets pass although the recommendations forbid it.
const LAXER: &[&str] = &[
    "<a xmlns='u' xmlns='u'/>",
    "<:a/>",
    "<a xmlns:p=''/>",
    "<a xmlns:xmlns='u'/>",
    "<a>&#xD800;</a>",
    "<a>&#x110000;</a>",
    "<a><?XmL ?></a>",
    "<a><?p:q ?></a>",
];

#[test]
fn broken_rules_that_leave_the_structure_readable_are_faults() {
    for (bad, fault) in [
        ("<p:a/>", "the prefix p is not bound to a namespace"),
        ("<a p:b=''/>", "the prefix p is not bound to a namespace"),
        ("<a><b xmlns:p='u'/><p:c/></a>", "the prefix p is not bound to a namespace"),
        ("<a b='' b=''/>", "the attribute b occurs twice"),
        ("<a xmlns:p='u' xmlns:q='u' p:b='' q:b=''/>", "the attribute q:b occurs twice"),
        ("<a xmlns:p='u' xmlns:p='u'/>", "the attribute xmlns:p occurs twice"),
        ("<a xmlns='u' xmlns='u'/>", "the attribute xmlns occurs twice"),
        ("<a b1='' b2='' b3='' b4='' b5='' b6='' b7='' b8='' b9='' b3=''/>", "the attribute b3 occurs twice"),
        ("<a:b:c xmlns:a='u'/>", "\"a:b:c\" is not a name"),
        ("<a b:c:d=''/>", "\"b:c:d\" is not a name"),
        ("<:a/>", "\":a\" is not a name"),
        ("<a:/>", "\"a:\" is not a name"),
        ("<a xmlns:='u'/>", "\"xmlns:\" is not a name"),
        ("<1a></1a>", "\"1a\" is not a name"),
        ("<a $='1'/>", "\"$\" is not a name"),
        ("<a \u{D7}=''/>", "\"×\" is not a name"),
        ("<></>", "\"\" is not a name"),
        ("<a xmlns:p=''/>", "a prefix is bound to no namespace"),
        ("<a xmlns:xml='u'/>", "the prefix xml is bound to another namespace"),
        ("<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>", "another prefix is bound to the namespace of xml"),
        ("<a xmlns='http://www.w3.org/XML/1998/namespace'/>", "another prefix is bound to the namespace of xml"),
        ("<a xmlns:xmlns='u'/>", "the prefix xmlns is declared"),
        ("<a xmlns:p='http://www.w3.org/2000/xmlns/'/>", "a prefix is bound to the namespace of xmlns"),
        ("<xmlns:a/>", "an element with the prefix xmlns"),
        ("<a b='<'/>", "a < inside the value of an attribute"),
        ("<a b='&'/>", "a & that begins no reference"),
        ("<a b='&x;'/>", "the entity x is not declared"),
        ("<a b='&#0;'/>", "&#0; refers to no character that XML allows"),
        ("<a b='&lt'/>", "a & that begins no reference"),
        ("<a b/>", "an attribute without a value"),
        ("<a b=/>", "an attribute whose value is not quoted"),
        ("<a b=c/>", "an attribute whose value is not quoted"),
        ("<a b='1'c='2'/>", "no white space before an attribute"),
        ("<a/b></a>", "no white space before an attribute"),
        ("<a ='1'/>", "something in a tag that is no attribute"),
        ("<a / >x</a>", "something in a tag that is no attribute"),
        ("<a></a b='1'>", "something after the name in an end tag"),
        ("<a>]]></a>", "]]> in text"),
        ("<a>x]]]></a>", "]]> in text"),
        ("<a> & </a>", "a & that begins no reference"),
        ("<a>&;</a>", "a & that begins no reference"),
        ("<a>&lt</a>", "a & that begins no reference"),
        ("<a>&nbsp;</a>", "the entity nbsp is not declared"),
        ("<a>&#0;</a>", "&#0; refers to no character that XML allows"),
        ("<a>&#x1F;</a>", "&#x1F; refers to no character that XML allows"),
        ("<a>&#xD800;</a>", "&#xD800; refers to no character that XML allows"),
        ("<a>&#x110000;</a>", "&#x110000; refers to no character that XML allows"),
        ("<a>1 < 2</a>", "a < that begins no tag"),
        ("<a><=</a>", "a < that begins no tag"),
        ("<a><<b/></a>", "a < that begins no tag"),
        ("<a>\u{1}</a>", "the character U+0001, which XML does not allow"),
        ("<a>\0</a>", "the character U+0000, which XML does not allow"),
        ("<a>\u{1B}[31m</a>", "the character U+001B, which XML does not allow"),
        ("<a>\u{FFFE}</a>", "the character U+FFFE, which XML does not allow"),
        ("<a b='\u{FFFF}'/>", "the character U+FFFF, which XML does not allow"),
        ("<a\u{2}></a\u{2}>", "the character U+0002, which XML does not allow"),
        ("<a><!-- \u{3} --></a>", "the character U+0003, which XML does not allow"),
        ("<a><![CDATA[\u{4}]]></a>", "the character U+0004, which XML does not allow"),
        ("<a><?p \u{5}?></a>", "the character U+0005, which XML does not allow"),
        ("<a><!-- -- --></a>", "-- inside a comment"),
        ("<a><!-- ---></a>", "-- inside a comment"),
        ("<a><!-- -- \u{3} --></a>", "-- inside a comment"),
        ("<a><!-- \u{3} -- --></a>", "the character U+0003, which XML does not allow"),
        ("<a><?xml version='1.0'?></a>", "\"xml\" is not the target of a processing instruction"),
        (" <?xml version='1.0'?><a/>", "\"xml\" is not the target of a processing instruction"),
        ("<a><?XmL ?></a>", "\"XmL\" is not the target of a processing instruction"),
        ("<a><??></a>", "\"\" is not the target of a processing instruction"),
        ("<a><? p?></a>", "\"\" is not the target of a processing instruction"),
        ("<a><?p:q ?></a>", "\"p:q\" is not the target of a processing instruction"),
    ] {
        let reading = read(bad);
        assert_eq!(reading.fault.map(|fault| fault.kind.to_string()).as_deref(), Some(fault), "{bad}");
        assert_eq!(reading.result, Ok(()), "{bad}");
        let other = roxmltree::Document::parse(bad);
        let laxer = LAXER.contains(&bad);
        assert_eq!(other.is_ok(), laxer, "the other parser on {bad}: {other:?}");
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_faults_wherever_they_stand() {
    for bad in [
        &b"<a>\xFF</a>"[..],
        b"<a>\xC3</a>",
        b"<a>\xE2\x82</a>",
        b"<a>\xE2\x82\xE2\x82\xAC</a>",
        b"<a>\xF0\x9F\xA6</a>",
        b"<a>\xC0\x80</a>",
        b"<a>\xED\xA0\x80</a>",
        b"<a>\x80\x80\x80\x80\x80</a>",
        b"<a b='\xE9'/>",
        b"<a\xE9></a\xE9>",
        b"<a><!--\xE9--></a>",
        b"<a><![CDATA[\xE9]]></a>",
        b"<a><?p \xE9?></a>",
    ] {
        let reading = read(bad);
        assert_eq!(reading.fault.map(|fault| fault.kind), Some(FaultKind::BadEncoding), "{}", text(bad));
        assert_eq!(reading.result, Ok(()), "{}", text(bad));
    }
    assert!(matches!(read(b"<a/>\xE2").result, Err(Error::Broken { .. })));
}

#[test]
fn a_lost_structure_ends_the_document() {
    for (bad, error) in [
        ("<a></b>", "</b> where <a> should end"),
        ("<a><b></a></b>", "</a> where <b> should end"),
        ("<p:a xmlns:p='u' xmlns:q='u'></q:a>", "</q:a> where <p:a> should end"),
        ("<a></A>", "</A> where <a> should end"),
        ("</a>", "</a> without its start tag"),
        ("<a/></a>", "</a> without its start tag"),
        ("<a/><b/>", "a second root element"),
        ("<a/>x", "text outside the root element"),
        ("x<a/>", "text outside the root element"),
        ("<a/>&lt;", "text outside the root element"),
        ("&#32;<a/>", "text outside the root element"),
        ("<a/><![CDATA[]]>", "text outside the root element"),
        ("<a/> < ", "text outside the root element"),
        ("<a><b <c></a>", "a < inside a tag"),
        ("<a><!ELEMENT b ANY></a>", "markup that XML does not know"),
        ("<a><![IGNORE[x]]></a>", "markup that XML does not know"),
        ("<a><![cdata[x]]></a>", "markup that XML does not know"),
        ("<a><!- x --></a>", "markup that XML does not know"),
        ("<?xml version='1.1'?><a/>", "XML 1.1, which is not accepted"),
        ("<?xml encoding='UTF-8'?><a/>", "the XML declaration is not written as one"),
        ("<?xml?><a/>", "the XML declaration is not written as one"),
    ] {
        match read(bad).result {
            Err(Error::Broken { what, .. }) => assert_eq!(what, error, "{bad}"),
            other => panic!("{bad}: {other:?}"),
        }
    }
}

#[test]
fn every_beginning_of_a_document_is_cut_short() {
    let document = "<?xml version='1.0'?><!-- c --><a b='c'>é&lt;<![CDATA[x]]><b><?p q?></b><!-- d --></a>";
    let root = document.find("<a").unwrap();
    for (cut, _) in document.char_indices() {
        let error = read(&document[..cut]).result.unwrap_err();
        let before_the_root = [0, 21, 31].contains(&cut);
        assert_eq!(error, if before_the_root { Error::Empty } else { Error::CutShort }, "{}", &document[..cut]);
        assert!(before_the_root || cut < root || error == Error::CutShort);
    }
    assert_eq!(read("").result, Err(Error::Empty));
    assert_eq!(read(" \n").result, Err(Error::Empty));
}

#[test]
fn any_doctype_is_an_error_of_its_own() {
    for bad in [
        "<!DOCTYPE a><a/>",
        "<?xml version='1.0'?>\n<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
        "<!doctype html><html></html>",
        "<a><!DOCTYPE b></a>",
    ] {
        assert!(matches!(read(bad).result, Err(Error::Doctype { .. })), "{bad}");
    }
}

#[test]
fn places_are_told_by_offset_line_and_column() {
    let fault = read("<a>\n<b/>\n\n  &x;</a>").fault.unwrap();
    assert_eq!(fault.at, Position { offset: 12, line: 4, column: 3 });
    let fault = read("<a>\n<b\nc=''\n  c=''/></a>").fault.unwrap();
    assert_eq!(fault.at, Position { offset: 14, line: 4, column: 3 });
    let fault = read("<a>\n<b\nc='\u{1}'/></a>").fault.unwrap();
    assert_eq!(fault.at, Position { offset: 10, line: 3, column: 4 });
    let fault = read("<a>\né\u{1}</a>").fault.unwrap();
    assert_eq!(fault.at, Position { offset: 6, line: 2, column: 3 });
    let error = read("<a>\n\n</b\n>").result.unwrap_err();
    assert_eq!(error.to_string(), "line 3: </b> where <a> should end");
}

#[test]
fn depth_is_a_fault_and_so_are_names_that_are_too_long() {
    let options = Options { depth: 3, ..Options::default() };
    assert_eq!(read_with(b"<a><a><a/></a></a>", &options).fault, None);
    let deep = read_with(b"<a><a><a><a><a/></a></a></a></a>", &options);
    assert_eq!((deep.fault.map(|fault| fault.kind), deep.result), (Some(FaultKind::TooDeep(3)), Ok(())));
    let endless = "<a>".repeat(2_000_000);
    assert_eq!(read_pieces([endless.as_bytes()], &Options::default()).result, Err(Error::CutShort));
    let long = ["<", "</"].map(|tag| format!("{tag}{}>", "n".repeat(500_000)).repeat(9)).concat();
    let long = read_pieces([long.as_bytes()], &Options::default());
    assert_eq!((long.fault.map(|fault| fault.kind), long.result), (Some(FaultKind::NamesTooLong), Ok(())));
}

#[test]
fn a_tag_is_limited_in_length_and_attributes() {
    let many: String = (0..1025).map(|i| format!(" a{i}=''")).collect();
    let fault = read_pieces([format!("<a{many}/>").as_bytes()], &Options::default()).fault.unwrap();
    assert_eq!(fault.kind, FaultKind::TooManyAttributes(1024));
    let bindings: String = (0..1025).map(|i| format!(" xmlns:a{i}='u'")).collect();
    let fault = read_pieces([format!("<a{bindings}/>").as_bytes()], &Options::default()).fault.unwrap();
    assert_eq!(fault.kind, FaultKind::TooManyAttributes(1024));
    let nested = format!("<a{}><b{}/></a>", &bindings[..bindings.len() / 2], bindings.replace(":a", ":b"));
    assert!(read_pieces([nested.as_bytes()], &Options::default()).fault.is_some());
    for long in [format!("<{}/>", "a".repeat(1 << 20)), format!("<a b='{}'/>", "c".repeat(1 << 20))] {
        let error = read_pieces([long.as_bytes()], &Options::default()).result.unwrap_err();
        assert!(matches!(error, Error::Limit { name: "a tag or processing instruction", value: 1_048_576, .. }));
    }
    let fits = format!("<a b='{}'/>", "c".repeat((1 << 20) - 10));
    assert_eq!(read_pieces([fits.as_bytes()], &Options::default()).result, Ok(()));
}

#[test]
fn a_tag_that_is_too_long_is_a_fault_and_leaves_the_structure_readable() {
    let value = "c".repeat(1 << 20);
    for document in [
        format!("<a><b c='{value}'/>d<e/></a>"),
        format!("<a><b c='{value}/>' d='/'>e<f>g</f></b></a>"),
        format!("<a><b c='{value}'  \n/  ></b></a>"),
        format!("<a><{value}>d</{value}><{value}/></a{}\n>", " ".repeat(1 << 20)),
    ] {
        let whole = read_pieces([document.as_bytes()], &Options::default());
        assert_eq!(whole.result, Ok(()));
        assert_eq!(whole.fault.as_ref().unwrap().to_string(), "line 1: a tag longer than 1048576 bytes");
        for size in [1000, 65_537, (1 << 20) + 9, document.len() - 20] {
            let pieces = read_pieces(document.as_bytes().chunks(size), &Options::default());
            assert_eq!((&pieces.result, &pieces.fault), (&whole.result, &whole.fault), "{size}");
            assert!(pieces.raw == document.as_bytes(), "{size}");
        }
    }
    for document in
        [format!("<a><b c='{value}></a>"), format!("<a><b c='{value}><d e=''/></b></a>"), format!("<a b='{value}'/>")]
    {
        let result = read_pieces([document.as_bytes()], &Options::default()).result;
        assert!(matches!(result, Err(Error::CutShort | Error::Limit { .. })), "{result:?}");
    }
}

#[test]
fn texts_sections_and_comments_are_never_kept() {
    struct Longest(usize);
    impl Consumer for Longest {
        type Error = Infallible;
        fn token(&mut self, token: Token<'_>) -> Result<(), Infallible> {
            self.0 = self.0.max(token.raw.len());
            Ok(())
        }
        fn fault(&mut self, fault: Fault) -> Result<(), Infallible> {
            panic!("{fault}")
        }
    }
    let piece = "-x]é".repeat(1 << 10);
    for (open, close) in [("", ""), ("<![CDATA[", "]]>"), ("<!--", "-->")] {
        let (mut longest, mut scanner) = (Longest(0), Scanner::new(512));
        scanner.feed(format!("<a>{open}").as_bytes(), &mut longest).unwrap();
        for _ in 0..1000 {
            scanner.feed(piece.as_bytes(), &mut longest).unwrap();
        }
        scanner.feed(format!("{close}</a>").as_bytes(), &mut longest).unwrap();
        scanner.finish(&mut longest).unwrap();
        assert!(longest.0 <= piece.len(), "{open}: {}", longest.0);
    }
}

/// The corpus beside the project, where it is present.
fn corpus() -> Option<std::path::PathBuf> {
    let shared = std::env::var_os("TAXII_SYNC_SHARED")
        .map_or_else(|| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), std::path::PathBuf::from);
    let corpus = shared.join("corpus");
    if !corpus.is_dir() {
        println!("the corpus is not here ({}): nothing is compared", corpus.display());
        return None;
    }
    Some(corpus)
}

#[test]
fn the_corpus_is_well_formed_where_its_list_and_another_parser_say_so() {
    let Some(corpus) = corpus() else { return };
    let mut documents = 0;
    for directory in std::fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()) {
        let list = std::fs::read_to_string(directory.join("ORIGIN.tsv")).unwrap();
        let column = |name: &str| list.lines().next().unwrap().split('\t').position(|c| c == name).unwrap();
        let (file, well_formed) = (column("file"), column("well_formed"));
        for line in list.lines().skip(1) {
            let cells: Vec<&str> = line.split('\t').collect();
            let bytes = std::fs::read(directory.join(cells[file])).unwrap();
            let whole = read_pieces([&bytes[..]], &Options::default());
            let small = read_pieces(bytes.chunks(7), &Options::default());
            assert!(small == whole, "{}: the pieces make a difference", cells[file]);
            let ours = whole.result.is_ok() && whole.fault.is_none();
            let doctype = matches!(whole.result, Err(Error::Doctype { .. }));
            assert_eq!(ours, cells[well_formed] == "yes" && !doctype, "{}: {:?}", cells[file], whole.fault);
            if let Ok(text) = std::str::from_utf8(&bytes) {
                let other = roxmltree::Document::parse(text.trim_start_matches('\u{FEFF}'));
                assert_eq!(ours, other.is_ok(), "{}: {:?} {:?}", cells[file], whole.result, other.err());
            }
            documents += 1;
        }
    }
    assert!(documents > 400, "only {documents} documents in the corpus");
}
