"""TAXII's own schemas, as libtaxii ships them: they check the envelope and skip over the content, whatever it is."""

from canonical import parse
from libtaxii.validation import SchemaValidator
from lxml import etree

VERSIONS = {
    "http://taxii.mitre.org/messages/taxii_xml_binding-1.1":
        ("1.1", SchemaValidator(SchemaValidator.TAXII_11_SCHEMA)),
    "http://taxii.mitre.org/messages/taxii_xml_binding-1":
        ("1.0", SchemaValidator(SchemaValidator.TAXII_10_SCHEMA)),
}


def assert_valid(message: bytes):
    """Fails unless the message is valid in the version its root says. Gives the version and the root's local name."""
    root = parse(message)
    name = etree.QName(root)
    assert name.namespace in VERSIONS, f"not a TAXII message: {name.text}"
    version, validator = VERSIONS[name.namespace]
    result = validator.validate_etree(root)
    assert result.valid, f"TAXII {version} {name.localname}: {result.error_log}\n{message[:2000]!r}"
    return version, name.localname


def assert_valid_request(exchange):
    """Fails unless a recorded request is a valid message under the headers that the HTTP binding asks for."""
    version, _ = assert_valid(exchange.request)
    expected = {
        "Content-Type": "application/xml",
        "Accept": "application/xml",
        "X-TAXII-Content-Type": f"urn:taxii.mitre.org:message:xml:{version}",
        "X-TAXII-Accept": f"urn:taxii.mitre.org:message:xml:{version}",
        "X-TAXII-Services": f"urn:taxii.mitre.org:services:{version}",
        "X-TAXII-Protocol": "urn:taxii.mitre.org:protocol:http:1.0",
        "Content-Length": str(len(exchange.request)),
        "Content-Encoding": None,
        "Transfer-Encoding": None,
    }
    sent = {name: exchange.header(name) for name in expected}
    assert sent == expected
