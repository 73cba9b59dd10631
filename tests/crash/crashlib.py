"""What the crash tests share: the agent and its server, a reader that takes files away, and the counting."""

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
# What was built before, in a directory as cargo lays it out, instead of what is built now.
BUILT = os.environ.get("CRASH_BUILT")
BINARIES = Path(BUILT) if BUILT else TARGET / "debug"
AGENT = BINARIES / "taxii-sync"
PEER = BINARIES / "examples" / "crash_peer"
INJECT = BINARIES / "examples" / "crash_inject"

ENVELOPE = b' xmlns:taxii_11="http://taxii.mitre.org/messages/taxii_xml_binding-1.1"'

# No run takes longer; one that does hangs.
PATIENCE = 240


class Broken(Exception):
    """A promise was not kept."""


def build():
    """Builds what the crash tests run."""
    examples = ["--example", "crash_peer", "--example", "crash_inject"]
    if not BUILT:
        subprocess.run(["cargo", "build", "--quiet", "--bin", "taxii-sync", *examples], cwd=ROOT, check=True)


def can_trace():
    """Whether this machine lets a process be traced; says loudly if not."""
    tried = subprocess.run([INJECT, "--", "/bin/true"], capture_output=True, text=True)
    if tried.returncode:
        print(f"NOT RUN: system calls cannot be struck here: {tried.stderr.strip()}", flush=True)
    return tried.returncode == 0


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Peer:
    """The server: tests/crash/peer.rs in a process of its own."""

    def __init__(self):
        self.process = subprocess.Popen([PEER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


class Reader(threading.Thread):
    """Takes files out of an output directory as soon as they appear, and keeps count of what it got."""

    def __init__(self, output):
        super().__init__(daemon=True)
        self.output = Path(output)
        self.taken = []
        self.metadata = set()
        self.faults = []
        self.ending = threading.Event()

    def run(self):
        while not self.ending.wait(0.001):
            self.look()

    def look(self):
        try:
            names = [name for name in os.listdir(self.output) if not name.startswith(".")]
        except FileNotFoundError:
            return
        for name in sorted(names, key=lambda name: name.endswith(".meta.json")):
            path = self.output / name
            try:
                data = path.read_bytes()
                path.unlink()
            except FileNotFoundError:
                continue
            if name.endswith(".meta.json"):
                # Metadata comes first, so its content may be seen only at the next look.
                self.metadata.add(name)
                try:
                    json.loads(data)
                except ValueError:
                    self.faults.append(f"torn metadata {name}")
                continue
            digest = sha256(data)
            # A content too large to be held declares the namespaces around it, needed or not.
            self.taken.append(sha256(data.replace(ENVELOPE, b"", 1)))
            if name.rsplit(".", 1)[0].rsplit("-", 1)[-1] != digest[:16]:
                self.faults.append(f"torn: {name} holds {len(data)} bytes with hash {digest[:16]}")
            # It was in place before; whoever took it before took it from here.
            if f"{name}.meta.json" not in self.metadata and not (self.output / f"{name}.meta.json").exists():
                self.faults.append(f"{name} came without its metadata")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Takes a last look."""
        if not self.ending.is_set():
            self.ending.set()
            self.join()
            self.look()


class World:
    """One agent with its directories, below a directory that is made anew."""

    def __init__(self, base, urls, lag="0s", extra="", disk=None):
        """`disk`: where its directories are, if not beside its configuration."""
        self.base = Path(base)
        shutil.rmtree(self.base, ignore_errors=True)
        self.base.mkdir(parents=True)
        disk = Path(disk or base)
        self.state, self.output, self.drop = disk / "state", disk / "out", disk / "drop"
        self.config = self.base / "config.toml"
        self.dropped = {}
        self.write_config(urls, lag, extra)

    def write_config(self, urls, lag="0s", extra=""):
        self.config.write_text(
            f"""
state_dir = "{self.state}"
[log]
level = "info"
[servers.hub]
discovery = "{urls["discovery"]}"
[servers.hub-b]
inbox = "{urls["inbox/b"]}"
[servers.hub-a]
inbox = "{urls["inbox/a"]}"
[feeds.feed]
server = "hub"
collection = "default"
every = "30s"
start = "2h"
lag = "{lag}"
output = "{self.output}"
min_free = "64KiB"
[inboxes.a]
server = "hub-a"
[inboxes.b]
server = "hub-b"
connections = 2
[drops.files]
path = "{self.drop}"
inboxes = ["a", "b"]
settle = "200ms"
rescan = "1s"
content_binding = "urn:example:dropped"
{extra}
"""
        )

    def drop_files(self, count, prefix="file"):
        """Leaves files that nobody writes any more: renamed into place, and old."""
        self.drop.mkdir(exist_ok=True)
        for number in range(count):
            size = 30_000 if number % 3 == 0 else 30
            data = f'<f:file xmlns:f="urn:example:dropped" n="{prefix}-{number}">{"x" * size}</f:file>'.encode()
            self.leave(f"{prefix}-{number}.xml", data)

    def leave(self, name, data):
        path = self.drop / f".{name}"
        with open(path, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.utime(path, (time.time() - 60,) * 2)
        os.rename(path, self.drop / name)
        self.dropped[name] = sha256(data)

    def once(self, *inject, timeout=PATIENCE):
        """`run --once`; gives the exit code and what it said."""
        command = [AGENT, "--config", self.config, "run", "--once"]
        if inject:
            command = [INJECT, "--report", self.base / "report.json", *inject, "--", *command]
        try:
            ran = subprocess.run(command, capture_output=True, text=True, timeout=timeout, errors="replace")
        except subprocess.TimeoutExpired:
            # The agent is killed with its tracer, but not at the same moment.
            time.sleep(1)
            raise
        return ran.returncode, ran.stderr

    def report(self):
        """What the tracer noted; of a run that never ended, only what it struck."""
        try:
            return json.loads((self.base / "report.json").read_text())
        except FileNotFoundError:
            hit = self.base / "report.json.hit"
            return {"seen": 0, "hit": hit.read_text() if hit.exists() else None, "counts": {}}

    def check_drops(self, refused=()):
        """Every dropped file is in its end, whole, with a receipt, and nothing else is anywhere."""
        faults = []
        left = [name for name in os.listdir(self.drop) if name not in ("sent", "failed", "sending")]
        faults += [f"left in the drop directory: {name}" for name in left]
        faults += [f"left in sending/: {name}" for name in os.listdir(self.drop / "sending") if name != "identity"]
        ends = {"sent": {}, "failed": {}}
        for end, found in ends.items():
            for name in os.listdir(self.drop / end):
                if not name.endswith(".receipt.json"):
                    found[name] = sha256((self.drop / end / name).read_bytes())
                    receipt = self.drop / end / f"{name}.receipt.json"
                    try:
                        inboxes = json.loads(receipt.read_text())["inboxes"]
                    except (OSError, ValueError, KeyError) as error:
                        faults.append(f"receipt of {end}/{name}: {error}")
                        continue
                    wanted = ("accepted", "duplicate") if end == "sent" else ("refused",)
                    if len(inboxes) != 2 or any(one["outcome"] not in wanted for one in inboxes):
                        faults.append(f"receipt of {end}/{name}: {inboxes}")
                elif not (self.drop / end / name.removesuffix(".receipt.json")).exists():
                    faults.append(f"a receipt alone: {end}/{name}")
        good = {name: digest for name, digest in self.dropped.items() if name not in refused}
        bad = {name: digest for name, digest in self.dropped.items() if name in refused}
        if ends["sent"] != good:
            faults.append(f"sent/ holds {differences(ends['sent'], good)}")
        if ends["failed"] != bad:
            faults.append(f"failed/ holds {differences(ends['failed'], bad)}")
        return faults

    def check_output(self):
        """Nothing half done is left behind."""
        left = [name for name in os.listdir(self.output / ".staging") if name != "identity"]
        return [f"left in .staging/: {name}" for name in left]

    def check_ledger(self):
        """The ledger is whole and owes nothing."""
        faults = []
        with contextlib.closing(sqlite3.connect(self.state / "ledger.db")) as ledger:
            whole = ledger.execute("PRAGMA integrity_check").fetchone()[0]
            if whole != "ok":
                faults.append(f"the ledger is damaged: {whole}")
            tables = [name for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in {"file", "files", "delivery", "deliveries", "part", "parts", "block", "blocks"} & set(tables):
                if rows := ledger.execute(f"SELECT count(*) FROM {table}").fetchone()[0]:
                    faults.append(f"{rows} rows are left in {table}")
        return faults


def differences(found, wanted):
    missing = {name for name, digest in wanted.items() if found.get(name) != digest}
    more = {name for name, digest in found.items() if wanted.get(name) != digest}
    return f"missing or changed {sorted(missing)}, not ours {sorted(more)}"


def count_blocks(taken, wanted):
    """Each block once."""
    faults = []
    for digest in set(taken) | set(wanted):
        times = taken.count(digest)
        if digest not in wanted:
            faults.append(f"nobody gave {digest[:16]}, but it was handed over")
        elif times != 1:
            faults.append(f"block {wanted.index(digest)} was handed over {times} times")
    return faults


def count_pushed(counts, dropped, allowed):
    """Each file got to each inbox; `allowed` is how many of them may have come again."""
    faults, again = [], 0
    for inbox, by_hash in counts.items():
        for name, digest in dropped.items():
            times = by_hash.get(digest, 0)
            if times == 0:
                faults.append(f"{name} never came to inbox {inbox}")
        extra = sum(by_hash.values()) - len(by_hash)
        again += extra
        if extra > allowed[inbox]:
            faults.append(f"inbox {inbox} got {extra} files twice, {allowed[inbox]} may be")
        if more := set(by_hash) - set(dropped.values()):
            faults.append(f"inbox {inbox} got {len(more)} contents that nobody dropped")
    return faults, again


def tell(pid_file, number):
    """Sends a signal to a process that may have ended, or not begun."""
    try:
        os.kill(int(pid_file.read_text()), number)
    except (ProcessLookupError, FileNotFoundError, ValueError):
        pass
