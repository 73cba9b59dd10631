"""Real forward proxies between the agent and OpenTAXII: tinyproxy and microsocks."""

import shutil
import subprocess

import pytest
from documents import package
from tls import free_port, wait_for

pytestmark = pytest.mark.skipif(not shutil.which("tinyproxy"), reason="there is no tinyproxy here (Debian: tinyproxy-bin)")

USER, PASSWORD = "sensor", "a-pass-phrase"


@pytest.fixture(scope="module")
def tinyproxy(tmp_path_factory):
    home, port = tmp_path_factory.mktemp("tinyproxy"), free_port()
    log = home / "log"
    log.touch()
    (home / "conf").write_text(f"Port {port}\nListen 127.0.0.1\nTimeout 60\nLogFile \"{log}\"\nLogLevel Connect\n"
                               f"PidFile \"{home}/pid\"\nMaxClients 20\nBasicAuth {USER} {PASSWORD}\n")
    process = subprocess.Popen(["tinyproxy", "-d", "-c", home / "conf"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(port, process, log)
    yield f"http://127.0.0.1:{port}", log
    process.terminate()
    process.wait(20)


@pytest.fixture
def pushing(agent, opentaxii):
    def through(proxy, exits=0):
        server = {"inbox": f"http://{opentaxii.address}/services/inbox", "proxy": proxy}
        agent.configure(server=server, inbox={"collections": ["proxied"]})
        agent.leave("file.xml", package("proxied").encode())
        return agent("run", "--once", exits=exits)[1]
    return through


@pytest.fixture
def password(agent):
    path = agent.home / "proxy-password"
    path.write_text(PASSWORD + "\n")
    return {"username": USER, "password_file": str(path)}


def test_what_is_pushed_goes_through_the_proxy_that_asks_for_a_password(pushing, tinyproxy, password):
    url, log = tinyproxy
    before = log.read_text().count("/services/inbox")
    pushing({"url": url} | password)
    assert log.read_text().count("/services/inbox") == before + 1, log.read_text()


def test_a_wrong_password_is_the_proxys_trouble_and_shown_nowhere(pushing, agent, tinyproxy, password):
    (agent.home / "proxy-password").write_text("not-the-right-one\n")
    err = pushing({"url": tinyproxy[0]} | password, exits=1)
    assert "not-the-right-one" not in err
    assert "40" in err, err  # 401 or 407, as the proxy has it
    assert agent.status()["drops"]["drop"]["inboxes"]["inbox"]["pending"] == 1


def test_no_proxy_goes_around_it(pushing, tinyproxy, password):
    url, log = tinyproxy
    before = log.read_text()
    pushing({"url": url, "no_proxy": ["127.0.0.0/8"]} | password)
    assert "/services/inbox" not in log.read_text()[len(before):]


def test_a_proxy_that_is_not_there_is_named(pushing):
    err = pushing({"url": "http://127.0.0.1:1"}, exits=1)
    assert "127.0.0.1:1" in err, err


@pytest.mark.skipif(not shutil.which("microsocks"), reason="there is no microsocks here (Debian: microsocks)")
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_socks_5_with_a_password(pushing, agent, password, scheme):
    port, log = free_port(), agent.home / "socks.log"
    with open(log, "wb") as stderr:
        process = subprocess.Popen(["microsocks", "-i", "127.0.0.1", "-p", str(port), "-u", USER, "-P", PASSWORD],
                                   stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr)
    try:
        wait_for(port, process, log)
        pushing({"url": f"{scheme}://127.0.0.1:{port}"} | password)
        assert "connected to 127.0.0.1" in log.read_text()
    finally:
        process.terminate()
        process.wait(20)
