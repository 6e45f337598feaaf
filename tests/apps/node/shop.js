// The application of shop.py, with the OpenTelemetry JavaScript SDK: sends OTLP as JSON over HTTP, or over gRPC.
//
// Usage: node shop.js ENDPOINT PROTOCOL COMPRESSION SERVICE
//
// PROTOCOL is http/json or grpc, COMPRESSION gzip or none. Prints the trace's id in X-Ray's form, as JSON, when all has been taken.
"use strict";

const { SpanKind, SpanStatusCode, context, trace } = require("@opentelemetry/api");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { MeterProvider, PeriodicExportingMetricReader } = require("@opentelemetry/sdk-metrics");
const { BasicTracerProvider, BatchSpanProcessor } = require("@opentelemetry/sdk-trace-base");

const [endpoint, protocol, compression, service] = process.argv.slice(2);
const kind = { "http/json": "http", grpc: "grpc" }[protocol];
const { OTLPTraceExporter } = require(`@opentelemetry/exporter-trace-otlp-${kind}`);
const { OTLPMetricExporter } = require(`@opentelemetry/exporter-metrics-otlp-${kind}`);

// The exporters report what is refused here, and succeed all the same.
const { diag, DiagLogLevel } = require("@opentelemetry/api");
const fail = (...what) => {
  console.error(...what);
  process.exit(1);
};
diag.setLogger({ error: fail, warn: fail, info() {}, debug() {}, verbose() {} }, DiagLogLevel.WARN);

// JavaScript has one name for compression in HTTP, and for gRPC the same.
const exporter = (Exporter, path) =>
  new Exporter({ url: kind === "http" ? `${endpoint}${path}` : endpoint, compression });

async function main() {
  const resource = resourceFromAttributes({
    "service.name": service,
    "service.namespace": "shop",
    "service.version": "1.2.3",
    "telemetry.sdk.name": "opentelemetry",
    "telemetry.sdk.language": "nodejs",
    "telemetry.sdk.version": "2.12.1",
  });
  const spans = new BasicTracerProvider({
    resource,
    spanProcessors: [new BatchSpanProcessor(exporter(OTLPTraceExporter, "/v1/traces"))],
  });
  const tracer = spans.getTracer("shop", "1.2.3");
  const reader = new PeriodicExportingMetricReader({ exporter: exporter(OTLPMetricExporter, "/v1/metrics") });
  const metrics = new MeterProvider({ resource, readers: [reader] });
  const meter = metrics.getMeter("shop", "1.2.3");
  const orders = meter.createCounter("shop.orders", { unit: "{order}", description: "Orders taken" });
  const duration = meter.createHistogram("http.server.request.duration", {
    unit: "s",
    advice: { explicitBucketBoundaries: [0.25, 0.5, 1.0] },
  });
  meter.createObservableGauge("shop.queue.depth").addCallback((result) => result.observe(7));

  const server = tracer.startSpan("POST /orders", {
    kind: SpanKind.SERVER,
    attributes: {
      "http.request.method": "POST",
      "url.scheme": "https",
      "server.address": "shop.example",
      "url.path": "/orders",
    },
  });
  const within = trace.setSpan(context.active(), server);
  const payment = { "http.request.method": "POST", "url.full": "https://pay.example/charge" };
  const client = tracer.startSpan("POST", { kind: SpanKind.CLIENT, attributes: payment }, within);
  client.recordException({ name: "TimeoutError", message: "no answer in 3 s" });
  client.setAttribute("http.response.status_code", 503);
  client.setStatus({ code: SpanStatusCode.ERROR });
  client.end();
  tracer.startSpan("render", {}, within).end();
  server.setAttribute("http.response.status_code", 200);
  server.end();
  orders.add(3, { payment: "card" });
  duration.record(0.12, { "http.route": "/orders" });
  duration.record(0.7, { "http.route": "/orders" });

  await spans.forceFlush();
  await metrics.forceFlush();
  await spans.shutdown();
  await metrics.shutdown();
  const { traceId } = server.spanContext();
  console.log(JSON.stringify({ x_ray_trace_id: `1-${traceId.slice(0, 8)}-${traceId.slice(8)}` }));
}

main().catch(fail);
