//! Siphon's core: everything that decides and translates, without sockets, clock or environment.
//!
//! Data flows one way, and the modules follow it:
//!
//! | step | module |
//! |---|---|
//! | both ends of the agent's protocol | [`wire`] |
//! | what an application sends; delta metrics added up | [`otlp`], [`statsd`]; [`otlp::delta`] |
//! | container measurements to series | [`ecs`] |
//! | OTLP metrics to series | [`prometheus`] |
//! | what Amazon Managed Prometheus doesn't take, trimmed before it is sent | [`amp`] |
//! | series to remote-write requests, and what an answer means | [`remote_write`] |
//! | OTLP spans to segment documents, and what an answer means | [`xray`] |
//!
//! [`settings`] reads configuration from any look-up, [`shard`] is the message between the two functions,
//! [`series`] and [`units`] are the words that the others share, [`emf`] renders the functions' own metrics,
//! [`excerpt`] keeps messages short.

pub mod amp;
pub mod compression;
pub mod ecs;
pub mod emf;
pub mod excerpt;
pub mod exposition;
pub mod otlp;
pub mod prometheus;
mod protobuf;
pub mod remote_write;
pub mod scrapes;
pub mod series;
pub mod settings;
pub mod shard;
pub mod statsd;
pub mod units;
pub mod wire;
pub mod xray;
