#!/usr/bin/env python3
"""Measures the sidecar's binary, as it ships: size, time to the first listening socket, resident memory idle and full.

    cargo build -p siphon-agent --profile agent
    python3 agent/measure.py target/agent/siphon-agent --ecs FOLDER --load FOLDER [--idle-seconds 60]

`--ecs` has `task.json` and `stats-0.json`, answers of a task metadata endpoint; `--load` has
`traces-20-spans.pb` and `metrics-400-samples.pb`, OTLP requests. Needs Linux (/proc) and Python alone; everything
listens on 127.0.0.1.
"""
import argparse
import contextlib
import hashlib
import hmac
import http.client
import http.server
import json
import os
import pathlib
import secrets
import socket
import statistics
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


class Agent:
    def __init__(self, binary: str, metadata: str | None, **settings: str):
        self.otlp, self.pull = free_port(), free_port()
        environment = {
            "SIPHON_KEY": KEY,
            "SIPHON_OTLP_HTTP_ADDRESS": f"127.0.0.1:{self.otlp}",
            "SIPHON_STATSD_ADDRESS": "127.0.0.1:0",
            "SIPHON_PULL_ADDRESS": f"127.0.0.1:{self.pull}",
            "SIPHON_LOG_LEVEL": "error",
            **({"ECS_CONTAINER_METADATA_URI_V4": metadata} if metadata else {}),
            **settings,
        }
        self.start = time.perf_counter()
        self.process = subprocess.Popen([binary], env=environment)

    def connected_ms(self) -> float:
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.otlp)).close()
                return (time.perf_counter() - self.start) * 1000
            except ConnectionRefusedError:
                pass

    def memory_kb(self) -> dict[str, int]:
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        return {name: int(fields[name].split()[0]) for name in ("VmRSS", "VmHWM", "RssAnon", "RssFile")}

    def cpu_seconds(self) -> float:
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def signed(self, path: str, body: dict) -> tuple[int, bytes]:
        data, now, nonce = json.dumps(body).encode(), str(int(time.time() * 1000)), secrets.token_hex(16)
        text = f"siphon request 1\nPOST\n{path}\n{now}\n{nonce}\n".encode() + data
        signature = hmac.new(bytes.fromhex(KEY), text, hashlib.sha256).hexdigest()
        headers = {"siphon-time": now, "siphon-nonce": nonce, "siphon-signature": signature}
        connection = http.client.HTTPConnection("127.0.0.1", self.pull, timeout=10)
        connection.request("POST", path, data, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def drain(self, task_arn: str) -> tuple[int, dict]:
        """Pulls and acknowledges to the end: the pages it took, and the last page's head."""
        who = {"task_arn": task_arn, "lease": secrets.token_hex(16)}
        for pages in range(1, 10_000):
            status, page = self.signed("/v1/pull", {**who, "lease_ms": 60_000, "max_bytes": 1 << 20})
            assert status == 200, page
            head = json.loads(page[8 : 8 + struct.unpack_from("<I", page, 4)[0]])
            delivered = {share: head[share]["cursor"] for share in ("metrics", "traces")}
            self.signed("/v1/ack", {**who, "boot": head["boot"], "delivered": delivered})
            if all(head[share]["remaining_records"] == 0 for share in delivered):
                return pages, head
        raise AssertionError("never drained")

    def stop(self):
        self.process.kill()
        self.process.wait()


def load(agent: Agent, folder: pathlib.Path, requests: int) -> float:
    """One connection, one request in flight, traces and metrics in turn. Returns the seconds that it took."""
    bodies = [("/v1/traces", "traces-20-spans.pb"), ("/v1/metrics", "metrics-400-samples.pb")]
    bodies = [(path, (folder / name).read_bytes()) for path, name in bodies]
    connection = http.client.HTTPConnection("127.0.0.1", agent.otlp)
    start = time.perf_counter()
    for number in range(requests):
        path, body = bodies[number % 2]
        connection.request("POST", path, body, {"content-type": "application/x-protobuf"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--ecs", type=pathlib.Path, required=True)
    parser.add_argument("--load", type=pathlib.Path, required=True)
    parser.add_argument("--idle-seconds", type=float, default=60)
    options = parser.parse_args()
    metadata = metadata_endpoint(options.ecs)
    task_arn = json.loads((options.ecs / "task.json").read_text())["TaskARN"]

    print(f"binary_bytes {os.path.getsize(options.binary)}")
    times = []
    for _ in range(20):
        agent = Agent(options.binary, metadata)
        times.append(agent.connected_ms())
        agent.stop()
    print(f"first_listening_ms median {statistics.median(times):.1f} max {max(times):.1f}")

    agent = Agent(options.binary, metadata)
    agent.connected_ms()
    time.sleep(options.idle_seconds)
    print(f"idle after {options.idle_seconds:.0f} s: {agent.memory_kb()} cpu_s {agent.cpu_seconds():.2f}")
    pages, _ = agent.drain(task_arn)
    print(f"after a drain of {pages} page(s): {agent.memory_kb()}")
    before, requests = agent.cpu_seconds(), 4000
    seconds = load(agent, options.load, requests)
    cpu = agent.cpu_seconds() - before
    print(f"{requests} requests in {seconds:.1f} s, cpu_s {cpu:.2f}; spool full: {agent.memory_kb()}")
    pages, head = agent.drain(task_arn)
    print(f"drained in {pages} pages: {agent.memory_kb()}")
    counts = {(c["event"], c["kind"], c.get("reason", "")): c["value"] for c in head["counts"]}
    print({" ".join(filter(None, key)): value for key, value in counts.items() if "records" in key[0]})
    agent.stop()


if __name__ == "__main__":
    main()
