//! The scraping function: pulls a shard's agents, writes to Amazon Managed Prometheus and X-Ray, acknowledges.
//!
//! ```text
//!   handler ─► drain, one agent each, many at once; last_drain, of a task that is told to stop
//!                │  agent_client ◄── pull ──── agent, over TLS or not (agents)
//!                │  deliver, export page ─► deliveries in order, each with the cursor behind it
//!                │  ├─ amp  ───────► remote write    one request in flight an agent
//!                │  └─ traces ─────► PutTraceSegments, or OTLP
//!                │  sampling ────────► GetSamplingTargets, GetSamplingRules, and back to the agent, where it is in use
//!                │  agent_client ─── ack ────► agent: as far as each share is stored
//!                ▼
//!              report
//! ```

pub mod agent_client;
pub mod agent_tls;
pub mod agents;
pub mod amp;
pub mod backoff;
pub mod clients;
pub mod deliver;
pub mod drain;
pub mod event;
pub mod export;
pub mod exported;
pub mod handler;
pub mod keys;
pub mod last_drain;
pub mod post;
pub mod report;
pub mod sampling;
pub mod settings;
pub mod start_error;
pub mod task_event;
pub mod time;
pub mod traces;

/// An error with its causes, for a log.
fn describe(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
