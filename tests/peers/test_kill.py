"""SIGKILL in the middle of a multi-part poll, again and again: every block is handed over exactly once."""

import random
import threading
from collections import Counter

from documents import package
from peers import labels

BLOCKS = 600
KILLS = 15
SEED = 20141219


class Reader:
    """Somebody who takes every content file as soon as it appears, and remembers what it held."""

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
            if path.suffix == ".xml":
                self.taken[path.read_bytes()] += 1
                path.unlink()

    def finish(self):
        self.stop.set()
        self.thread.join()
        self.look()


def test_every_block_is_handed_over_exactly_once_whatever_is_killed(agent, wire, cabby):
    for i, label in enumerate(labels(BLOCKS)):
        cabby.push("killed", package(f"killed-{i}"), label)
    agent.configure(server={"poll": wire.url("poll-by-ten"), "collections": wire.url("collections")},
                    feed={"collection": "killed"})
    # Long enough for a kill to land inside a part, and not only between two.
    wire.delay = 0.03
    chance = random.Random(SEED)
    reader = Reader(agent.output)
    killed = 0
    try:
        while killed < KILLS:
            with agent.start("run", "--once") as process:
                wire.wait_for(len(wire.exchanges) + chance.randint(1, 4), timeout=20)
                threading.Event().wait(chance.uniform(0, 0.08))
                assert process.poll() is None, f"it ended before it was killed {KILLS} times:\n{process.stderr.read()}"
                process.kill()
                process.communicate()
            killed += 1
        assert len(reader.taken) < BLOCKS, "everything was handed over before the last kill: they were not in the middle"
        agent("run", "--once")
    finally:
        reader.finish()

    again = {content[:200]: times for content, times in reader.taken.items() if times != 1}
    assert again == {}, f"handed over more than once: {again}"
    for i in range(BLOCKS):
        assert any(f"example:Package-killed-{i}\"".encode() in content for content in reader.taken), f"block {i} was lost"
    assert len(reader.taken) == BLOCKS
    assert sorted(p.name for p in (agent.output / ".staging").glob("*.xml")) == []
