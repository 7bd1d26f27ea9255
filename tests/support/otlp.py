"""A receiver of OTLP logs over HTTP, as strict as the protocol's own definitions are."""

import gzip
import http.server
import threading

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


class OtlpReceiver(http.server.ThreadingHTTPServer):
    """Keeps every request as `(headers, message)`. `script` holds the answers of the next ones; then all are taken."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = []
        self.requests = []
        self.refused = []
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def records(self):
        """The records of all requests that were taken, with their resource."""
        with self.lock:
            messages = [message for _, message, taken in self.requests if taken]
        return [
            (resource.resource, record)
            for message in messages for resource in message.resource_logs
            for scope in resource.scope_logs for record in scope.log_records
        ]

    def close(self):
        self.shutdown()
        self.server_close()


def attributes(holder):
    """The attributes as a dictionary; a key that stands there twice is a mistake."""
    found = {one.key: value(one.value) for one in holder.attributes}
    assert len(found) == len(holder.attributes), "a key has two values"
    return found


def value(any_value):
    kind = any_value.WhichOneof("value")
    if kind == "array_value":
        return [value(one) for one in any_value.array_value.values]
    return getattr(any_value, kind) if kind else None


def headers_of(message):
    return {name.lower(): one for name, one in message.items()}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        message, mistake = self._read(body)
        if mistake:
            with self.server.lock:
                self.server.refused.append(mistake)
            return self._answer(400, PROTOBUF, b"", {})
        with self.server.lock:
            status, partial, headers = self.server.script.pop(0) if self.server.script else (200, None, {})
            self.server.requests.append((headers_of(self.headers), message, status == 200 and not partial))
        if status is None:
            self.close_connection = True
            return None
        answer = ExportLogsServiceResponse()
        if partial:
            answer.partial_success.rejected_log_records, answer.partial_success.error_message = partial
        kind = self.headers["Content-Type"]
        text = answer.SerializeToString() if kind == PROTOBUF else json_format.MessageToJson(answer).encode()
        return self._answer(status, kind, text if status == 200 else b"", headers)

    def _read(self, body):
        if self.path != "/v1/logs":
            return None, f"path {self.path}"
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        message = ExportLogsServiceRequest()
        try:
            if self.headers["Content-Type"] == PROTOBUF:
                message.ParseFromString(body)
            elif self.headers["Content-Type"] == JSON:
                json_format.Parse(body, message)
            else:
                return None, f"content type {self.headers['Content-Type']}"
        except (DecodeError, json_format.ParseError, UnicodeDecodeError) as error:
            return None, str(error)
        return message, None

    def _answer(self, status, kind, text, headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        for name, one in headers.items():
            self.send_header(name, one)
        self.end_headers()
        self.wfile.write(text)
