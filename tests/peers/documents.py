"""Documents to send. They are made here, so that each is about one thing."""

PACKAGE = """<stix:STIX_Package xmlns:stix="http://stix.mitre.org/stix-1" xmlns:indicator="http://stix.mitre.org/Indicator-2"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:example="http://example.org/"
    id="example:Package-{id}" version="1.1.1">{body}</stix:STIX_Package>"""

TITLE = "<stix:STIX_Header><stix:Title>{}</stix:Title></stix:STIX_Header>"


def package(id, body=None):
    """A small STIX 1.1.1 package as text."""
    return PACKAGE.format(id=id, body=TITLE.format(id) if body is None else body)


def awkward():
    """Name of a file, and its bytes: well-formed packages that a careless sender spoils."""
    declared = '<?xml version="1.0" encoding="{}"?>\n'
    return {
        "plain.xml": package("plain").encode(),
        "declaration.xml": (declared.format("UTF-8") + package("declaration")).encode(),
        "bom.xml": b"\xef\xbb\xbf" + package("bom").encode(),
        "latin1.xml": (declared.format("ISO-8859-1") + package("latin1", TITLE.format("Müller"))).encode("latin-1"),
        "utf16.xml": (declared.format("UTF-16") + package("utf16", TITLE.format("Ω 😀"))).encode("utf-16"),
        "crlf.xml": package("crlf", TITLE.format("a\r\nb")).encode(),
        "prolog.xml": ("<?xml-stylesheet href='x.xsl'?>\n<!-- before -->\n" + package("prolog") + "\n<!-- after -->\n").encode(),
        "cdata.xml": package("cdata", TITLE.format("<![CDATA[</taxii_11:Content> & ]]]]><![CDATA[>]]>")).encode(),
        "references.xml": package("references", TITLE.format("&#13;&#9;&lt;&amp;&gt;&#x1F600;")).encode(),
        "inside.xml": package("inside", "<!-- a comment --><?a b?><stix:STIX_Header/>").encode(),
        "mixed.xml": package("mixed", TITLE.format("one <b xmlns=''> two </b>\n\tthree ")).encode(),
        "in-values.xml": package("in-values", "<stix:STIX_Header xsi:type='indicator:Only-In-A-Value'/>").encode(),
        "default-namespace.xml": b'<STIX_Package xmlns="http://stix.mitre.org/stix-1" id="default" version="1.1.1"><x xmlns=""/></STIX_Package>',
        "long.xml": package("long", TITLE.format("x" * 3_000_000)).encode(),
    }
