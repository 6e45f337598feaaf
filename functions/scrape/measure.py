#!/usr/bin/env python3
"""Measures the whole `scrape` process: CPU for each million spans and samples, and its resident memory.

    cargo build --release -p siphon-scrape
    cargo build -p siphon-agent --profile agent
    python3 functions/scrape/measure.py target/release/siphon-scrape target/agent/siphon-agent [--rounds 10]

A real agent is filled, then `scrape` is invoked as Lambda would, and drains it to receivers for remote write and
PutTraceSegments that answer at once. So the figures hold everything: pulling, checking, translating, compressing,
signing, sending, acknowledging. Needs Linux (/proc) and Python alone; everything listens on 127.0.0.1, without TLS.
"""
import argparse
import http.server
import json
import pathlib
import queue
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TASK = ROOT / "shared/testdata/golden/ecs/fargate"

sys.path.insert(0, str(ROOT / "agent/benchmark"))
from loads import Http, Metrics, Payload, Traces  # noqa: E402
from processes import KEY, Agent, Measured, metadata_endpoint  # noqa: E402


def serve(handler: type[http.server.BaseHTTPRequestHandler]) -> str:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"127.0.0.1:{server.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def answer(self, status: int, body: bytes = b"", **headers: str):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Receiver(Handler):
    """Amazon Managed Prometheus and X-Ray: takes everything, and counts it."""

    calls, received, one_call = {}, {}, {}

    def do_POST(self):
        body = self.body()
        self.calls[self.path] = self.calls.get(self.path, 0) + 1
        self.received[self.path] = self.received.get(self.path, 0) + len(body)
        self.one_call[self.path] = body
        self.answer(200, b'{"UnprocessedTraceSegments":[]}' if self.path == "/TraceSegments" else b"")


class Runtime(Handler):
    """Lambda's Runtime API, for one environment."""

    events, answers = queue.Queue(), queue.Queue()

    def do_GET(self):
        event = self.events.get()
        self.answer(
            200,
            event,
            lambda_runtime_aws_request_id=f"{time.time_ns():032x}",
            lambda_runtime_deadline_ms=str(int(time.time() * 1000) + 120_000),
            lambda_runtime_invoked_function_arn="arn:aws:lambda:eu-west-1:123456789012:function:scrape",
        )

    def do_POST(self):
        body = self.body()
        self.answer(202)
        self.answers.put((self.path.rsplit("/", 1)[1], body))


class Scrape:
    def __init__(self, binary: str, **settings: str):
        receiver = serve(Receiver)
        environment = {
            "AWS_LAMBDA_RUNTIME_API": serve(Runtime),
            "AWS_LAMBDA_FUNCTION_NAME": "scrape",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "measured",
            "AWS_SECRET_ACCESS_KEY": "measured",
            "AWS_ENDPOINT_URL_XRAY": f"http://{receiver}",
            "AWS_PROMETHEUS_ENDPOINT": f"http://{receiver}/api/v1/remote_write",
            "SIPHON_KEY": KEY,
            **settings,
        }
        self.process = subprocess.Popen([binary], env=environment, stdout=subprocess.PIPE, text=True)
        self.reports = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            if '"_aws"' in line:
                self.reports.put(json.loads(line))
            else:
                print("scrape:", line.strip())

    def drain(self, agent: Agent) -> dict:
        """One invocation. Gives its report."""
        target = {"task_arn": agent.task_arn, "address": "127.0.0.1", "port": agent.ports["pull"]}
        shard = {"listed_at": int(time.time() * 1000), "targets": [target]}
        message = {"messageId": "1", "receiptHandle": "1", "body": json.dumps(shard), "md5OfBody": "",
                   "attributes": {}, "messageAttributes": {}, "eventSource": "aws:sqs",
                   "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:shards", "awsRegion": "eu-west-1"}
        Runtime.events.put(json.dumps({"Records": [message]}).encode())
        kind, answer = Runtime.answers.get(timeout=120)
        assert kind == "response" and not json.loads(answer).get("batchItemFailures"), (kind, answer)
        return self.reports.get(timeout=10)

    cpu_seconds = Measured.cpu_seconds
    memory_kb = Measured.memory_kb


def measure(what: str, payload: Payload, scrape: Scrape, agent: Agent, rounds: int, requests: int):
    used, begun, taken = 0.0, time.perf_counter(), 0
    for _ in range(rounds):
        load = Http(agent.ports["http"], payload)
        for _ in range(requests):
            load.send()
        before = scrape.cpu_seconds()
        report = scrape.drain(agent)
        used += scrape.cpu_seconds() - before
        taken += report.get({"spans": "Segments", "samples": "Samples"}[what], 0)
    items = rounds * requests * payload.items
    print(f"{what:8} {items:8} sent, {taken} taken; {used:.2f} CPU s, {used / items * 1e6:.2f} for each million; "
          f"{time.perf_counter() - begun:.0f} s in all; resident {scrape.memory_kb()['VmRSS']} kB, "
          f"at most {scrape.memory_kb()['VmHWM']} kB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scrape")
    parser.add_argument("agent")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    task_arn = json.loads((TASK / "task.json").read_text())["TaskARN"]
    settings = {"SIPHON_SPOOL_MAX_BYTES": str(128 << 20), "SIPHON_SAMPLE_INTERVAL": "1h"}
    agent = Agent(options.agent, metadata_endpoint(TASK), task_arn, **settings)
    scrape = Scrape(options.scrape)
    try:
        agent.connected_ms()
        time.sleep(1)  # the agent learns its task
        scrape.drain(agent)
        print(f"after start: {scrape.cpu_seconds():.2f} CPU s, resident {scrape.memory_kb()['VmRSS']} kB")
        for _ in range(2):
            measure("spans", Traces(), scrape, agent, options.rounds, 5_000)
            measure("samples", Metrics(), scrape, agent, options.rounds, 1_000)
        for path, calls in Receiver.calls.items():
            print(f"{path}: {calls} calls of {Receiver.received[path] // calls} bytes")
        documents = json.loads(Receiver.one_call["/TraceSegments"])["TraceSegmentDocuments"]
        print(f"{sum(map(len, documents)) // len(documents)} bytes a document")
    finally:
        for process in (scrape.process, agent.process):
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
