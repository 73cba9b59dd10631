"""taxii-sync as its users have it: a binary, a configuration file, directories, exit codes."""

import json
import os
import subprocess
import time
from pathlib import Path


class Agent:
    """One installation below `home`: configuration, state, output and drop directories."""

    def __init__(self, home: Path):
        self.home = home
        self.binary = os.environ["TAXII_SYNC_BIN"]
        self.output = home / "output"
        self.drop = home / "drop"
        self.drop.mkdir(parents=True)
        self.left = 0

    def configure(self, *, server, feed=None, inbox=None, drop=""):
        """Writes the configuration: the lines of `[servers.hub]` and of the tables that are wanted."""
        text = f'state_dir = "{self.home}/state"\n\n[servers.hub]\n{_lines(server)}'
        if feed is not None:
            # A request bound of one window, ending now: OpenTAXII's clock is this machine's.
            more = {"server": "hub", "start": "2d", "window": "3d", "lag": "0s", "every": "1h", "output": str(self.output)}
            text += f"\n[feeds.feed]\n{_lines(more | feed)}"
        if inbox is not None:
            text += f"\n[inboxes.inbox]\n{_lines({'server': 'hub'} | inbox)}"
            text += f'\n[drops.drop]\npath = "{self.drop}"\ninboxes = ["inbox"]\nsettle = "100ms"\n{drop}'
        (self.home / "config.toml").write_text(text)

    def start(self, *arguments):
        environment = {"PATH": os.environ["PATH"], "TAXII_SYNC_CONFIG": str(self.home / "config.toml")}
        return subprocess.Popen([self.binary, *map(str, arguments)], env=environment, cwd=self.home, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def __call__(self, *arguments, exits=0, timeout=180):
        """Runs one command; fails unless it ends with the exit code `exits`. Gives its standard output and error."""
        with self.start(*arguments) as process:
            try:
                out, err = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                raise AssertionError(f"{arguments} still runs after {timeout} s:\n{process.communicate()[1]}")
        assert process.returncode == exits, f"{arguments} gave {process.returncode}, not {exits}:\n{out}\n{err}"
        return out, err

    def status(self):
        return json.loads(self("status", "--json")[0])

    def leave(self, name, document: bytes):
        """Leaves a file in the drop directory that nobody touched for a minute: it is settled."""
        path = self.drop / name
        path.write_bytes(document)
        self.left += 1
        then = time.time() - 60 + 0.001 * self.left  # a later file is younger
        os.utime(path, (then, then))

    def handed_over(self):
        """The content files in the output directory."""
        return sorted(p for p in self.output.iterdir() if p.is_file() and not p.name.endswith(".meta.json"))

    def metadata(self, content_file):
        return json.loads(Path(f"{content_file}.meta.json").read_text())

    def receipt(self, state, name):
        return json.loads((self.drop / state / f"{name}.receipt.json").read_text())


def _lines(table):
    return "".join(f"{key} = {_value(value)}\n" for key, value in table.items())


def _value(value):
    # JSON writes strings, numbers, booleans and arrays as TOML does; only its objects differ.
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_value(v)}" for k, v in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
