"""The other side of an exchange, through cabby: what somebody else pushes, and what somebody else polls."""

from datetime import datetime, timedelta, timezone

from cabby import create_client

STIX_1_1_1 = "urn:stix.mitre.org:xml:1.1.1"


class Cabby:
    """cabby's client, straight at OpenTAXII (`address` is host:port), past the recorder."""

    def __init__(self, address, version="1.1"):
        host, port = address.split(":")
        self.base = f"http://{address}/services/"
        self.client = create_client(host, port=int(port), version=version)

    def authenticate(self, account):
        name, password = account
        self.client.set_auth(username=name, password=password)

    def push(self, collection, content, label=None, binding=STIX_1_1_1, inbox="inbox"):
        """Pushes one block; an answer that is not SUCCESS raises."""
        self.client.push(content, binding, collection_names=[collection], timestamp=label, uri=self.base + inbox)

    def poll(self, collection, poll="poll"):
        """Every block of the collection, all parts."""
        return list(self.client.poll(collection, uri=self.base + poll))


def labels(count):
    """`count` different Timestamp Labels, oldest first, of an hour ago: no poll has to wait for them."""
    first = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(hours=1)
    return [first + timedelta(milliseconds=250 * i, microseconds=i) for i in range(count)]
