"""An application that reports by StatsD, with the client `statsd` and with DogStatsD's, `datadog`.

Usage: statsd_clients.py HOST PORT

Prints what it has sent, as JSON.
"""

import json
import sys

from datadog.dogstatsd import DogStatsd
from statsd import StatsClient

host, port = sys.argv[1], int(sys.argv[2])

# One line a packet, then several lines in one.
plain = StatsClient(host, port, prefix="shop")
plain.incr("orders", 3)
plain.gauge("queue.depth", 7)
plain.gauge("queue.depth", -2, delta=True)
plain.set("users", "ann")
plain.set("users", "bob")
with plain.pipeline() as batch:
    batch.timing("render", 12)
    batch.timing("render", 320.5)
    batch.set("users", "ann")
    batch.incr("orders", 1)

# Buffered, with tags; the client's reports on itself are switched off.
tagged = DogStatsd(host=host, port=port, disable_telemetry=True, constant_tags=["env:test", "canary"])
with tagged:
    tagged.increment("payments", 2, tags=["method:card"])
    tagged.gauge("stock", 41.5, tags=["item:tea"])
    tagged.histogram("basket", 30, tags=["item:tea"])
    tagged.distribution("basket", 600, tags=["item:tea"])
    tagged.timing("charge", 90)
    tagged.event("deployed", "an event is no metric")
tagged.close_socket()
print(json.dumps({"sent": True}))
