"""The comparison itself: it forgives what OpenTAXII does to content, and nothing else."""

import pytest
from canonical import assert_same_document

TAXII = 'xmlns:taxii_11="http://taxii.mitre.org/messages/taxii_xml_binding-1.1"'


@pytest.mark.parametrize("sent, received", [
    ("<a><b/></a>", "<a>\n  <b/>\n</a>"),
    ("<a><b/><!--c--></a>", f"<a {TAXII}>\n  <b/>\n  <!--c-->\n</a>"),
    ('<a y="1" x="2"><b></b></a>', "<a x='2' y='1'><b/></a>"),
    ("<?p q?><!--before--><a><![CDATA[<x>]]></a>", "<a>&lt;x&gt;</a>"),
    ('<a xmlns="urn:u"><b/></a>', f'<a xmlns="urn:u" {TAXII}><b/></a>'),
])
def test_the_same_document_is_recognised(sent, received):
    assert_same_document(sent.encode(), received.encode())


@pytest.mark.parametrize("sent, received", [
    ("<a><b/></a>", "<a>text<b/></a>"),
    ("<a><b/> </a>", "<a><b/>\n</a>"),
    ("<a> </a>", "<a/>"),
    ("<a>t<b/></a>", "<a>t<b/> </a>"),
    ("<a><b/><!--c--></a>", "<a><b/></a>"),
    ('<a xmlns:p="urn:u"/>', "<a/>"),
    ("<a/>", '<a xmlns:p="urn:u"/>'),
    ("<a/>", '<a xmlns="urn:u"/>'),
    ('<a x=" 1"/>', '<a x="1"/>'),
    ("<a><b/><b/></a>", "<a><b/></a>"),
])
def test_another_document_is_refused(sent, received):
    with pytest.raises(AssertionError):
        assert_same_document(sent.encode(), received.encode())


def test_indentation_is_not_forgiven_on_the_wire():
    assert_same_document(b"<a><b/></a>", b"<a><b></b></a>", indented=False)
    with pytest.raises(AssertionError):
        assert_same_document(b"<a><b/></a>", b"<a> <b/></a>", indented=False)
