"""Other people's clients at our practice server: it is a real one, as far as they can tell."""

import json
import os
import subprocess

import libtaxii.messages_10 as tm10
import libtaxii.messages_11 as tm11
import pytest
from cabby import create_client
from canonical import assert_same_document
from documents import package
from libtaxii import get_message_from_http_response
from libtaxii.clients import HttpClient
from libtaxii.constants import VID_TAXII_XML_10, VID_TAXII_XML_11
from peers import STIX_1_1_1, labels
from recorder import Recorder
from schema import assert_valid


@pytest.fixture(scope="module")
def practice():
    """The practice server behind a recorder: every message it answers with must be valid in the end."""
    command = os.path.join(os.environ["TAXII_SYNC_EXAMPLES"], "practice")
    with subprocess.Popen([command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            urls = json.loads(process.stdout.readline())
            recorder = Recorder()
            recorder.start(urls["poll"].split("/")[2])
            yield recorder
            recorder.stop()
        finally:
            process.kill()
    for exchange in recorder.exchanges:
        assert_valid(exchange.response)


@pytest.fixture
def cabby(practice):
    host, port = practice.address.split(":")
    return create_client(host, port=int(port), version="1.1")


@pytest.fixture
def collection(cabby, practice):
    return cabby.get_collections(uri=practice.url("collections"))[0].name


def test_cabby_finds_its_services(cabby, practice):
    kinds = {s.type for s in cabby.discover_services(uri=practice.url("discovery"))}
    assert kinds == {"DISCOVERY", "COLLECTION_MANAGEMENT", "POLL", "INBOX"}


def test_cabby_polls_what_it_pushed(cabby, practice, collection):
    document = package("practice")
    [label] = labels(1)
    cabby.push(document, STIX_1_1_1, collection_names=[collection], timestamp=label, uri=practice.url("inbox"))
    blocks = list(cabby.poll(collection, uri=practice.url("poll")))
    assert any(_holds(document, block.content) for block in blocks)


def _holds(document, content):
    try:
        assert_same_document(document.encode(), content)
        return True
    except Exception:
        return False


def test_cabby_subscribes(cabby, practice, collection):
    answer = cabby.subscribe(collection, uri=practice.url("collections"))
    [subscription] = answer.subscriptions
    cabby.unsubscribe(collection, subscription.id, uri=practice.url("collections"))


@pytest.mark.parametrize("messages, version", [(tm10, VID_TAXII_XML_10), (tm11, VID_TAXII_XML_11)])
def test_libtaxii_discovers_and_polls_in_both_versions(practice, collection, messages, version):
    answer = ask(practice, "discovery", messages.DiscoveryRequest("1"), version)
    assert isinstance(answer, messages.DiscoveryResponse) and answer.in_response_to == "1"
    if messages is tm10:
        poll = tm10.PollRequest("2", feed_name=collection)
    else:
        poll = tm11.PollRequest("2", collection_name=collection, poll_parameters=tm11.PollRequest.PollParameters())
    answer = ask(practice, "poll", poll, version)
    assert isinstance(answer, messages.PollResponse) and answer.in_response_to == "2"


def ask(practice, service, message, version):
    """Sends a message with libtaxii's own HTTP client, and reads the answer with its own reader."""
    host, port = practice.address.split(":")
    reply = HttpClient().call_taxii_service2(host, f"/services/{service}", version, message.to_xml(), int(port))
    return get_message_from_http_response(reply, message.message_id)
