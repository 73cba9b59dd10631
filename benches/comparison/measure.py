"""Runs a command and tells what it cost: the whole process, as the kernel counts it."""

import itertools
import os
import re
import shutil
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    wall: float
    cpu: float
    rss: float  # MiB


class Peak(threading.Thread):
    """Looks at a process's peak of resident memory as long as it lives: what the kernel gives at its end (ru_maxrss) is
    not less than what its parent had when it was started."""

    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self.status, self.peak, self.over = Path(f"/proc/{pid}/status"), 0.0, threading.Event()
        self.start()

    def run(self):
        for pause in itertools.chain(itertools.repeat(0.001, 200), itertools.repeat(0.02)):
            try:
                found = re.search(r"^VmHWM:\s+(\d+)", self.status.read_text(), re.MULTILINE)
            except OSError:
                return
            if found:
                self.peak = int(found[1]) / 1024
            if self.over.wait(pause):
                return

    def end(self) -> float:
        self.over.set()
        self.join()
        return self.peak


def run(argv, log: Path) -> Cost:
    """Runs a command to its end. Its output goes to `log`, whose end is shown where the command fails."""
    with log.open("wb") as out:
        actions = [(os.POSIX_SPAWN_DUP2, out.fileno(), 1), (os.POSIX_SPAWN_DUP2, out.fileno(), 2)]
        began = time.monotonic()
        pid = os.posix_spawnp(str(argv[0]), [str(part) for part in argv], os.environ, file_actions=actions)
        peak = Peak(pid)
        _, status, usage = os.wait4(pid, 0)
        wall = time.monotonic() - began
    if code := os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(map(str, argv))}: exit status {code}\n{log.read_text(errors='replace')[-2000:]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, peak.end())


def fresh(below: Path):
    """A directory for one run, in memory where `below` is."""
    below.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=below))


def interleaved(contestants, rounds: int, home: Path, expected: int, warm: int = 1):
    """Lets contestants do the same work in turn, and gives the costs of each.

    A contestant is a function from a fresh directory to a command, the directory that is to hold files afterwards, and
    how many times `expected` they are.
    """
    costs = {name: [] for name in contestants}
    for number in range(warm + rounds):
        for name, prepare in contestants.items():
            directory = fresh(home)
            argv, output, times = prepare(directory)
            cost = run(argv, directory / "log")
            found = sum(not entry.name.startswith(".") for entry in os.scandir(output) if entry.is_file())
            if found != times * expected:
                words = (directory / "log").read_text(errors="replace")[-2000:]
                raise SystemExit(f"{name} left {found} files and not {times * expected}\n{words}")
            shutil.rmtree(directory)
            if number >= warm:
                costs[name].append(cost)
    return costs


def spread(values) -> tuple[float, float, float]:
    return min(values), statistics.median(values), max(values)


def ratios(costs, name: str, reference: str, what: str) -> tuple[float, float, float]:
    """How many times as much `name` takes as `reference`, round by round."""
    pairs = zip(costs[name], costs[reference])
    return spread([getattr(one, what) / getattr(other, what) for one, other in pairs])
