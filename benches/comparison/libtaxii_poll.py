"""A poll as libtaxii's documentation shows it: libtaxii_poll.py PORT PATH DIRECTORY."""

import os
import sys

import libtaxii
from libtaxii import clients, messages_11
from libtaxii.constants import VID_TAXII_XML_11

port, path, directory = sys.argv[1:]
client = clients.HttpClient()
client.set_use_https(False)
request = messages_11.PollRequest(message_id=messages_11.generate_message_id(), collection_name="feed",
                                  poll_parameters=messages_11.PollParameters())
reply = client.call_taxii_service2("127.0.0.1", path, VID_TAXII_XML_11, request.to_xml(), port=int(port))
message = libtaxii.get_message_from_http_response(reply, request.message_id)
os.makedirs(directory, exist_ok=True)
for number, block in enumerate(message.content_blocks):
    content = block.content if isinstance(block.content, bytes) else block.content.encode()
    with open(os.path.join(directory, f"feed_{number:09}.xml"), "wb") as file:
        file.write(content)
