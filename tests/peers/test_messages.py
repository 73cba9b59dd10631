"""Every message the agent can send is valid: all variants as examples, and those of every command on the wire."""

import subprocess

from documents import package
from peers import labels
from schema import assert_valid

REQUESTS = {
    "1.1": {"Discovery_Request", "Collection_Information_Request", "Subscription_Management_Request", "Poll_Request",
            "Poll_Fulfillment", "Inbox_Message"},
    "1.0": {"Discovery_Request", "Feed_Information_Request", "Subscription_Management_Request", "Poll_Request",
            "Inbox_Message"},
}


def test_every_variant_of_every_message_is_valid(examples, tmp_path):
    subprocess.run([examples / "dump_messages", tmp_path], check=True, stdin=subprocess.DEVNULL)
    seen = {"1.1": set(), "1.0": set()}
    for path in sorted(tmp_path.iterdir()):
        version, name = assert_valid(path.read_bytes())
        seen[version].add(name)
    for version, names in REQUESTS.items():
        assert names <= seen[version], f"no example of TAXII {version} {names - seen[version]}"


def test_every_command_sends_valid_messages(agent, wire, cabby):
    """The fixture `wire` checks them one by one, headers included; this test makes sure that it sees every kind."""
    for i, label in enumerate(labels(25)):
        cabby.push("every-command", package(f"every-{i}"), label)
    agent.configure(server={"discovery": wire.url("discovery"), "poll": wire.url("poll-by-20")},
                    feed={"collection": "every-command"}, inbox={"collections": ["every-command"]})
    agent.leave("dropped.xml", package("every-dropped").encode())
    agent("check", "--online")
    agent("discover", "hub")
    agent("collections", "hub")
    agent("poll", "feed", "--count")
    agent("subscription", "subscribe", "feed")
    agent("run", "--once")
    assert {assert_valid(e.request)[1] for e in wire.exchanges} == REQUESTS["1.1"]


def test_taxii_1_0_is_spoken_throughout(agent, wire, opentaxii, cabby):
    document = package("1.0")
    cabby.push("version-1.0", document, labels(1)[0])
    agent.configure(server={"taxii": "1.0", "discovery": wire.url("discovery")}, feed={"collection": "version-1.0"})
    agent("discover", "hub")
    agent("collections", "hub")
    agent("run", "--once")
    [file] = agent.handed_over()
    assert b"example:Package-1.0" in file.read_bytes()
    sent = {assert_valid(e.request) for e in wire.exchanges}
    assert {version for version, _ in sent} == {"1.0"}
    assert {"Discovery_Request", "Feed_Information_Request", "Poll_Request"} <= {name for _, name in sent}
