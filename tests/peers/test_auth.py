"""Credentials: given, missing and wrong."""

import base64

import pytest
from canonical import assert_same_document
from documents import package
from peers import Cabby, labels
from server import ACCOUNT

NAME, PASSWORD = ACCOUNT


@pytest.fixture
def locked(agent, wire):
    """An agent that polls and pushes the locked collection with the given password; None: without credentials."""
    def with_password(password):
        server = {name: wire.url(f"{name}-locked") for name in ("inbox", "poll", "collections")}
        if password is not None:
            (agent.home / "password").write_text(password + "\n")
            (agent.home / "password").chmod(0o600)
            server["auth"] = {"type": "basic", "username": NAME, "password_file": str(agent.home / "password")}
        agent.configure(server=server, feed={"collection": "locked"}, inbox={"collections": ["locked"]})
        return agent
    return with_password


def test_basic_authentication_opens_poll_and_inbox(locked, wire, opentaxii):
    cabby = Cabby(opentaxii.address)
    cabby.authenticate(ACCOUNT)
    pushed, dropped = package("locked-pushed"), package("locked-dropped")
    cabby.push("locked", pushed, labels(1)[0], inbox="inbox-locked")

    agent = locked(PASSWORD)
    agent.leave("file.xml", dropped.encode())
    agent("run", "--once")
    assert_same_document(pushed.encode(), agent.handed_over()[0].read_bytes())
    assert_same_document(dropped.encode(), cabby.poll("locked", poll="poll-locked")[-1].content)

    expected = "Basic " + base64.b64encode(f"{NAME}:{PASSWORD}".encode()).decode()
    assert {e.header("Authorization") for e in wire.exchanges} == {expected}


@pytest.mark.parametrize("password", [None, "a wrong password"])
def test_without_the_right_credentials_it_fails_and_says_so(locked, wire, password):
    agent = locked(password)
    agent.leave("waits.xml", package("waits").encode())
    out, err = agent("run", "--once", exits=1)

    assert "UNAUTHORIZED" in err, err
    for name in ("feed", "inbox"):
        assert name in err, f"the report does not name the {name}: {err}"
    assert "a wrong password" not in out + err
    assert agent.handed_over() == []
    # Credentials can be put right: the file waits, it is not refused.
    assert not list((agent.drop / "failed").glob("*"))
    status = agent.status()
    assert status["drops"]["drop"]["inboxes"]["inbox"]["pending"] == 1
    assert "UNAUTHORIZED" in status["feeds"]["feed"]["last_error"]
    # An account is not hammered with a password that is wrong.
    assert len(wire.exchanges) <= 6
