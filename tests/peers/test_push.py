"""What the agent pushes is what cabby polls."""

import hashlib
import json

import pytest
from canonical import assert_same_document, contents, root_id
from documents import awkward, package


@pytest.fixture
def pushing(agent, wire):
    """An agent that pushes its drop directory to one collection, and the collection's name."""
    def to(collection, **more):
        agent.configure(server={"inbox": wire.url("inbox")}, inbox={"collections": [collection]} | more)
        return agent
    return to


def test_every_dropped_file_reaches_a_poll_as_the_same_document(pushing, wire, cabby):
    agent = pushing("pushed")
    documents = awkward()
    for name, document in documents.items():
        agent.leave(name, document)
    agent("run", "--once")

    assert sorted(p.name for p in (agent.drop / "sent").glob("*.xml")) == sorted(documents)
    by_id = {root_id(document): document for document in documents.values()}
    on_the_wire = [content for exchange in wire.exchanges for content in contents(exchange.request)]
    assert len(on_the_wire) == len(wire.exchanges) == len(documents)
    for content in on_the_wire:
        assert_same_document(by_id[root_id(content)], content, indented=False)
    blocks = cabby.poll("pushed")
    assert len(blocks) == len(documents)
    for block in blocks:
        assert block.binding.id == "urn:stix.mitre.org:xml:1.1.1"
        assert_same_document(by_id[root_id(block.content)], block.content)


def test_a_file_in_sent_keeps_its_bytes_and_has_a_receipt(pushing, wire):
    agent = pushing("receipt")
    document = package("receipt").encode()
    agent.leave("receipt.xml", document)
    agent("run", "--once")

    assert (agent.drop / "sent" / "receipt.xml").read_bytes() == document
    receipt = agent.receipt("sent", "receipt.xml")
    assert receipt["file"] == "receipt.xml"
    assert receipt["sha256"] == hashlib.sha256(document).hexdigest()
    assert receipt["size"] == len(document)
    assert receipt["content_binding"] == "urn:stix.mitre.org:xml:1.1.1"
    [inbox] = receipt["inboxes"]
    assert (inbox["inbox"], inbox["outcome"], inbox["attempts"], inbox["status_type"]) == ("inbox", "accepted", 1, "SUCCESS")
    [exchange] = wire.exchanges
    assert f'message_id="{inbox["message_id"]}"'.encode() in exchange.request


def test_stix_2_arrives_as_the_text_it_is(pushing, cabby):
    agent = pushing("pushed-json")
    bundle = {"type": "bundle", "id": "bundle--1", "objects": [{"type": "x", "spec_version": "2.1", "name": "<&> ü"}]}
    agent.leave("bundle.json", json.dumps(bundle, ensure_ascii=False).encode())
    agent("run", "--once")
    [block] = cabby.poll("pushed-json")
    assert block.binding.id == "urn:stix.mitre.org:json:2.1"
    assert json.loads(block.content) == bundle


def test_a_batch_is_one_message_and_every_block_of_it_arrives(pushing, wire, cabby):
    agent = pushing("pushed-batch", max_batch=10)
    documents = [package(f"batch-{i}").encode() for i in range(10)]
    for i, document in enumerate(documents):
        agent.leave(f"{i}.xml", document)
    agent("run", "--once")
    assert len(wire.exchanges) == 1
    blocks = {root_id(block.content): block.content for block in cabby.poll("pushed-batch")}
    assert len(blocks) == len(documents)
    for document in documents:
        assert_same_document(document, blocks[root_id(document)])


def test_the_push_command_sends_a_file_without_configuration(agent, wire, cabby):
    document = package("by-hand").encode()
    (agent.home / "one.xml").write_bytes(document)
    agent("push", "--url", wire.url("inbox"), "--collection", "pushed-by-hand", agent.home / "one.xml")
    [block] = cabby.poll("pushed-by-hand")
    assert_same_document(document, block.content)


def test_an_unknown_collection_leaves_the_file_pending_and_says_why(pushing, wire):
    agent = pushing("nobody-has-this")
    agent.leave("waits.xml", package("waits").encode())
    _, err = agent("run", "--once", exits=1)
    assert "NOT_FOUND" in err and "inbox" in err
    assert not list((agent.drop / "failed").glob("*.xml")) and not list((agent.drop / "sent").glob("*.xml"))
    assert agent.status()["drops"]["drop"]["inboxes"]["inbox"]["pending"] == 1
