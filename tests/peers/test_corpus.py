"""Real STIX, forty documents at once: dropped, pushed, polled, handed over; and then nothing more happens."""

import hashlib
import os
import random
import re
import time
from pathlib import Path

import pytest
from canonical import assert_same_document, contents

COUNT = 40


def corpus():
    """Forty different STIX 1.x packages that say their version, always the same ones. Empty where there is no corpus."""
    shared = Path(os.environ.get("TAXII_SYNC_SHARED") or Path(__file__).parents[3] / "shared")
    package = re.compile(rb"<(?:[\w.-]+:)?STIX_Package\b[^>]*\sversion\s*=")
    documents = {}
    for path in sorted(shared.glob("corpus/stix-*/*.xml")):
        document = path.read_bytes()
        if package.search(document) and b"<!DOCTYPE" not in document:
            documents.setdefault(hashlib.sha256(document).hexdigest(), (path.name, document))
    known = sorted(documents.values())
    return random.Random(1).sample(known, min(COUNT, len(known)))


def test_forty_documents_dropped_at_once_come_back_whole(agent, wire, cabby):
    documents = corpus()
    if not documents:
        pytest.skip("there is no corpus beside the project (../shared/corpus, or TAXII_SYNC_SHARED)")
    assert len(documents) == COUNT
    agent.configure(server={"poll": wire.url("poll"), "inbox": wire.url("inbox"), "collections": wire.url("collections")},
                    feed={"collection": "corpus"}, inbox={"collections": ["corpus"], "connections": 1})
    for name, document in documents:
        agent.leave(name, document)

    agent("run", "--once")
    sent = agent.drop / "sent"
    for name, document in documents:
        assert (sent / name).read_bytes() == document
        receipt = agent.receipt("sent", name)
        assert receipt["sha256"] == hashlib.sha256(document).hexdigest()
        assert [i["outcome"] for i in receipt["inboxes"]] == ["accepted"]
    assert sorted(p.name for p in agent.drop.iterdir() if p.is_file()) == []

    # OpenTAXII labels a block when it arrives; a poll that ends now, in whole seconds of its clock, may end before.
    time.sleep(2)
    agent("run", "--once")
    files = agent.handed_over()
    assert len(files) == COUNT
    in_order = sorted(documents, key=lambda d: agent.receipt("sent", d[0])["inboxes"][0]["at"])
    # The first run polls while it pushes. Its cursor stays behind the server's whole seconds, so a block of that very second
    # may be answered again; it is one file all the same.
    answered = dict.fromkeys(content for e in wire.exchanges if e.path.endswith("/poll") for content in contents(e.response))
    for (name, document), answer, file in zip(in_order, answered, files, strict=True):
        content = file.read_bytes()
        assert_same_document(document, content)
        assert_same_document(content, answer, indented=False)
        metadata = agent.metadata(file)
        assert metadata["content_binding"] == agent.receipt("sent", name)["content_binding"]
        assert metadata["sha256"] == hashlib.sha256(content).hexdigest()

    for file in files:
        file.unlink()
    wire.exchanges.clear()
    before = everything(agent)
    agent("run", "--once")
    assert everything(agent) == before
    assert [e.path for e in wire.exchanges if "inbox" in e.path] == []


def everything(agent):
    """Every file outside the state directory, with what would tell that it was written or moved again."""
    files = (p for p in agent.home.rglob("*") if p.is_file() and not p.is_relative_to(agent.home / "state"))
    return {p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in files}
