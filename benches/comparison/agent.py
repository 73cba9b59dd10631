"""Commands for the agent and for those it is compared with; each takes a fresh directory for one run."""

import os
import shutil
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent


class Contestants:
    def __init__(self, target: Path, port: int):
        self.binary = target / "release" / "taxii-sync"
        self.floor_binary = target / "release" / "examples" / "floor"
        self.port = port

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def agent(self, response: str, metadata: bool = False):
        """One poll from the beginning, with a ledger of its own."""
        def prepare(home: Path):
            config = home / "config.toml"
            config.write_text(f'state_dir = "{home}/state"\n[servers.hub]\npoll = "{self.url(response)}"\n'
                              f'[feeds.feed]\nserver = "hub"\ncollection = "feed"\nstart = "beginning"\n'
                              f'output = "{home}/out"\nmetadata = {str(metadata).lower()}\n')
            return [self.binary, "--config", config, "run", "--once"], home / "out", 2 if metadata else 1
        return prepare

    def agent_push(self, source: Path, connections: int, max_file: str = "256MiB"):
        """Every file of a drop directory, each in a message of its own."""
        def prepare(home: Path):
            shutil.copytree(source, home / "drop")
            # Old enough to be settled: the agent is not to be measured waiting.
            for entry in os.scandir(home / "drop"):
                os.utime(entry.path, (time.time() - 3600,) * 2)
            config = home / "config.toml"
            config.write_text(f'state_dir = "{home}/state"\n[servers.hub]\ninbox = "{self.url("inbox")}"\n'
                              f'[inboxes.inbox]\nserver = "hub"\nconnections = {connections}\n'
                              f'[drops.drop]\npath = "{home}/drop"\ninboxes = ["inbox"]\nmax_file = "{max_file}"\n')
            return [self.binary, "--config", config, "run", "--once"], home / "drop" / "sent", 2
        return prepare

    def floor(self, response: str):
        def prepare(home: Path):
            return [self.floor_binary, self.url(response), home / "out"], home / "out", 1
        return prepare

    def cabby(self, response: str):
        def prepare(home: Path):
            (home / "out").mkdir()
            script = Path(sys.executable).parent / "taxii-poll"
            return [sys.executable, script, "--path", self.url(response), "-c", "feed", "--dest-dir",
                    home / "out"], home / "out", 1
        return prepare

    def libtaxii(self, response: str):
        def prepare(home: Path):
            return [sys.executable, HERE / "libtaxii_poll.py", str(self.port), f"/{response}", home / "out"], home / "out", 1
        return prepare

    def cabby_push(self, source: Path):
        def prepare(home: Path):
            return [sys.executable, HERE / "cabby_push.py", self.url("inbox"), source], source, 1
        return prepare
