"""A receiver of syslog that takes nothing but RFC 5424 messages with counted octets."""

import re
import socket
import socketserver
import ssl
import threading

# Header of RFC 5424, 6: everything but the message itself.
MESSAGE = re.compile(
    rb"<(?P<pri>\d{1,3})>1 (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z) (?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) "
    rb"(?P<proc>[!-~]{1,128}) (?P<id>[!-~]{1,32}) (?P<data>-|(?:\[[^ =\]\"]{1,32}(?: [^ =\]\"]{1,32}=\"(?:[^\"\\\]]|\\[\"\\\]])*\")*\])+) "
    rb"\xef\xbb\xbf(?P<text>.*)", re.DOTALL,
)
PARAMETER = re.compile(r" ([^ =\]\"]{1,32})=\"((?:[^\"\\\]]|\\[\"\\\]])*)\"")


def parse(frame, longest):
    """The message's parts, with the structured data as a dictionary; a ValueError names what is wrong."""
    if len(frame) > longest:
        raise ValueError(f"{len(frame)} bytes are too long")
    found = MESSAGE.fullmatch(frame)
    if not found:
        raise ValueError(f"no message: {frame[:200]!r}")
    parts = {name: text.decode() for name, text in found.groupdict().items()}
    parts["data"] = {name: re.sub(r"\\([\"\\\]])", r"\1", text) for name, text in PARAMETER.findall(parts["data"])}
    return parts


class SyslogReceiver(socketserver.ThreadingTCPServer):
    """Keeps the messages of every connection that was read to its end. `reset` connections are broken after a few bytes."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, certificates=None, longest=8000, closes=True):
        super().__init__(("127.0.0.1", 0), _Connection)
        self.context = None
        if certificates:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificates.chain, certificates.key)
        self.longest, self.closes, self.reset = longest, closes, 0
        self.messages, self.refused, self.connections = [], [], 0
        self.lock = threading.Lock()
        self.ended = threading.Event()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]

    def ids(self):
        with self.lock:
            return [message["data"]["id"] for message in self.messages]

    def handle_error(self, request, client_address):
        pass

    def close(self):
        self.ended.set()
        self.shutdown()
        self.server_close()


class _Connection(socketserver.BaseRequestHandler):
    def handle(self):
        receiver = self.server
        with receiver.lock:
            receiver.connections += 1
            resets = receiver.reset > 0
            receiver.reset -= resets
        stream = receiver.context.wrap_socket(self.request, server_side=True) if receiver.context else self.request
        if resets:
            stream.recv(10)
            # Closing with a linger of nothing sends a reset.
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.request.close()
            return
        taken = b""
        try:
            while chunk := stream.recv(65536):
                taken += chunk
        except ssl.SSLEOFError:
            pass
        self._keep(taken)
        if not receiver.closes:
            receiver.ended.wait(60)

    def _keep(self, taken):
        while taken:
            length, _, rest = taken.partition(b" ")
            try:
                frame, taken = rest[:int(length)], rest[int(length):]
                message = parse(frame, self.server.longest)
            except ValueError as error:
                with self.server.lock:
                    self.server.refused.append(str(error))
                return
            with self.server.lock:
                self.server.messages.append(message)
