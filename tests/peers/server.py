"""A real OpenTAXII on a loopback port: started, filled with collections, stopped."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import yaml

HTTP = "urn:taxii.mitre.org:protocol:http:1.0"

# Each test has a collection of its own, named after it, so that no test sees what another one left.
OPEN = [
    "alone", "pushed", "receipt", "pushed-json", "pushed-batch", "pushed-by-hand", "from-cabby", "not-xml",
    "parts-250", "parts-300", "twice", "polled-by-hand", "corpus", "killed", "version-1.0", "every-command",
    "tls", "proxied",
]
LOCKED = ["locked"]

ACCOUNT = ("sync", "a pass phrase")


class OpenTaxii:
    """One gunicorn with one worker over SQLite, below `home`. `advertised` is the host and port its services claim."""

    def __init__(self, home: Path, advertised: str):
        self.home = home
        home.mkdir(parents=True)
        # We listen, and gunicorn inherits the socket: nobody can take the port in between.
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.log = open(home / "server.log", "ab")
        (home / "opentaxii.yml").write_text(yaml.safe_dump(self._config(advertised)))
        (home / "data.yml").write_text(yaml.safe_dump(_data()))
        self.process = None

    def start(self):
        bin_dir = Path(sys.executable).parent
        env = dict(os.environ, OPENTAXII_CONFIG=str(self.home / "opentaxii.yml"), PYTHONWARNINGS="ignore",
                   SQLALCHEMY_SILENCE_UBER_WARNING="1")
        common = dict(env=env, cwd=self.home, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        if subprocess.run([bin_dir / "opentaxii-sync-data", self.home / "data.yml"], **common).returncode != 0:
            raise RuntimeError("opentaxii-sync-data failed: " + self.last_words())
        fd = self.socket.fileno()
        self.process = subprocess.Popen(
            [bin_dir / "gunicorn", "opentaxii.http:app", "--config", "python:opentaxii.http", "--bind", f"fd://{fd}",
             "--workers", "1", "--timeout", "120", "--no-control-socket"],
            pass_fds=[fd], **common)
        self._wait_until_it_answers()

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(30)
        self.socket.close()
        self.log.close()

    def last_words(self) -> str:
        return (self.home / "server.log").read_text(errors="replace")[-3000:]

    def _wait_until_it_answers(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://{self.address}/management/health", timeout=2):
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("OpenTAXII does not answer: " + self.last_words())

    def _config(self, advertised):
        def database(name):
            return {"db_connection": f"sqlite:///{self.home}/{name}.db", "create_tables": True}

        return {
            "domain": advertised,
            "support_basic_auth": True,
            "return_server_error_details": True,
            "auth_api": {"class": "opentaxii.auth.sqldb.SQLDatabaseAPI",
                         "parameters": dict(database("auth"), secret="a secret for tests, long enough for HS256",
                                            token_ttl_secs=60)},
            "taxii1": {
                "save_raw_inbox_messages": False,
                "xml_parser_supports_huge_tree": True,
                "count_blocks_in_poll_responses": False,
                "unauthorized_status": "UNAUTHORIZED",
                "hooks": None,
                "persistence_api": {"class": "opentaxii.persistence.sqldb.SQLDatabaseAPI",
                                    "parameters": database("data")},
            },
            "taxii2": None,
            "logging": {"opentaxii": "info", "root": "info"},
        }


def _data():
    """The services, collections and accounts, as opentaxii-sync-data reads them."""

    def service(path, kind, **more):
        return dict(id=path, type=kind, address=f"/services/{path}", description=path, protocol_bindings=[HTTP], **more)

    def inbox(path, **more):
        return service(path, "inbox", destination_collection_required=True, accept_all_content=True, **more)

    def poll(path, size, **more):
        return service(path, "poll", subscription_required=False, max_result_size=size, max_result_count=10**6, **more)

    locked = {"authentication_required": True}
    services = [
        inbox("inbox"),
        poll("poll", 100),
        service("collections", "collection_management"),
        # Many parts of few blocks, for the tests that stop in the middle.
        poll("poll-by-20", 20),
        inbox("inbox-locked", **locked),
        poll("poll-locked", 100, **locked),
        service("collections-locked", "collection_management", **locked),
    ]
    services.append(service("discovery", "discovery", advertised_services=[s["id"] for s in services[:3]]))
    open_services = ["inbox", "poll", "poll-by-20", "collections"]
    locked_services = ["inbox-locked", "poll-locked", "collections-locked"]

    def collection(name, service_ids):
        return dict(name=name, type="DATA_FEED", available=True, accept_all_content=True, description=name,
                    service_ids=service_ids)

    name, password = ACCOUNT
    return {
        "services": services,
        "collections": [collection(n, open_services) for n in OPEN] + [collection(n, locked_services) for n in LOCKED],
        "accounts": [dict(username=name, password=password, permissions={n: "modify" for n in LOCKED})],
    }
