"""The peers among themselves: if one of these fails, it is the set-up that is broken and not taxii-sync."""

import urllib.error
import urllib.request

import pytest
from canonical import assert_same_document
from documents import awkward, package
from peers import Cabby, labels
from schema import assert_valid
from server import ACCOUNT


def test_cabby_polls_what_cabby_pushed(cabby):
    document = package("alone")
    [label] = labels(1)
    cabby.push("alone", document, label)
    [block] = [b for b in cabby.poll("alone") if b.timestamp == label]
    assert_same_document(document.encode(), block.content)


def test_the_awkward_documents_are_well_formed():
    for name, document in awkward().items():
        assert_same_document(document, document), name


def test_the_locked_services_ask_for_credentials(opentaxii):
    cabby = Cabby(opentaxii.address)
    with pytest.raises(Exception, match="UNAUTHORIZED"):
        cabby.poll("locked", poll="poll-locked")
    cabby.authenticate(ACCOUNT)
    cabby.poll("locked", poll="poll-locked")


def test_the_recorder_keeps_what_goes_through_it(opentaxii, recorder):
    before = len(recorder.exchanges)
    request = urllib.request.Request(recorder.url("poll"), b"<a/>", {"Content-Type": "application/xml", "Accept": "application/xml"})
    with urllib.request.urlopen(request) as reply:
        assert b"Status_Message" in reply.read()
    exchange = recorder.exchanges[before]
    assert (exchange.request, exchange.path, exchange.header("accept")) == (b"<a/>", "/services/poll", "application/xml")
    assert assert_valid(exchange.response) == ("1.1", "Status_Message")


def test_the_schema_refuses_what_is_not_valid():
    with pytest.raises(AssertionError, match="collection_name"):
        assert_valid(b'<Poll_Request xmlns="http://taxii.mitre.org/messages/taxii_xml_binding-1.1" message_id="1"/>')
