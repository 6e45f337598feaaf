"""What is sent: the payloads of `shared/benches/data`, each request unlike the one before, by protocol."""
import http.client
import json
import pathlib
import socket
import struct
import time

DATA = pathlib.Path(__file__).resolve().parents[2] / "shared/benches/data"


def fields(message: bytes, start: int, end: int):
    """The fields of a protobuf message: number, and where the value begins and ends."""
    def varint(at: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            byte = message[at]
            value |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if byte < 128:
                return value, at

    while start < end:
        key, start = varint(start)
        if key & 7 == 2:
            length, start = varint(start)
        elif key & 7 == 1:
            length = 8
        elif key & 7 == 5:
            length = 4
        else:
            length = varint(start)[1] - start
        yield key >> 3, start, start + length
        start += length


def places(message: bytes, *path: set[int]) -> list[tuple[int, int]]:
    """Where the fields lie whose numbers, from the outermost in, are in `path`."""
    found = [(0, len(message))]
    for numbers in path:
        found = [(start, end) for outer in found for number, start, end in fields(message, *outer) if number in numbers]
    return found


class Payload:
    """One of the payloads, made unlike itself from request to request."""

    def __init__(self, path: str, file: str, changing: tuple[set[int], ...], items: int):
        self.path, self.body, self.items = path, bytearray((DATA / file).read_bytes()), items
        self.places = [end - 8 for _, end in places(bytes(self.body), *changing)]
        self.number = 0

    def next(self) -> bytes:
        self.number += 1
        for place in self.places:
            struct.pack_into("<Q", self.body, place, self.value())
        return bytes(self.body)


class Traces(Payload):
    """20 spans. Trace and span ids have a running number in the last 8 bytes."""

    def __init__(self):
        super().__init__("/v1/traces", "traces-20-spans.pb", ({1}, {2}, {2}, {1, 2}), 20)
        self.running = 0

    def value(self) -> int:
        self.running += 1
        return self.running


class Metrics(Payload):
    """400 samples. Times of points are one step later each request."""

    def __init__(self):
        super().__init__("/v1/metrics", "metrics-400-samples.pb", ({1}, {2}, {2}, {5, 7, 9}, {1}, {3}), 400)
        self.start = time.time_ns() - 600 * 10**9

    def value(self) -> int:
        return self.start + self.number * 10**7


class Refused(Exception):
    """A collector doesn't take that input."""


class Http:
    """OTLP over HTTP: one connection, one request in flight."""

    def __init__(self, port: int, payload: Payload):
        self.connection, self.payload, self.items = http.client.HTTPConnection("127.0.0.1", port), payload, payload.items

    def send(self):
        self.connection.request("POST", self.payload.path, self.payload.next(), {"content-type": "application/x-protobuf"})
        answer = self.connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise Refused(f"{self.payload.path}: status {answer.status}")


class Grpc:
    """OTLP over gRPC: one connection, one call in flight. Needs the package grpcio."""

    SERVICES = {"/v1/traces": "trace.v1.TraceService", "/v1/metrics": "metrics.v1.MetricsService"}

    def __init__(self, port: int, payload: Payload):
        import grpc

        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        method = f"/opentelemetry.proto.collector.{self.SERVICES[payload.path]}/Export"
        self.call = self.channel.unary_unary(method, request_serializer=bytes, response_deserializer=bytes)
        self.payload, self.items = payload, payload.items

    def send(self):
        self.call(self.payload.next(), timeout=10)


class Datagrams:
    """Datagrams at a steady rate, in bursts of 50: a receiver that falls behind loses some, which is its own fault."""

    BURST = 50

    def __init__(self, port: int, rate: float):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))
        self.number, self.pause, self.due = 0, self.BURST / rate, time.perf_counter()

    def send(self):
        self.due = max(self.due + self.pause, time.perf_counter() - self.pause)
        time.sleep(max(0.0, self.due - time.perf_counter()))
        for _ in range(self.BURST):
            self.number += 1
            try:
                self.socket.send(self.datagram())
            except ConnectionRefusedError:
                raise SystemExit("nothing receives datagrams there")


class Xray(Datagrams):
    """Segments as an X-Ray SDK sends them."""

    items = Datagrams.BURST

    def datagram(self) -> bytes:
        segment = {
            "name": "checkout", "id": f"{self.number:016x}", "trace_id": f"1-6512bd43-{self.number:024x}",
            "start_time": 1700000000.1, "end_time": 1700000000.35,
            "http": {"request": {"method": "POST", "url": "https://shop.example.com/pay", "client_ip": "203.0.113.9"},
                     "response": {"status": 200, "content_length": 512}},
            "aws": {"xray": {"sdk": "X-Ray for Python", "sdk_version": "2.15.0"}},
            "annotations": {"customer": "c-1", "items": 3},
        }
        return b'{"format":"json","version":1}\n' + json.dumps(segment).encode()


class Statsd(Datagrams):
    """Lines of 200 series: counters, gauges and timers in turn, `lines` of them a packet."""

    def __init__(self, port: int, rate: float, lines: int):
        super().__init__(port, rate / lines)
        self.items, self.packets = self.BURST * lines, []
        all_lines = [
            f"shop.{kind}_{series % 50}:{series % 9 + 1}|{('c', 'g', 'ms')[series % 3]}|#route:r{series},env:prod"
            for series in range(200) for kind in ("orders",)
        ]
        for start in range(200):
            self.packets.append("\n".join((all_lines + all_lines)[start : start + lines]).encode())

    def datagram(self) -> bytes:
        return self.packets[self.number % len(self.packets)]
