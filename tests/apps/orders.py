"""An application as its authors write it: the X-Ray SDK, which sends segments to its daemon over UDP and asks it over TCP
what to sample.

Usage: orders.py local | central        (AWS_XRAY_DAEMON_ADDRESS says where the daemon is)

Serves requests of two services, `probe` and `checkout`. With `central` it first waits until the rules of X-Ray are in force,
and at the end until its statistics are reported. Prints, as JSON, how many requests of each were sampled, and a trace's id.
"""

import json
import logging
import sys
import time
import traceback

from aws_xray_sdk.core import xray_recorder

REQUESTS = 40
REPORTED_EVERY_S = 10

logging.basicConfig(level=logging.WARNING)
xray_recorder.configure(service="orders", sampling=True)


def serve(service):
    sampled, trace_id = 0, None
    for number in range(REQUESTS):
        segment = xray_recorder.begin_segment(service)
        segment.put_http_meta("url", "https://shop.example/orders?größe=\"xl\"")
        segment.put_http_meta("status", 200)
        segment.put_annotation("number", number)
        with xray_recorder.in_subsegment("payment", namespace="remote") as subsegment:
            subsegment.put_metadata("answer", {"text": "line\nbreak \\ \"quote\" größe"})
            try:
                raise TimeoutError("no answer in 3 s")
            except TimeoutError as error:
                subsegment.add_exception(error, traceback.extract_stack())
        if segment.sampled:
            sampled, trace_id = sampled + 1, segment.trace_id
        xray_recorder.end_segment()
    return {"sampled": sampled, "trace_id": trace_id}


def await_rules():
    for _ in range(200):
        if xray_recorder.sampler.should_trace({"service": "checkout"}) == "Checkout":
            return
        time.sleep(0.05)
    sys.exit("the rules of X-Ray did not come within 10 s")


central = sys.argv[1] == "central"
if central:
    await_rules()
served = {service: serve(service) for service in ("probe", "checkout")}
if central:
    time.sleep(REPORTED_EVERY_S + 2)
print(json.dumps({"requests": REQUESTS, **served}))
