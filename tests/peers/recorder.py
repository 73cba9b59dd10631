"""A proxy in front of OpenTAXII that keeps every exchange, so that tests can look at what really went over the wire."""

import http.client
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "host", "content-length", "server", "date"}


@dataclass(frozen=True)
class Exchange:
    path: str
    request_headers: list
    request: bytes
    status: int
    response: bytes

    def header(self, name):
        """The value of a request header, or None; it fails where a header was sent twice."""
        values = [v for k, v in self.request_headers if k.lower() == name.lower()]
        assert len(values) < 2, f"{name} was sent {len(values)} times"
        return values[0] if values else None


class Recorder:
    """Listens on a free loopback port at once; forwards to `upstream` (host:port) after `start`."""

    def __init__(self):
        self.upstream = None
        self.exchanges = []
        self.arrived = threading.Condition()
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                recorder._forward(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = "127.0.0.1:%d" % self.server.server_port

    def start(self, upstream):
        self.upstream = upstream
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def url(self, path):
        return f"http://{self.address}/services/{path}"

    def wait_for(self, count, timeout):
        """True once `count` exchanges were recorded in all."""
        with self.arrived:
            return self.arrived.wait_for(lambda: len(self.exchanges) >= count, timeout)

    def _forward(self, handler):
        length = handler.headers.get("Content-Length")
        if length is None:
            handler.send_error(411, "taxii-sync always says how long a request is")
            return
        body = handler.rfile.read(int(length))
        headers = list(handler.headers.items())
        upstream = http.client.HTTPConnection(self.upstream, timeout=120)
        try:
            kept = {k: v for k, v in headers if k.lower() not in HOP_BY_HOP}
            upstream.request("POST", handler.path, body, kept)
            reply = upstream.getresponse()
            content = reply.read()
        finally:
            upstream.close()
        with self.arrived:
            self.exchanges.append(Exchange(handler.path, headers, body, reply.status, content))
            self.arrived.notify_all()
        self._answer(handler, reply, content)

    @staticmethod
    def _answer(handler, reply, content):
        try:
            handler.send_response(reply.status, reply.reason)  # with this machine's Date, as the server's would be
            for name, value in reply.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content)
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True  # the client was killed: that is what some tests do
