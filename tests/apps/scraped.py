"""An application that its authors instrumented with prometheus_client, unchanged but for a path that changes it.

Usage: scraped.py PORT

/metrics is what prometheus_client serves, in the format that is asked for; /text is the same in the text format; /drop removes a
series. Prints a line when it serves.
"""

import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    Counter,
    Enum,
    Gauge,
    Histogram,
    Info,
    Summary,
    generate_latest,
    make_wsgi_app,
)

requests = Counter("demo_requests", "Requests taken, by \"path\".", ["path", "job"])
requests.labels("/orders", "own").inc(3, exemplar={"trace_id": "0123456789abcdef0123456789abcdef"})
requests.labels("/gone", "own").inc(5)
requests.labels('/"quoted"\\and\nlong', "own").inc(7)
Gauge("demo_queue_depth", "Depth.").set(-2.5)
Gauge("demo_nan", "No number.").set(float("nan"))
Gauge("demo_infinite", "Beyond all numbers.").set(float("inf"))
latency = Histogram("demo_latency", "Latency.", unit="seconds", buckets=[0.25, 0.5, 1, 2.5e6])
for seconds in (0.1, 0.3, 0.7, 3e7):
    latency.observe(seconds, exemplar={"span_id": "0123456789abcdef"})
Summary("demo_size_bytes", "Size.").observe(1024)
Info("demo_build", "Build.").info({"version": "1.2.3", "empty": ""})
Enum("demo_state", "State.", states=["up", "down"]).state("down")

metrics = make_wsgi_app()


def app(environ, start_response):
    if environ["PATH_INFO"] == "/drop":
        requests.remove("/gone", "own")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"dropped\n"]
    if environ["PATH_INFO"] == "/text":
        start_response("200 OK", [("Content-Type", CONTENT_TYPE_LATEST)])
        return [generate_latest(REGISTRY)]
    return metrics(environ, start_response)


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


server = make_server("127.0.0.1", int(sys.argv[1]), app, handler_class=Quiet)
print("serving", flush=True)
server.serve_forever()
