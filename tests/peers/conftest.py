"""One OpenTAXII, with a recorder in front of it, for the whole session; one agent for each test."""

import os
from pathlib import Path

import pytest
from agent import Agent
from peers import Cabby
from recorder import Recorder
from schema import assert_valid_request
from server import OpenTaxii

# Peers are on loopback addresses: a proxy of the environment must not come between.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"


@pytest.fixture(scope="session")
def recorder():
    recorder = Recorder()
    yield recorder
    recorder.stop()


@pytest.fixture(scope="session")
def opentaxii(recorder, tmp_path_factory):
    server = OpenTaxii(tmp_path_factory.mktemp("opentaxii") / "home", advertised=recorder.address)
    try:
        server.start()
        recorder.start(server.address)
        yield server
    finally:
        server.stop()


@pytest.fixture
def wire(opentaxii, recorder):
    """What goes between the agent and OpenTAXII during one test; in the end every request of it must be valid."""
    recorder.exchanges.clear()
    yield recorder
    for exchange in recorder.exchanges:
        assert_valid_request(exchange)


@pytest.fixture
def cabby(opentaxii):
    return Cabby(opentaxii.address)


@pytest.fixture
def agent(tmp_path):
    return Agent(tmp_path)


@pytest.fixture(scope="session")
def examples():
    """The directory of the project's built examples."""
    return Path(os.environ["TAXII_SYNC_EXAMPLES"])
