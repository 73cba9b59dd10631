"""Whether two documents are the same document: Canonical XML, and exactly the changes that OpenTAXII is known to make.

OpenTAXII does not keep bytes. It parses the content, and writes it again inside its own Poll_Response with lxml's
`pretty_print`. What that changes is narrow, and nothing else is forgiven here. (The second does not happen between the
agent and the wire, so there it is not forgiven either.)

- The root is in the scope of the prefixes that libtaxii declares on every message.
- White space is put between the children of an element that holds no text at all (not even white space) of its own.
"""

from lxml import etree

LIBTAXII_PREFIXES = {
    "taxii": "http://taxii.mitre.org/messages/taxii_xml_binding-1",
    "taxii_11": "http://taxii.mitre.org/messages/taxii_xml_binding-1.1",
    "tdq": "http://taxii.mitre.org/query/taxii_default_query-1",
}


def parse(document: bytes):
    """The root element. Entities stay as they are, and nothing is fetched."""
    return etree.fromstring(document, etree.XMLParser(resolve_entities=False, huge_tree=True, no_network=True))


def root_id(document: bytes):
    """The `id` of the root element: the package's own name for itself."""
    return parse(document).get("id")


def contents(message: bytes):
    """The root element of every Content in a TAXII message, with what is in its scope there."""
    content = parse(message).iterfind(".//{*}Content_Block/{*}Content")
    return [etree.tostring(element[0], with_tail=False) for element in content]


def assert_same_document(sent: bytes, received: bytes, indented=True):
    """`received` is `sent` after OpenTAXII had it, or, where not `indented`, as it stands in a message."""
    ours, theirs = parse(sent), parse(received)
    added = {p: u for p, u in theirs.nsmap.items() if p not in ours.nsmap}
    assert added.items() <= LIBTAXII_PREFIXES.items(), f"declarations that nobody sent: {added}"
    if indented:
        _undo_indentation(ours, theirs)
    left, right = _canonical(ours, added), _canonical(theirs, {})
    if left != right:
        at = next((i for i, (a, b) in enumerate(zip(left, right)) if a != b), min(len(left), len(right)))
        start = max(at - 150, 0)
        raise AssertionError(f"canonical forms differ at byte {at}:\n"
                             f"sent:     {left[start:at + 150]!r}\nreceived: {right[start:at + 150]!r}")


def _canonical(root, in_scope):
    """Canonical XML 1.0 with comments of the root element alone, with more declarations in its scope."""
    root.tail = None
    scope = etree.Element("scope", nsmap=in_scope)
    scope.append(root)
    return etree.tostring(scope[0], method="c14n", with_comments=True)


def _undo_indentation(ours, theirs):
    """Takes white space out of `theirs` where an element of `ours` holds children and no text."""
    pairs = [(ours, theirs)]
    while pairs:
        a, b = pairs.pop()
        if len(a) != len(b):
            return  # different documents: the comparison of the canonical forms says where
        if len(a) and not a.text and not any(child.tail for child in a):
            b.text = _without_white_space(b.text)
            for child in b:
                child.tail = _without_white_space(child.tail)
        pairs.extend(zip(a, b))


def _without_white_space(text):
    return None if text is None or not text.strip(" \t\r\n") else text
