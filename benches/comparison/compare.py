"""Measures, prints the table, draws the plots. `benches/compare` runs it."""

import argparse
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import plot
from agent import HERE, Contestants
from measure import fresh, interleaved, ratios, run, spread

class Comparison:
    def __init__(self, target: Path, quick: bool, rounds: int, blocks: int):
        self.home, self.rounds, self.blocks, self.quick = target / "compare", rounds, blocks, quick
        self.data = self.home / "data"
        self.data.mkdir(parents=True, exist_ok=True)
        memory = Path("/dev/shm")
        self.memory = (memory if memory.is_dir() and os.access(memory, os.W_OK) else self.home) / f"compare-{os.getpid()}"
        self.disk = self.home / "runs"
        self.server = subprocess.Popen([sys.executable, HERE / "server.py", self.data], stdout=subprocess.PIPE, text=True)
        self.who = Contestants(target, int(self.server.stdout.readline()))
        self.rows, self.memories, self.walls = [], [], {}

    def close(self):
        self.server.kill()
        self.server.wait()
        for directory in (self.memory, self.disk):
            shutil.rmtree(directory, ignore_errors=True)

    def make(self, kind: str, name: str, *numbers: int) -> str:
        """Generated once; data of another size has another name."""
        subprocess.run([sys.executable, HERE / "responses.py", kind, self.data / name, *map(str, numbers)], check=True)
        return name

    def row(self, work: str, costs, agent: str = "taxii-sync"):
        """Prints who took how long, and how many times as long as the agent."""
        print(f"\n{work}")
        for name, each in costs.items():
            wall, cpu = spread([cost.wall for cost in each]), spread([cost.cpu for cost in each])
            line = (f"  {name:16} wall {show(wall)} s   cpu {show(cpu)} s   "
                    f"memory {max(cost.rss for cost in each):7.1f} MiB")
            if name != agent:
                line += (f"   x wall {show(ratios(costs, name, agent, 'wall'), 1)}"
                         f"   x cpu {show(ratios(costs, name, agent, 'cpu'), 1)}")
                self.rows.append((work, name, ratios(costs, name, agent, "wall"), ratios(costs, name, agent, "cpu")))
            print(line, flush=True)
        return costs

    def poll_small(self):
        name = self.make("poll", f"small-{self.blocks}.xml", self.blocks)
        who, work = self.who, f"poll, {self.blocks:,} blocks of 2.7 KB"
        costs = interleaved({
            "taxii-sync": who.agent(name), "with metadata": who.agent(name, metadata=True), "floor": who.floor(name),
            "libtaxii": who.libtaxii(name), "cabby": who.cabby(name),
        }, self.rounds, self.memory, self.blocks)
        self.row(f"{work}, in memory", costs)
        self.walls = {name: spread([cost.wall for cost in each])[1] for name, each in costs.items()}
        print(f"  cabby to taxii-sync with metadata files: x wall {show(ratios(costs, 'cabby', 'with metadata', 'wall'), 1)}")
        costs = interleaved({"taxii-sync": who.agent(name), "floor": who.floor(name)}, self.rounds, self.disk, self.blocks)
        self.row(f"{work}, on the disk of {self.home}, durable", costs)

    def poll_large(self):
        count = 20 if self.quick else 100
        name = self.make("poll", f"large-{count}.xml", count, 5_000_000, 2)
        costs = interleaved({"taxii-sync": self.who.agent(name), "floor": self.who.floor(name)},
                            self.rounds, self.memory, count)
        self.row(f"poll, {count} blocks of 5 MB, in memory", costs)

    def push(self):
        self.make("files", "files-1000", 1000)
        source, who = self.data / "files-1000", self.who
        costs = interleaved({"taxii-sync": who.agent_push(source, 32), "cabby": who.cabby_push(source)}, self.rounds, self.memory, 1000)
        self.row("push, 1,000 files of 2.5 KB, 32 connections, in memory", costs)

    def memory_by_size(self):
        sizes = [1, 4, 16, 64] if self.quick else [1, 4, 16, 64, 256, 1024, 2048]
        print("\nmemory of one poll by the size of the response")
        for megabytes in sizes:
            blocks = megabytes * 10**6 // 2715
            self.one_poll(f"{megabytes} MB in {blocks:,} blocks", self.make("poll", f"size-{megabytes}.xml", blocks),
                          megabytes, "small blocks")
        for megabytes in [16, 64] if self.quick else [16, 64, 150]:
            self.one_poll(f"{megabytes} MB in one text", self.make("text", f"text-{megabytes}.xml", megabytes * 10**6),
                          megabytes, "one text")
        size = 64 if self.quick else 1000
        (self.data / f"one-{size}").mkdir(exist_ok=True)
        self.make("file", f"one-{size}/file.xml", size * 10**6)
        cost = self.alone(self.who.agent_push(self.data / f"one-{size}", 1, "4GiB"))
        print(f"  push of one file of {size} MB: {cost.rss:.1f} MiB", flush=True)

    def one_poll(self, what: str, name: str, megabytes: int, line: str):
        cost = self.alone(self.who.agent(name))
        self.memories.append((line, megabytes, cost.rss))
        print(f"  {what}: {cost.rss:.1f} MiB, {megabytes / cost.wall:.0f} MB/s", flush=True)

    def alone(self, prepare):
        home = fresh(self.memory)
        cost = run(prepare(home)[0], home / "log")
        shutil.rmtree(home)
        return cost


def show(values, digits: int = 2) -> str:
    return " / ".join(f"{value:.{digits}f}" for value in values)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="smaller numbers, some minutes")
    parser.add_argument("--rounds", type=int, help="how often each does the work (5; 3 with --quick)")
    parser.add_argument("--blocks", type=int, help="blocks of the small polls (100,000; 4,000 with --quick)")
    parser.add_argument("--only", nargs="*", choices=["small", "large", "push", "memory"])
    given = parser.parse_args()
    rounds = given.rounds or (3 if given.quick else 5)
    blocks = given.blocks or (4_000 if given.quick else 100_000)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}; "
          f"{rounds} rounds, each number is minimum / median / maximum")
    comparison = Comparison(given.target, given.quick, rounds, blocks)
    parts = {"small": comparison.poll_small, "large": comparison.poll_large, "push": comparison.push,
             "memory": comparison.memory_by_size}
    try:
        for name in given.only or parts:
            parts[name]()
    finally:
        comparison.close()
    plots = comparison.home if given.quick else Path("docs")
    if comparison.walls:
        plot.throughput(plots / "performance.svg", blocks, comparison.walls)
    if comparison.memories:
        plot.memory(plots / "memory.svg", comparison.memories)
    print(f"\nplots: {plots}/")


main()
