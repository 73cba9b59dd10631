"""A TAXII 1.1 server that answers at the speed of the machine: `server.py RESPONSES` prints its port and serves.

`POST /poll/NAME` gives the file of that name as a Poll_Response, `POST /inbox` takes anything. Standard library only: it
runs as a process of its own, so that its time is not the clients'.
"""

import os
import re
import socket
import sys
import threading
import time
from pathlib import Path

TAXII = "http://taxii.mitre.org/messages/taxii_xml_binding-1.1"
HEADERS = (b"Content-Type: application/xml\r\nX-TAXII-Content-Type: urn:taxii.mitre.org:message:xml:1.1\r\n"
           b"X-TAXII-Protocol: urn:taxii.mitre.org:protocol:http:1.0\r\n"
           b"X-TAXII-Services: urn:taxii.mitre.org:services:1.1\r\n")
MESSAGE_ID = re.compile(rb'message_id\s*=\s*["\']([^"\']*)')
ANSWERED = re.compile(rb'in_response_to="[^"]*"')
HEAD = 4096


class Connection:
    def __init__(self, sock: socket.socket, root: Path):
        self.sock, self.root = sock, root
        self.buffer = b""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def serve(self):
        try:
            while self.exchange():
                pass
        except (ConnectionError, ValueError):
            pass
        finally:
            self.sock.close()

    def more(self) -> bytes:
        received = self.sock.recv(1 << 20)
        if not received:
            raise ConnectionError
        return received

    def until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            self.buffer += self.more()
        head, self.buffer = self.buffer.split(mark, 1)
        return head

    def take(self, length: int) -> bytes:
        """Reads so many bytes and gives the first of them."""
        first = self.buffer[:min(length, HEAD)]
        length, self.buffer = length - len(self.buffer[:length]), self.buffer[length:]
        while length:
            received = self.sock.recv(min(length, 1 << 20))
            if not received:
                raise ConnectionError
            if len(first) < HEAD:
                first += received[:HEAD]
            length -= len(received)
        return first

    def body(self, headers: dict) -> bytes:
        if b"expect" in headers:
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get(b"transfer-encoding", b"").lower() != b"chunked":
            return self.take(int(headers.get(b"content-length", b"0")))
        first = b""
        while length := int(self.until(b"\r\n").split(b";")[0], 16):
            first += self.take(length)[:HEAD - len(first)]
            self.take(2)
        self.until(b"\r\n")
        return first

    def exchange(self) -> bool:
        if not self.buffer:
            self.buffer = self.sock.recv(1 << 16)
            if not self.buffer:
                return False
        line, *lines = self.until(b"\r\n\r\n").split(b"\r\n")
        headers = {name.strip().lower(): value.strip() for name, value in (line.split(b":", 1) for line in lines)}
        found = MESSAGE_ID.search(self.body(headers))
        asked = found[1] if found else b"0"
        path = line.split(b" ")[1].decode()
        keep = headers.get(b"connection", b"").lower() != b"close"
        if path.startswith("/inbox"):
            self.answer(b'<Status_Message xmlns="%s" message_id="1" in_response_to="%s" status_type="SUCCESS"/>'
                        % (TAXII.encode(), asked), keep)
        elif path.startswith("/slow"):
            time.sleep(2)
            self.answer(b'<Poll_Response xmlns="%s" message_id="1" in_response_to="%s" collection_name="feed"/>'
                        % (TAXII.encode(), asked), keep)
        else:
            self.send_file(self.root / os.path.basename(path), asked, keep)
        return keep

    def answer(self, body: bytes, keep: bool, length: int = 0):
        close = b"" if keep else b"Connection: close\r\n"
        self.sock.sendall(b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n%s\r\n%s"
                          % (HEADERS, length or len(body), close, body))

    def send_file(self, path: Path, asked: bytes, keep: bool):
        with path.open("rb") as file:
            start = file.read(HEAD)
            place = ANSWERED.search(start)
            head = start[:place.start()] + b'in_response_to="%s"' % asked
            at, end = place.end(), os.fstat(file.fileno()).st_size
            self.answer(head, keep, len(head) + end - at)
            while at < end:
                at += os.sendfile(self.sock.fileno(), file.fileno(), at, min(end - at, 1 << 30))


def main():
    root = Path(sys.argv[1])
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    print(listener.getsockname()[1], flush=True)
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=Connection(sock, root).serve, daemon=True).start()


main()
