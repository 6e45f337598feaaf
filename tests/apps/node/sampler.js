// A service whose spans are sampled as X-Ray says: OpenTelemetry's remote sampler for X-Ray, asking an agent.
//
// Usage: node sampler.js ENDPOINT SERVICE
//
// Prints, as JSON, how many of the spans of each second were sampled, once two seconds in a row were sampled alike (all, or
// none): OpenTelemetry's own fall-back samples one a second and five in a hundred of the others.
"use strict";

const { ROOT_CONTEXT, SpanKind } = require("@opentelemetry/api");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { AWSXRayRemoteSampler } = require("@opentelemetry/sampler-aws-xray");

const [endpoint, service] = process.argv.slice(2);
const resource = resourceFromAttributes({ "service.name": service, "cloud.platform": "aws_ecs" });
const sampler = new AWSXRayRemoteSampler({ endpoint, resource, pollingInterval: 10 });
const SPANS = 50;
const RECORD_AND_SAMPLED = 2;

const sampledOf = (count) => {
  let sampled = 0;
  for (let at = 0; at < count; at++) {
    const traceId = [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
    const attributes = { "http.method": "GET", "http.target": "/orders", "http.host": "shop.example" };
    const { decision } = sampler.shouldSample(ROOT_CONTEXT, traceId, "GET /orders", SpanKind.SERVER, attributes, []);
    if (decision === RECORD_AND_SAMPLED) sampled++;
  }
  return sampled;
};

const seconds = [];
const isSteady = () => {
  const [one, other] = seconds.slice(-2);
  return seconds.length > 1 && one === other && (one === 0 || one === SPANS);
};
const main = async () => {
  while (!isSteady() && seconds.length < 60) {
    seconds.push(sampledOf(SPANS));
    await new Promise((resolve) => setTimeout(resolve, 1050));
  }
  // Once more after the next report of statistics.
  await new Promise((resolve) => setTimeout(resolve, 11_000));
  seconds.push(sampledOf(SPANS));
  sampler.stopPollers();
  console.log(JSON.stringify({ seconds, steady: isSteady() }));
  process.exit(0);
};

main();
