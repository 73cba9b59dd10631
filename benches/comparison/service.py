"""What the agent takes as a service: time to start and to send, memory and time while it idles, and what it knows by
heart. `benches/service` runs it."""

import argparse
import json
import os
import platform
import random
import re
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from agent import HERE, Contestants
from measure import fresh, run

FILE = ('<stix:STIX_Package xmlns:stix="http://stix.mitre.org/stix-1" version="1.2"><stix:STIX_Header><stix:Title>{}'
        "</stix:Title></stix:STIX_Header></stix:STIX_Package>")
# A port that nobody listens at (discard).
DOWN = 9
# The label of the first block of the generated responses, in microseconds.
FIRST = 1_704_067_200_000_000
ACCEPTED = ('<Status_Message xmlns="http://taxii.mitre.org/messages/taxii_xml_binding-1.1" message_id="1" '
            'in_response_to="{}" status_type="SUCCESS"/>')


class Agent:
    """A running agent; it tells of READY as it tells systemd."""

    def __init__(self, binary: Path, home: Path, tables: str):
        config, notify = home / "config.toml", home / "notify"
        config.write_text(f'state_dir = "{home}/state"\n{tables}')
        notify.unlink(missing_ok=True)
        self.command = [binary, "--config", config]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told, (home / "log").open("ab") as log:
            told.bind(str(notify))
            told.settimeout(120)
            began = time.monotonic()
            self.process = subprocess.Popen([*self.command, "run"], stderr=log, env={**os.environ, "NOTIFY_SOCKET": str(notify)})
            while b"READY=1" not in told.recv(4096):
                pass
            self.ready = time.monotonic() - began

    def memory(self, what: str = "VmHWM") -> float:
        """In MiB: the peak so far, or what is resident now (VmRSS)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{what}:\s+(\d+)", status, re.MULTILINE)[1]) / 1024

    def cpu(self) -> float:
        """Seconds on a processor so far (the clock of the process, clock_getcpuclockid)."""
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def feeds(self) -> dict:
        said = subprocess.run([*self.command, "status", "--json"], capture_output=True, text=True, check=False)
        return json.loads(said.stdout)["feeds"]

    def end(self):
        self.process.terminate()
        self.process.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()


class Inbox(ThreadingHTTPServer):
    """An inbox that accepts everything at once, and notes when the first byte of which file came."""

    daemon_threads = True

    def __init__(self):
        self.came = {}
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # The answer goes out in one piece, at once.
    wbufsize, disable_nagle_algorithm = -1, True

    def do_POST(self):
        now = time.monotonic()
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.came[int(re.search(r"<stix:Title>(\d+)", body)[1])] = now
        answer = ACCEPTED.format(re.search(r'message_id="(\d+)"', body)[1]).encode()
        self.send_response(200)
        for name, value in (("Content-Type", "application/xml"), ("Content-Length", str(len(answer))),
                            ("X-TAXII-Content-Type", "urn:taxii.mitre.org:message:xml:1.1")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)
        self.wfile.flush()

    def log_message(self, *_):
        pass


class Service:
    def __init__(self, target: Path, quick: bool):
        self.home, self.quick = target / "service", quick
        self.data = self.home / "data"
        self.data.mkdir(parents=True, exist_ok=True)
        memory = Path("/dev/shm")
        self.memory = (memory if memory.is_dir() and os.access(memory, os.W_OK) else self.home) / f"service-{os.getpid()}"
        self.server = subprocess.Popen([sys.executable, HERE / "server.py", self.data], stdout=subprocess.PIPE, text=True)
        self.port = int(self.server.stdout.readline())
        self.who = Contestants(target, self.port)

    def close(self):
        self.server.kill()
        self.server.wait()
        shutil.rmtree(self.memory, ignore_errors=True)

    def response(self, blocks: int) -> str:
        name = f"small-{blocks}.xml"
        subprocess.run([sys.executable, HERE / "responses.py", "poll", self.data / name, str(blocks)], check=True)
        return name

    def latency(self):
        """From the rename of a file into the drop directory to its POST."""
        home, inbox, files = fresh(self.memory), Inbox(), 100 if self.quick else 500
        agent = Agent(self.who.binary, home, hub(inbox.server_port) + drop(home / "drop"))
        renamed = {}
        for number in range(files):
            path = home / "drop" / f".{number}.xml"
            path.write_text(FILE.format(number))
            renamed[number] = time.monotonic()
            path.rename(home / "drop" / f"{number}.xml")
            time.sleep(random.uniform(0.01, 0.06))
        wait(lambda: len(inbox.came) == files)
        agent.end()
        took = sorted((inbox.came[number] - renamed[number]) * 1000 for number in renamed)
        say(f"a file renamed in, to its POST: median {statistics.median(took):.1f} ms, 99th percentile "
            f"{took[int(files * 0.99)]:.1f} ms, longest {took[-1]:.1f} ms")

    def starts(self):
        """Many files dropped before a start, at an inbox that is down; then starts with many fingerprints, too."""
        home, files, known = fresh(self.memory), self.size(100_000), self.size(1_000_000)
        (home / "drop").mkdir()
        for number in range(files):
            (home / "drop" / f"{number}.xml").write_text(FILE.format(number))
        tables = hub(DOWN) + drop(home / "drop") + 'settle = "0s"\n' + feed("feed", home / "out")
        began = time.monotonic()
        agent = Agent(self.who.binary, home, tables)
        wait(lambda: not any(entry.name.endswith(".xml") for entry in os.scandir(home / "drop")))
        say(f"{files:,} files dropped at once: admitted at {files / (time.monotonic() - began):,.0f} a second, "
            f"memory {agent.memory():.1f} MiB")
        agent.kill()
        learn(home, known, 1_700_000_000_000_000, 1_000_000)
        for _ in range(3):
            agent = Agent(self.who.binary, home, tables)
            say(f"READY with {known:,} fingerprints and {files:,} pending deliveries: {agent.ready:.2f} s, "
                f"memory {agent.memory():.1f} MiB")
            agent.kill()
        shutil.rmtree(home)

    def fingerprints(self):
        """The rate of a poll by what the feed knows already, in turn."""
        blocks = self.size(100_000)
        name = self.response(blocks)
        # A feed that has polled one block gives a ledger to fill.
        seed = fresh(self.memory)
        run(self.who.agent(self.response(1))(seed)[0], seed / "log")
        known = 0
        for more in (self.size(1_000_000), self.size(9_000_000)):
            known += more
            learn(seed, more, FIRST - known * 1000, 1000)
            walls = {"empty": [], "known": []}
            for each, kind in [(each, kind) for each in range(4) for kind in walls]:
                home = fresh(self.memory)
                command, _, _ = self.who.agent(name)(home)
                if kind == "known":
                    shutil.copytree(seed / "state", home / "state")
                cost = run(command, home / "log")
                if each:
                    walls[kind].append(cost.wall)
                shutil.rmtree(home)
            rate = statistics.median(walls["empty"]) / statistics.median(walls["known"])
            say(f"a feed that knows {known:,} fingerprints: {rate:.2f} of the rate of one that knows none, "
                f"memory {cost.rss:.1f} MiB")
        shutil.rmtree(seed)

    def idle(self):
        """An agent that has polled every feed once and waits."""
        name, seconds = self.response(20), 20 if self.quick else 60
        for feeds, drops in ((1, 0), (1000, 100)):
            home = fresh(self.memory)
            tables = hub(self.port, name) + "".join(feed(f"f{number}", home / "out" / str(number)) for number in range(feeds))
            tables += "".join(drop(home / "drops" / str(number), f"d{number}") for number in range(drops))
            agent = Agent(self.who.binary, home, tables)
            wait(lambda: all(one["last_success"] for one in agent.feeds().values()))
            time.sleep(3)
            before = agent.cpu()
            time.sleep(seconds)
            say(f"idle with {feeds:,} feeds and {drops} drop directories: {(agent.cpu() - before) / seconds:.3%} of a core, "
                f"memory {agent.memory('VmRSS'):.1f} MiB")
            agent.end()
            shutil.rmtree(home)

    def slow(self):
        """200 feeds due at once, at 50 servers that answer after 2 s."""
        home = fresh(self.memory)
        servers = "".join(f'[servers.s{number}]\npoll = "http://127.0.0.1:{self.port}/slow"\n' for number in range(50))
        agent = Agent(self.who.binary, home, servers + "".join(
            feed(f"f{number}", home / "out" / str(number), f"s{number % 50}") for number in range(200)))
        began, most = time.monotonic(), 0

        def served() -> bool:
            nonlocal most
            connections = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
            most = max(most, sum(fields[2].endswith(f":{self.port:04X}") and fields[3] == "01" for fields in connections))
            return all(one["last_success"] for one in agent.feeds().values())

        wait(served)
        say(f"200 feeds of 50 slow servers, due at once: all served in {time.monotonic() - began:.0f} s, {most} connections, "
            f"memory {agent.memory():.1f} MiB")
        agent.end()
        shutil.rmtree(home)

    def size(self, number: int) -> int:
        return number // 50 if self.quick else number


def hub(port: int, poll: str = "poll") -> str:
    here = f"http://127.0.0.1:{port}"
    return f'[servers.hub]\npoll = "{here}/{poll}"\ninbox = "{here}/inbox"\n[inboxes.inbox]\nserver = "hub"\n'


def drop(path: Path, name: str = "drop") -> str:
    path.mkdir(parents=True, exist_ok=True)
    return f'[drops.{name}]\npath = "{path}"\ninboxes = ["inbox"]\n'


def feed(name: str, output: Path, server: str = "hub") -> str:
    return f'[feeds.{name}]\nserver = "{server}"\ncollection = "feed"\nstart = "1h"\noutput = "{output}"\n'


def learn(home: Path, count: int, first: int, step: int):
    """Fills the ledger of the only feed with fingerprints, one every `step` microseconds, and forgets its cursor."""
    ledger = sqlite3.connect(home / "state" / "ledger.db")
    ledger.execute("PRAGMA synchronous = OFF")
    with ledger:
        ledger.execute("WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count) "
                       "INSERT INTO fingerprint SELECT feed.id, :first + i * :step, randomblob(16), :now FROM n, feed",
                       {"count": count, "first": first, "step": step, "now": int(time.time() * 1000)})
        ledger.execute("UPDATE feed SET cursor = NULL, cursor_ns = NULL, next_poll = NULL, staging = NULL")
    ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    ledger.close()


def wait(until, most: float = 300):
    over = time.monotonic() + most
    while not until():
        if time.monotonic() > over:
            raise SystemExit(f"what was waited for did not come in {most:.0f} s")
        time.sleep(0.05)


def say(line: str):
    print(line, flush=True)


def main():
    parts = ["latency", "starts", "fingerprints", "idle", "slow"]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="smaller numbers, about two minutes")
    parser.add_argument("--only", nargs="*", choices=parts)
    given = parser.parse_args()
    say(f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}")
    service = Service(given.target, given.quick)
    try:
        for part in given.only or parts:
            getattr(service, part)()
    finally:
        service.close()


main()
