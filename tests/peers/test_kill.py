"""SIGKILL in the middle of a multi-part poll, again and again: every block is handed over exactly once."""

import random
import threading
import time
from collections import Counter

from canonical import root_id
from documents import package
from peers import labels, push_all

BLOCKS = 1000
KILLS = 15
SEED = 20141219


class Reader:
    """Somebody who takes every content file as soon as it appears, and counts the packages."""

    def __init__(self, directory):
        self.directory = directory
        self.taken = Counter()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self):
        while not self.stop.wait(0.005):
            self.look()

    def look(self):
        if not self.directory.is_dir():
            return
        for path in self.directory.iterdir():
            if path.suffix == ".xml" and not path.name.startswith("."):
                self.taken[root_id(path.read_bytes())] += 1
                path.unlink()

    def finish(self):
        self.stop.set()
        self.thread.join()
        self.look()


def test_every_block_is_handed_over_exactly_once_whatever_is_killed(agent, wire, opentaxii):
    push_all(opentaxii.address, "killed", ((label, package(f"killed-{i}")) for i, label in enumerate(labels(BLOCKS))))
    agent.configure(server={"poll": wire.url("poll-by-20"), "collections": wire.url("collections")},
                    feed={"collection": "killed"})
    chance = random.Random(SEED)
    reader = Reader(agent.output)
    killed = 0
    try:
        while killed < KILLS:
            with agent.start("run", "--once") as process:
                wire.wait_for(len(wire.exchanges) + chance.randint(1, 2), timeout=20)
                # A reply of twenty blocks is on its way: the kill lands while it is read, written or committed.
                time.sleep(chance.uniform(0, 0.05))
                assert process.poll() is None, f"it ended before it was killed {KILLS} times:\n{process.stderr.read()}"
                process.kill()
                process.communicate()
            killed += 1
        assert len(reader.taken) < BLOCKS, "everything was handed over before the last kill: they were not in the middle"
        agent("run", "--once")
    finally:
        reader.finish()

    assert reader.taken == Counter({f"example:Package-killed-{i}": 1 for i in range(BLOCKS)})
