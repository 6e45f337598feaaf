"""An application whose OpenTelemetry SDK is told to prefer deltas, and whose network loses every answer once.

Usage: OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta delta.py ENDPOINT

Counts in three intervals, and exports after each. Prints which temporalities it has sent, as JSON, when all has been taken.
"""

import json
import sys
import time

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource

endpoint = sys.argv[1]
sent = {}


class ForgetfulExporter(OTLPMetricExporter):
    """Sends each export twice, as an exporter does that didn't get the first answer."""

    def export(self, metrics_data, **kwargs):
        for resource in metrics_data.resource_metrics:
            for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
                sent[metric.name] = metric.data.aggregation_temporality.name
        super().export(metrics_data, **kwargs)
        return super().export(metrics_data, **kwargs)


provider = MeterProvider(
    resource=Resource.create({"service.name": "checkout", "service.instance.id": "1"}),
    metric_readers=[PeriodicExportingMetricReader(ForgetfulExporter(endpoint=f"{endpoint}/v1/metrics"))],
    views=[View(instrument_name="delta.size", aggregation=ExponentialBucketHistogramAggregation())],
)
meter = provider.get_meter("shop", "1.2.3")
orders = meter.create_counter("delta.orders", unit="{order}")
revenue = meter.create_counter("delta.revenue")
duration = meter.create_histogram("delta.duration", unit="s", explicit_bucket_boundaries_advisory=[0.25, 0.5, 1.0])
size = meter.create_histogram("delta.size", unit="By")

for interval in range(3):
    orders.add(3, {"payment": "card", "shop": "a"})
    if interval != 1:
        orders.add(1, {"shop": "a", "payment": "cash"})
    revenue.add(0.25)
    duration.record(0.125, {"route": "/orders"})
    duration.record(0.75, {"route": "/orders"})
    size.record(10.0 ** (2 * interval))
    if not provider.force_flush(10_000):
        sys.exit(f"{endpoint} did not take everything within 10 s")
    time.sleep(0.1)
provider.shutdown()
print(json.dumps(sent))
