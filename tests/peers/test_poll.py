"""What cabby pushes is what the agent writes."""

import hashlib
import time
from datetime import datetime

import pytest
from canonical import assert_same_document, contents, parse
from documents import package
from peers import STIX_1_1_1, labels, push_all


@pytest.fixture
def polling(agent, wire):
    """An agent with one feed: a collection of OpenTAXII."""
    def of(collection, **more):
        agent.configure(server={"poll": wire.url("poll"), "collections": wire.url("collections")},
                        feed={"collection": collection} | more)
        return agent
    return of


def stamp(label):
    return label.strftime("%Y%m%dT%H%M%S.%fZ")


def test_a_block_is_one_file_named_after_its_label_and_its_bytes(polling, cabby):
    document = package("from-cabby", "<!--c--><stix:STIX_Header><stix:Title>a &lt; b</stix:Title></stix:STIX_Header>")
    [label] = labels(1)
    cabby.push("from-cabby", document, label)

    agent = polling("from-cabby")
    agent("run", "--once")
    [file] = agent.handed_over()
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    assert file.name == f"{stamp(label)}-{digest[:16]}.xml"
    assert_same_document(document.encode(), content)

    metadata = agent.metadata(file)
    assert metadata["sha256"] == digest and metadata["size"] == len(content)
    assert (metadata["server"], metadata["collection"], metadata["content_binding"]) == ("hub", "from-cabby", STIX_1_1_1)
    assert metadata["stix_version"] == "1.1.1" and metadata["fragment"] is False and metadata["part"] == 1
    # A label is kept as the server wrote it.
    assert metadata["timestamp_label"].startswith(label.strftime("%Y-%m-%dT%H:%M:%S"))


def test_what_is_not_xml_is_written_as_it_came(polling, cabby):
    texts = {"json": '{"a": "<&> ü"}', "txt": "plain & simple"}
    bindings = {"json": "urn:stix.mitre.org:json:2.1", "txt": "urn:example:text"}
    for (extension, text), label in zip(texts.items(), labels(2)):
        cabby.push("not-xml", text, label, bindings[extension])
    agent = polling("not-xml")
    agent("run", "--once")
    assert {f.suffix[1:]: f.read_text() for f in agent.handed_over()} == texts


# With exactly three full pages OpenTAXII says `more` on the third, and the fourth is empty.
@pytest.mark.parametrize("count, parts", [(250, 3), (300, 4)])
def test_a_result_of_many_parts_arrives_whole(polling, wire, opentaxii, count, parts):
    documents = {label: package(f"{count}-{i}") for i, label in enumerate(labels(count))}
    push_all(opentaxii.address, f"parts-{count}", documents.items())

    agent = polling(f"parts-{count}")
    agent("run", "--once")
    polls = [e for e in wire.exchanges if e.path.endswith("/poll")]
    assert len(polls) == parts
    files = agent.handed_over()
    assert len(files) == count
    answered = [content for poll in polls for content in contents(poll.response)]
    for (label, document), content, file in zip(documents.items(), answered, files, strict=True):
        assert file.name.startswith(stamp(label))
        assert_same_document(document.encode(), file.read_bytes())
        assert_same_document(file.read_bytes(), content, indented=False)


def test_a_second_poll_asks_from_the_cursor_and_hands_nothing_over_again(polling, wire, cabby):
    cabby.push("twice", package("first"), labels(1)[0])
    agent = polling("twice")
    agent("run", "--once")
    [file] = agent.handed_over()
    file.unlink()
    cursor = agent.status()["feeds"]["feed"]["cursor"]

    wire.exchanges.clear()
    time.sleep(2)  # otherwise the cursor is already where this poll would end: the server's clock tells whole seconds
    agent("run", "--once")
    assert agent.handed_over() == []
    [poll] = [e for e in wire.exchanges if e.path.endswith("/poll")]
    begin = parse(poll.request).findtext("{*}Exclusive_Begin_Timestamp")
    assert datetime.fromisoformat(begin) == datetime.fromisoformat(cursor)


def test_the_poll_command_needs_no_configuration_and_moves_no_cursor(agent, wire, cabby):
    document = package("by-hand")
    cabby.push("polled-by-hand", document, labels(1)[0])
    into = agent.home / "here"
    into.mkdir()
    for _ in range(2):
        agent("poll", "--url", wire.url("poll"), "--collection", "polled-by-hand", "--to", into)
        [file] = [p for p in into.iterdir() if p.suffix == ".xml"]
        assert_same_document(document.encode(), file.read_bytes())


def test_an_unknown_collection_is_an_error_that_names_it(polling):
    _, err = polling("nobody-has-this")("run", "--once", exits=1)
    assert "NOT_FOUND" in err and "nobody-has-this" in err
