"""Measures the agent, and any other collector beside it, in one run: binary, start, memory, CPU by input.

    cargo build -p siphon-agent --profile agent
    python3 agent/benchmark target/agent/siphon-agent [--peer 'NAME http=PORT,grpc=PORT COMMAND …'] [--quick]

A peer is told by a name, its ports by protocol (http, grpc, xray, statsd; each that it has, one of the first two at least),
and its command line; where it exports to is the command's affair. Inputs that it has no port for are left out. All processes
get the same load, in turn, in one run: machines differ, and are noisy.
Each figure is user and system CPU time, or resident memory, of the whole process, by the operating system.

Needs Linux (/proc) and Python; for gRPC the package grpcio. Everything listens on 127.0.0.1.
"""
import argparse
import contextlib
import functools
import json
import os
import pathlib
import statistics
import sys
import threading
import time

from loads import Grpc, Http, Metrics, Refused, Statsd, Traces, Xray
from processes import Agent, Measured, Peer, metadata_endpoint

TASK = pathlib.Path(__file__).resolve().parents[2] / "shared/testdata/golden/ecs/fargate"
SPANS_A_SECOND, SPANS_A_REQUEST = 1000, 20


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--peer", action="append", default=[])
    parser.add_argument("--only", default="start,idle,rate,cpu,burst,flood", help="which parts, with commas between")
    parser.add_argument("--quick", action="store_true", help="a tenth of the time and of the load")
    options = parser.parse_args()
    size = 0.1 if options.quick else 1
    task_arn = json.loads((TASK / "task.json").read_text())["TaskARN"]
    start_agent = functools.partial(Agent, options.binary, metadata_endpoint(TASK), task_arn)
    for told in options.peer:
        Peer.read(told)  # ends it before anything runs
    start_all = lambda: [start_agent(), *map(Peer, options.peer)]  # noqa: E731
    parts = {"start": start, "idle": idle, "rate": rate, "cpu": cpu, "burst": burst, "flood": flood}
    for name in options.only.split(","):
        if name == "start":
            start(options.binary, start_agent)
            continue
        running = start_all()
        try:
            for process in running:
                process.connected_ms()
            time.sleep(3)  # the agent learns its task, and collectors open their last receivers
            parts[name](running, size)
        finally:
            for process in running:
                process.stop()


def say(what: str, process: Measured, text: str):
    print(f"{what:24} {process.name:14} {text}", flush=True)


def with_port(running: list[Measured], protocol: str) -> list[Measured]:
    return [process for process in running if protocol in process.ports]


def start(binary: str, start_agent):
    times = []
    for _ in range(20):
        agent = start_agent()
        times.append(agent.connected_ms())
        agent.stop()
    print(f"binary {os.path.getsize(binary)} bytes; takes connections after {statistics.median(times):.1f} ms "
          f"(median of 20, at most {max(times):.1f})")


def idle(running: list[Measured], size: float):
    """Every receiver on, nothing sent."""
    seconds = 300 * size
    before = [process.cpu_seconds() for process in running]
    time.sleep(seconds)
    for process, earlier in zip(running, before):
        memory, used = process.memory_kb(), process.cpu_seconds() - earlier
        say(f"idle {seconds:.0f} s", process, f"resident {memory['VmRSS']} kB (anonymous {memory['RssAnon']}), {used:.2f} CPU s")


def rate(running: list[Measured], size: float):
    """1,000 spans a second; the agent is pulled every 15 s."""
    seconds = 60 * size
    for process in with_port(running, "http"):
        with pulled(process, every=15 * size):
            load, begun = Http(process.ports["http"], Traces()), time.perf_counter()
            for number in range(int(seconds * SPANS_A_SECOND / SPANS_A_REQUEST)):
                time.sleep(max(0.0, begun + number * SPANS_A_REQUEST / SPANS_A_SECOND - time.perf_counter()))
                load.send()
        memory = process.memory_kb()
        say(f"1,000 spans/s {seconds:.0f} s", process, f"resident {memory['VmRSS']} kB, at most {memory['VmHWM']}")


@contextlib.contextmanager
def pulled(process: Measured, every: float):
    """Drains the process while the block runs, and at its end."""
    over = threading.Event()

    def pull():
        while not over.wait(every):
            process.drain()

    thread = threading.Thread(target=pull)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        process.drain()


def cpu(running: list[Measured], size: float):
    """CPU for each million of every input, handing out included: the agent is drained while it receives."""
    million = 1_000_000 * size
    inputs = [
        ("spans, HTTP", "http", lambda port: Http(port, Traces()), million / 2),
        ("spans, gRPC", "grpc", lambda port: Grpc(port, Traces()), million / 2),
        ("samples, HTTP", "http", lambda port: Http(port, Metrics()), million),
        ("X-Ray datagrams", "xray", lambda port: Xray(port, 30_000), million / 2),
        ("StatsD, 10 lines", "statsd", lambda port: Statsd(port, 300_000, 10), million * 2),
        ("StatsD, 1 line", "statsd", lambda port: Statsd(port, 50_000, 1), million / 2),
    ]
    for name, protocol, make, items in inputs:
        for process in with_port(running, protocol):
            try:
                load = make(process.ports[protocol])
            except ModuleNotFoundError as missing:
                print(f"SKIPPED: {name}: {missing}; install grpcio", file=sys.stderr)
                break
            try:
                used, sent = send(process, load, items)
            except Refused as refused:
                say(name, process, f"refused: {refused}")
                continue
            say(name, process, f"{sent} sent, {used:.2f} CPU s: {used / sent * 1e6:.2f} a million; "
                               f"resident {process.memory_kb()['VmRSS']} kB{lost(process)}")


def send(process: Measured, load, items: float) -> tuple[float, int]:
    """Sends that many items. Gives the CPU seconds until 3 s after the last, and how many items were sent."""
    before, sent = process.cpu_seconds(), 0
    with pulled(process, every=0.25):
        while sent < items:
            load.send()
            sent += load.items
        time.sleep(3)
    return process.cpu_seconds() - before, sent


def lost(process: Measured) -> str:
    if not isinstance(process, Agent):
        return ""
    losses = {series: value for series, value in process.counts().items() if "dropped" in series or "refused" in series}
    return f"; {losses}" if losses else ""


def burst(running: list[Measured], size: float):
    """1,000 requests of 400 samples as fast as they are taken, and nobody pulls."""
    for process in with_port(running, "http"):
        load, begun = Http(process.ports["http"], Metrics()), time.perf_counter()
        try:
            for _ in range(int(1000 * size)):
                load.send()
        except Refused as refused:
            say("samples", process, f"refused: {refused}")
            continue
        seconds = time.perf_counter() - begun
        say(f"{400 * size:.0f},000 samples", process, f"in {seconds:.1f} s: resident at most {process.memory_kb()['VmHWM']} kB{lost(process)}")


def flood(running: list[Measured], size: float):
    """More than the spool can hold, ten times over, for five minutes, and nobody pulls: memory must be flat."""
    seconds, marks = 300 * size, 5
    for process in with_port(running, "http"):
        loads = [load for payload in (Traces(), Metrics()) if takes(load := Http(process.ports["http"], payload))]
        begun, resident = time.perf_counter(), []
        for mark in range(1, marks + 1):
            while time.perf_counter() - begun < seconds * mark / marks:
                for load in loads:
                    load.send()
            resident.append(process.memory_kb()["VmRSS"])
        say(f"flood {seconds:.0f} s", process, f"resident {' → '.join(map(str, resident))} kB{lost(process)}")


def takes(load: Http) -> bool:
    try:
        load.send()
    except Refused:
        return False
    return True


if __name__ == "__main__":
    main()
