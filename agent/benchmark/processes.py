"""What is measured: processes, by what the operating system says of them."""
import contextlib
import hashlib
import hmac
import http.client
import http.server
import json
import os
import pathlib
import secrets
import shlex
import socket
import struct
import subprocess
import threading
import time

KEY = secrets.token_hex(32)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def metadata_endpoint(folder: pathlib.Path) -> str:
    """A task metadata endpoint that answers with `task.json` and `stats-0.json` of `folder`."""
    answers = {"/task": (folder / "task.json").read_bytes(), "/task/stats": (folder / "stats-0.json").read_bytes()}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = answers.get(self.path.removeprefix("/v4/measured"))
            self.send_response(200 if body else 404)
            self.send_header("content-length", str(len(body or b"")))
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(body or b"")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}/v4/measured"


PROTOCOLS = {"http": "tcp", "grpc": "tcp", "xray": "udp", "statsd": "udp"}


class Measured:
    """A process. `ports` by protocol: those of `PROTOCOLS` that it has, one of them by TCP at least."""

    def __init__(self, name: str, command: list[str], ports: dict[str, int], environment: dict[str, str] | None = None):
        self.name, self.ports, self.start = name, ports, time.perf_counter()
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)

    def memory_kb(self) -> dict[str, int]:
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        return {name: int(fields[name].split()[0]) for name in ("VmRSS", "VmHWM", "RssAnon", "RssFile")}

    def cpu_seconds(self) -> float:
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def connected_ms(self) -> float:
        """Milliseconds from its start until it takes connections."""
        port = next(port for protocol, port in self.ports.items() if PROTOCOLS.get(protocol) == "tcp")
        while time.perf_counter() - self.start < 30:
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port)).close()
                return (time.perf_counter() - self.start) * 1000
        raise SystemExit(f"{self.name} does not listen on {port}")

    def drain(self):
        """A collector exports by itself."""

    def stop(self):
        self.process.kill()
        self.process.wait()


class Peer(Measured):
    """Any other collector: `NAME http=PORT,grpc=PORT,… COMMAND`."""

    def __init__(self, told: str):
        name, ports, command = self.read(told)
        super().__init__(name, shlex.split(command), ports)

    @staticmethod
    def read(told: str) -> tuple[str, dict[str, int], str]:
        """Name, ports, command. Ends the benchmark if that is not what was told."""
        with contextlib.suppress(ValueError):
            name, listed, command = told.split(maxsplit=2)
            ports = {protocol: int(port) for protocol, port in (pair.split("=") for pair in listed.split(","))}
            if ports.keys() <= PROTOCOLS.keys() and any(PROTOCOLS[protocol] == "tcp" for protocol in ports):
                return name, ports, command
        raise SystemExit(f"--peer {told!r}: expected 'NAME http=PORT,grpc=PORT,xray=PORT,statsd=PORT COMMAND …', "
                         "with the ports that the peer has, http or grpc at least")


class Agent(Measured):
    """Siphon's agent, with every receiver on."""

    def __init__(self, binary: str, metadata: str | None, task_arn: str = "", **settings: str):
        ports = {protocol: free_port() for protocol in ("http", "grpc", "xray", "statsd", "metrics", "pull")}
        self.task_arn = task_arn
        names = {"http": "OTLP_HTTP", "grpc": "OTLP_GRPC"}
        environment = {
            "SIPHON_KEY": KEY,
            "SIPHON_LOG_LEVEL": "error",
            **{f"SIPHON_{names.get(to, to.upper())}_ADDRESS": f"127.0.0.1:{port}" for to, port in ports.items()},
            **({"ECS_CONTAINER_METADATA_URI_V4": metadata} if metadata else {}),
            **settings,
        }
        super().__init__("siphon-agent", [binary], ports, environment)

    def signed(self, path: str, body: dict) -> tuple[int, bytes]:
        data, now, nonce = json.dumps(body).encode(), str(int(time.time() * 1000)), secrets.token_hex(16)
        digest = hashlib.sha256(data).hexdigest()
        text = f"siphon request 1\nPOST\n{path}\n{now}\n{nonce}\n{digest}\n".encode()
        signature = hmac.new(bytes.fromhex(KEY), text, hashlib.sha256).hexdigest()
        proof = {"time": now, "nonce": nonce, "body-sha256": digest, "signature": signature}
        headers = {f"siphon-{name}": value for name, value in proof.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["pull"], timeout=10)
        connection.request("POST", path, data, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def drain(self) -> tuple[int, dict]:
        """Pulls and acknowledges to the end: the pages it took, and the last page's head."""
        who = {"task_arn": self.task_arn, "lease": secrets.token_hex(16)}
        for pages in range(1, 10_000):
            status, page = self.signed("/v1/pull", {**who, "lease_ms": 60_000, "max_bytes": 1 << 20})
            assert status == 200, page
            head = json.loads(page[8 : 8 + struct.unpack_from("<I", page, 4)[0]])
            delivered = {share: head[share]["cursor"] for share in ("metrics", "traces")}
            self.signed("/v1/ack", {**who, "boot": head["boot"], "delivered": delivered})
            if all(head[share]["remaining_records"] == 0 for share in delivered):
                return pages, head
        raise AssertionError("never drained")

    def counts(self) -> dict[str, float]:
        """Its own metrics, by series."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["metrics"], timeout=10)
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}
