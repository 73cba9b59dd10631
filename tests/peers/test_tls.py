"""nginx in front of OpenTAXII: who is believed, and who is let in."""

import shutil

import pytest
from canonical import assert_same_document
from documents import package
from peers import Cabby
from tls import Authority, Nginx, openssl, pin

pytestmark = pytest.mark.skipif(not shutil.which("nginx"), reason="there is no nginx here (Debian: nginx-light)")

PASSWORD = "a pass phrase"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"), "ours")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"), "theirs")


@pytest.fixture(scope="module")
def front(authority, opentaxii, tmp_path_factory):
    past = {"start": "20200101000000Z", "end": "20210101000000Z"}
    sites = {
        "good": (*authority.server("good"), False),
        "mutual": (*authority.server("mutual"), True),
        "wrong-name": (*authority.server("wrong-name", "DNS:elsewhere.example.org"), False),
        "expired": (*authority.server("expired", **past), False),
    }
    nginx = Nginx(tmp_path_factory.mktemp("nginx") / "home", opentaxii.address, authority, sites)
    yield nginx
    nginx.stop()


@pytest.fixture
def pushing(agent, front):
    """Pushes one file to a site; gives what was said."""
    def to(site, tls, exits=0):
        agent.configure(server={"inbox": front.url(site, "inbox"), "tls": tls}, inbox={"collections": ["tls"]})
        agent.leave("file.xml", package("tls").encode())
        return agent("run", "--once", exits=exits)[1]
    return to


@pytest.fixture(scope="module")
def client(authority):
    return authority.client("client")


def ca(authority):
    return {"ca_file": str(authority.certificate)}


def identity(authority, key, certificate, **more):
    return ca(authority) | {"key_file": str(key), "cert_file": str(certificate)} | more


def test_a_private_authority_is_believed_and_what_is_pushed_arrives(pushing, authority, opentaxii):
    pushing("good", ca(authority))
    [block, *_] = Cabby(opentaxii.address).poll("tls")
    assert_same_document(package("tls").encode(), block.content)


@pytest.mark.parametrize("site, words", [
    ("wrong-name", ["127.0.0.1"]), ("expired", ["expired"]), ("good", ["unknown issuer"]),
])
def test_a_certificate_that_is_not_right_is_refused_and_says_why(pushing, authority, other, site, words):
    believed = other if site == "good" else authority
    err = pushing(site, ca(believed), exits=1)
    for word in words:
        assert word in err, err


def test_a_client_certificate_lets_in(pushing, authority, client):
    pushing("mutual", identity(authority, *client))


def test_without_a_client_certificate_it_stays_pending(pushing, agent, authority):
    err = pushing("mutual", ca(authority), exits=1)
    assert "400" in err, err
    assert agent.status()["drops"]["drop"]["inboxes"]["inbox"]["pending"] == 1


def test_the_client_certificate_of_somebody_else_does_not_let_in(pushing, authority, other):
    pushing("mutual", identity(authority, *other.client("stranger")), exits=1)


def test_a_key_that_does_not_belong_to_the_certificate_is_a_mistake_that_is_named(pushing, authority, client):
    key, _ = authority.client("another")
    err = pushing("mutual", identity(authority, key, client[1]), exits=1)
    assert "key" in err, err


def test_an_encrypted_key_opens_with_its_password(pushing, agent, authority, client):
    key, certificate = client
    encrypted = agent.home / "encrypted.key"
    openssl("pkcs8", "-topk8", "-v2", "aes-256-cbc", "-in", key, "-out", encrypted, "-passout", f"pass:{PASSWORD}",
            cwd=agent.home)
    password = agent.home / "key-password"
    password.write_text(PASSWORD + "\n")
    pushing("mutual", identity(authority, encrypted, certificate, key_password_file=str(password)))
    password.write_text("wrong one\n")
    err = pushing("mutual", identity(authority, encrypted, certificate, key_password_file=str(password)), exits=1)
    assert "password" in err and "wrong one" not in err and PASSWORD not in err, err


def test_an_old_encrypted_key_and_pkcs_12_are_refused_with_the_command_that_converts_them(pushing, agent, authority, client):
    key, certificate = client
    old, p12 = agent.home / "old.key", agent.home / "both.p12"
    openssl("rsa", "-aes256", "-traditional", "-in", key, "-out", old, "-passout", f"pass:{PASSWORD}", cwd=agent.home)
    openssl("pkcs12", "-export", "-inkey", key, "-in", certificate, "-out", p12, "-passout", f"pass:{PASSWORD}",
            cwd=agent.home)
    password = agent.home / "key-password"
    password.write_text(PASSWORD + "\n")
    more = {"key_password_file": str(password)}
    assert "openssl pkcs8 -topk8" in pushing("mutual", identity(authority, old, certificate, **more), exits=1)
    assert "openssl pkcs12" in pushing("mutual", identity(authority, p12, p12, **more), exits=1)


def test_a_pinned_key_is_believed_whatever_else_is_wrong_and_another_one_is_not(pushing, authority):
    certificate = authority.home / "wrong-name.pem"
    err = pushing("good", {"pin_sha256": pin(certificate)}, exits=1)
    assert "pin" in err, err
    pushing("wrong-name", {"pin_sha256": pin(certificate)})
