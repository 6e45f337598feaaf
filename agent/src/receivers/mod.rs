//! What comes in: one file a source. Each hands bytes as received to the spool.

pub mod ecs;
pub mod metadata;
pub mod otlp_http;
