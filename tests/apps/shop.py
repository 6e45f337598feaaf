"""An application as its authors write it: the OpenTelemetry SDK, sending to an agent by OTLP.

Usage: shop.py ENDPOINT PROTOCOL COMPRESSION SERVICE

PROTOCOL is http/protobuf or grpc, COMPRESSION gzip or none, as SDKs read them from the environment too.
Serves one order, with a payment that fails, and counts it. Prints the trace's id in X-Ray's form, as JSON, when all has been taken.
"""

import json
import os
import sys

from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

endpoint, protocol, compression, service = sys.argv[1:]
if compression != "none":  # which the gRPC exporter does not know
    os.environ["OTEL_EXPORTER_OTLP_COMPRESSION"] = compression
os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
if protocol == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
else:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

resource = Resource.create({"service.name": service, "service.namespace": "shop", "service.version": "1.2.3"})

spans = TracerProvider(resource=resource)
spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
tracer = spans.get_tracer("shop", "1.2.3")

metrics = MeterProvider(
    resource=resource,
    metric_readers=[PeriodicExportingMetricReader(OTLPMetricExporter())],
)
meter = metrics.get_meter("shop", "1.2.3")
orders = meter.create_counter("shop.orders", unit="{order}", description="Orders taken")
bounds = [0.25, 0.5, 1.0]
duration = meter.create_histogram(
    "http.server.request.duration", unit="s", explicit_bucket_boundaries_advisory=bounds
)
meter.create_observable_gauge("shop.queue.depth", callbacks=[lambda _: [Observation(7)]])

request = {"http.request.method": "POST", "url.scheme": "https", "server.address": "shop.example", "url.path": "/orders"}
with tracer.start_as_current_span("POST /orders", kind=SpanKind.SERVER, attributes=request) as server:
    payment = {"http.request.method": "POST", "url.full": "https://pay.example/charge"}
    with tracer.start_as_current_span("POST", kind=SpanKind.CLIENT, attributes=payment) as client:
        client.record_exception(TimeoutError("no answer in 3 s"))
        client.set_attribute("http.response.status_code", 503)
        client.set_status(Status(StatusCode.ERROR))
    with tracer.start_as_current_span("render"):
        pass
    server.set_attribute("http.response.status_code", 200)
orders.add(3, {"payment": "card"})
duration.record(0.12, {"http.route": "/orders"})
duration.record(0.7, {"http.route": "/orders"})

if not (spans.force_flush(10_000) and metrics.force_flush(10_000)):
    sys.exit(f"{endpoint} did not take everything within 10 s")
spans.shutdown()
metrics.shutdown()
trace_id = f"{server.get_span_context().trace_id:032x}"
print(json.dumps({"x_ray_trace_id": f"1-{trace_id[:8]}-{trace_id[8:]}"}))
