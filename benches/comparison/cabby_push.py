"""Pushes every file of a directory with cabby, one message each, all in one process: cabby_push.py URL DIRECTORY."""

import sys
from pathlib import Path

from cabby import create_client

url, directory = sys.argv[1:]
client = create_client()
for path in sorted(Path(directory).iterdir()):
    client.push(path.read_text(), "urn:stix.mitre.org:xml:1.1.1", uri=url)
