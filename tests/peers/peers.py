"""The other side of an exchange, through cabby and libtaxii: what somebody else pushes, and what somebody else polls."""

from datetime import datetime, timedelta, timezone

import libtaxii.messages_11 as tm11
from cabby import create_client
from libtaxii import get_message_from_http_response
from libtaxii.clients import HttpClient
from libtaxii.constants import VID_TAXII_XML_11

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


def push_all(address, collection, blocks):
    """Pushes many blocks, (label, content), in one message: with libtaxii, for cabby sends them one by one."""
    host, port = address.split(":")
    message = tm11.InboxMessage("1", destination_collection_names=[collection], content_blocks=[
        tm11.ContentBlock(STIX_1_1_1, content, timestamp_label=label) for label, content in blocks])
    reply = HttpClient().call_taxii_service2(host, "/services/inbox", VID_TAXII_XML_11, message.to_xml(), int(port))
    answer = get_message_from_http_response(reply, message.message_id)
    assert answer.status_type == "SUCCESS", answer.to_text()


def labels(count):
    """`count` different Timestamp Labels, oldest first, of an hour ago: no poll has to wait for them."""
    first = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(hours=1)
    return [first + timedelta(milliseconds=250 * i, microseconds=i) for i in range(count)]
