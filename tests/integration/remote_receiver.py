"""A receiver of remote write that answers as a test tells it to, and remembers what it was sent.

It reads Snappy's block format and the two messages by itself, strictly: what a lenient reader would
pass over is a failure here."""

import http.server
import socket
import struct
import threading
import time

V1_TYPE = "application/x-protobuf"
V2_TYPE = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
STALE = 0x7FF0000000000002
WRITTEN = "X-Prometheus-Remote-Write-%s-Written"
COUNTER, GAUGE, INFO = 1, 2, 6  # Metadata.type


def unsnap(data):
    """Snappy's block format, all of it and nothing else."""
    length, at = varint(data, 0)
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        if tag & 3 == 0:
            size = tag >> 2
            if size >= 60:
                extra = size - 59
                size = int.from_bytes(data[at:at + extra], "little")
                at += extra
            size += 1
            assert at + size <= len(data), "a literal beyond the end"
            out += data[at:at + size]
            at += size
            continue
        if tag & 3 == 1:
            size, offset = (tag >> 2 & 7) + 4, (tag >> 5) << 8 | data[at]
            at += 1
        else:
            width = 2 if tag & 3 == 2 else 4
            size, offset = (tag >> 2) + 1, int.from_bytes(data[at:at + width], "little")
            at += width
        assert 0 < offset <= len(out), "a copy from before the beginning"
        for _ in range(0, size, offset):
            piece = bytes(out[len(out) - offset:])[:size]
            out += piece
            size -= len(piece)
    assert len(out) == length, "another length than announced"
    return bytes(out)


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            assert value < 1 << 64
            return value, at


def fields(data):
    """[(number, value)] of a message: int, bytes or, of eight bytes, the bits as bytes."""
    at, found = 0, []
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 1:
            value, at = data[at:at + 8], at + 8
        else:
            assert key & 7 == 2, f"wire type {key & 7}"
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
            assert len(value) == size
        assert at <= len(data)
        found.append((key >> 3, value))
    return found


def signed(value):
    return value - (1 << 64) if value >= 1 << 63 else value


class Sample:
    def __init__(self, data, has_start):
        self.bits, self.ms, self.start_ms = 0, 0, None
        for number, value in fields(data):
            if number == 1:
                self.bits = struct.unpack("<Q", value)[0]
            elif number == 2:
                self.ms = signed(value)
            else:
                assert has_start and number == 3, f"field {number} of a sample"
                self.start_ms = signed(value)
        self.value = struct.unpack("<d", struct.pack("<Q", self.bits))[0]

    @property
    def is_stale(self):
        return self.bits == STALE


class Series:
    """`pairs` are the labels in the order in which they came."""

    def __init__(self):
        self.pairs, self.samples, self.metadata = [], [], None

    @property
    def labels(self):
        return dict(self.pairs)

    @property
    def name(self):
        return self.labels["__name__"]

    @property
    def key(self):
        return tuple(self.pairs)


def read_v1(data):
    """prometheus.WriteRequest: nothing but time series of labels and samples."""
    result = []
    for number, message in fields(data):
        assert number == 1, f"field {number} of a WriteRequest"
        series = Series()
        for inner, value in fields(message):
            if inner == 1:
                pair = dict(fields(value))
                assert set(pair) <= {1, 2}
                series.pairs.append((pair.get(1, b"").decode(), pair.get(2, b"").decode()))
            else:
                assert inner == 2, f"field {inner} of a TimeSeries"
                series.samples.append(Sample(value, False))
        result.append(series)
    return result


def packed(data):
    at, found = 0, []
    while at < len(data):
        value, at = varint(data, at)
        found.append(value)
    return found


class Symbols(list):
    """The strings of a request, and which of them were referred to."""

    def __init__(self, strings):
        super().__init__(strings)
        self.used = set()

    def at(self, index):
        assert index < len(self), f"symbol {index} of {len(self)}"
        self.used.add(index)
        return self[index]


def read_v2(data):
    """io.prometheus.write.v2.Request: (symbols, series)."""
    top = fields(data)
    symbols = Symbols(value.decode() for number, value in top if number == 4)
    result = []
    for number, message in top:
        assert number in (4, 5), f"field {number} of a Request"
        if number == 4:
            continue
        series = Series()
        for inner, value in fields(message):
            if inner == 1:
                refs = packed(value)
                assert len(refs) % 2 == 0, "an odd number of references"
                series.pairs += [(symbols.at(a), symbols.at(b))
                                 for a, b in zip(refs[::2], refs[1::2])]
            elif inner == 2:
                series.samples.append(Sample(value, True))
            else:
                assert inner == 5, f"field {inner} of a TimeSeries"
                meta = dict(fields(value))
                assert set(meta) <= {1, 3, 4}
                series.metadata = (meta.get(1, 0), symbols.at(meta.get(3, 0)),
                                   symbols.at(meta.get(4, 0)))
        result.append(series)
    return symbols, result


class Request:
    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body
        self.at = time.monotonic()
        self.status = None  # that was answered
        self._read = None

    @property
    def is_v2(self):
        return "v2" in self.headers.get("Content-Type", "")

    def _message(self):
        if self._read is None:
            data = unsnap(self.body)
            self._read = read_v2(data) if self.is_v2 else (None, read_v1(data))
        return self._read

    @property
    def symbols(self):
        return self._message()[0]

    @property
    def series(self):
        return self._message()[1]

    @property
    def n_samples(self):
        return sum(len(s.samples) for s in self.series)

    @property
    def times(self):
        return {sample.ms for s in self.series for sample in s.samples}


class Answer:
    """What to say; `written` None: 2.0 is not known here; else samples, or "all"."""

    def __init__(self, status=204, written="all", headers=(), body=b""):
        self.status, self.written, self.headers, self.body = status, written, headers, body


class Receiver:
    """An endpoint for each path: `script[path]` is called with each request to it and the number
    of those before, and gives the Answer. Use in a `with`."""

    def __init__(self, **script):
        self.script = script
        self.lock = threading.Lock()
        self.requests = {}
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.answer(self, Request("POST", self.path, self.headers, body))

            def do_GET(self):
                receiver.answer(self, Request("GET", self.path, self.headers, b""))

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_):
                pass  # who was sent to may be gone

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def url(self, path):
        return f"http://127.0.0.1:{self.port}/{path}"

    def answer(self, handler, request):
        path = request.path.partition("?")[0].strip("/")
        with self.lock:
            before = len(self.requests.setdefault(path, []))
            self.requests[path].append(request)
        script = self.script.get(path)
        answer = script(request, before) if script else Answer()
        request.status = answer.status
        handler.send_response(answer.status)
        headers = dict(answer.headers)
        if request.is_v2 and answer.written is not None:
            n = request.n_samples if answer.written == "all" else answer.written
            headers.update({WRITTEN % "Samples": n, WRITTEN % "Histograms": 0,
                            WRITTEN % "Exemplars": 0})
        for name, value in headers.items():
            handler.send_header(name, str(value))
        if answer.status != 204:
            handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        if answer.status != 204:
            handler.wfile.write(answer.body)

    def seen(self, path):
        """The requests to a path so far that were answered."""
        with self.lock:
            return [r for r in self.requests.get(path, []) if r.status is not None]


class Rude:
    """A server that is none: `conversation` gets each connection in a thread of its own."""

    def __init__(self, conversation):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        self.connections = 0
        self.conversation = conversation
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def url(self, path):
        return f"http://127.0.0.1:{self.port}/{path}"

    def _serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        with connection:
            try:
                self.conversation(connection)
            except OSError:
                pass
