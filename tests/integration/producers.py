"""Clients of the relay's sockets that can also do what a well-behaved client would not."""

import json
import select
import socket


class ClosedByPeer(Exception):
    """The other side closed the connection before what was waited for came."""


def connect(address, patience):
    """`address`: the path of a Unix socket, or (host, port)."""
    if isinstance(address, tuple):
        return socket.create_connection(address, patience)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(patience)
        connection.connect(str(address))
    except BaseException:
        connection.close()
        raise
    return connection


class Stream:
    """A connection with a buffer. Every read is bounded by the patience."""

    # What each address has answered to this process, for who wants to look for secrets in it.
    received = {}

    def __init__(self, address, patience=15):
        self.transcript = self.received.setdefault(str(address), [])
        self.socket = connect(address, patience)
        self.buffer = b""

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def finish_sending(self):
        self.socket.shutdown(socket.SHUT_WR)

    def more(self):
        data = self.socket.recv(65536)
        if not data:
            raise ClosedByPeer(f"after {self.buffer!r}")
        self.transcript.append(data)
        self.buffer += data

    def until(self, mark):
        while mark not in self.buffer:
            self.more()
        result, self.buffer = self.buffer.split(mark, 1)
        return result

    def exactly(self, count):
        while len(self.buffer) < count:
            self.more()
        result, self.buffer = self.buffer[:count], self.buffer[count:]
        return result

    def rest(self):
        """Everything up to the end of the stream."""
        try:
            while True:
                self.more()
        except (ClosedByPeer, ConnectionResetError):
            result, self.buffer = self.buffer, b""
            return result


class Producer(Stream):
    """NDJSON: one event a line, one answer a line."""

    def answer(self):
        return json.loads(self.until(b"\n"))

    def submit(self, event):
        """Sends one event (a dict, or a line as it is) and returns its answer."""
        self.send(event if isinstance(event, (str, bytes)) else json.dumps(event) + "\n")
        return self.answer()

    def submit_all(self, events):
        """Sends all at once and returns the answers."""
        lines = [json.dumps(event) + "\n" for event in events]
        data = memoryview("".join(lines).encode())
        answers = []
        while len(answers) < len(lines):
            # Reads while there is something to read, so that neither side waits for the other.
            ready, writable, _ = select.select([self.socket], [self.socket] if data else [], [],
                                               self.socket.gettimeout())
            if not ready and not writable:
                raise TimeoutError(f"{len(answers)} of {len(lines)} answers came")
            if writable:
                data = data[self.socket.send(data[:4096]):]
            if ready:
                self.more()
                *complete, self.buffer = self.buffer.split(b"\n")
                answers += [json.loads(text) for text in complete]
        return answers


class Answer:
    """A response. `fields` has lower case names."""

    def __init__(self, status, fields, body):
        self.status = status
        self.fields = fields
        self.body = body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.fields} {self.body!r}"


class ApiConnection(Stream):
    """HTTP/1.1."""

    def request(self, method, path, body=None, fields=None):
        self.send_request(method, path, body, fields)
        return self.response()

    def send_request(self, method, path, body=None, fields=None):
        data = body.encode() if isinstance(body, str) else body
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in (fields or {}).items()]
        if data is not None and "Content-Length" not in (fields or {}):
            lines.append(f"Content-Length: {len(data)}")
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode() + (data or b""))

    def post(self, event, path="/messages", content_type="application/json"):
        body = event if isinstance(event, (str, bytes)) else json.dumps(event)
        return self.request("POST", path, body, {"Content-Type": content_type})

    def response(self):
        head = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        status = int(head[0].split(" ")[1])
        fields = {}
        for text in head[1:]:
            name, value = text.split(":", 1)
            fields[name.strip().lower()] = value.strip()
        if status == 204 or status < 200:
            body = b""
        elif fields.get("transfer-encoding", "").lower() == "chunked":
            body = self.chunked_body()
        else:
            body = self.exactly(int(fields.get("content-length", "0")))
        return Answer(status, fields, body)

    def chunked_body(self):
        body = b""
        while size := int(self.until(b"\r\n").split(b";")[0], 16):
            body += self.exactly(size)
            self.until(b"\r\n")
        self.until(b"\r\n")
        return body
