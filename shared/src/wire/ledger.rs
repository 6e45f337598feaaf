//! What an agent has counted, as it travels in a page's head.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// One counter of the agent since its start: what happened (`event`), to what (`kind`), and why (`reason`, or empty).
/// Exported as `siphon_agent_<event>_total{kind="…",reason="…"}`.
///
/// | event | kind | reason | counts |
/// |---|---|---|---|
/// | `accepted_records` | record kind | | records taken into the spool |
/// | `accepted_items` | record kind | | ECS readings, metric data points, spans, scrapes in them |
/// | `dropped_records` | record kind | `spool_full`, `too_large` | records lost before they were acknowledged |
/// | `handed_out_records` | record kind | | records put into a page, repeats included |
/// | `acked_records` | record kind | | records delivered |
/// | `refused_requests` | record kind | `malformed`, `too_large`, `content_type`, `encoding`, `busy`, `timeout` | OTLP requests answered with an error |
/// | `failed_readings` | `task`, `stats` | `status`, `invalid`, `timeout`, `unreachable`, `too_large` | metadata answers that cost a reading |
/// | `failed_scrapes` | `scrapes` | `refused`, `broken`, `timeout`, `status`, `encoding`, `too_large`, `budget` | scrapes without a text |
/// | `refused_targets` | `scrapes` | `too_many`, `label` | containers whose labels ask for scrapes that can't be |
/// | `refused_pulls` | `pull`, `ack` | a [`super::RefusalCode`] | pulls and acks refused |
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// What happened.
    pub event: Cow<'static, str>,
    /// To what.
    pub kind: Cow<'static, str>,
    /// Why, or empty.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub reason: Cow<'static, str>,
    /// How often since the agent's start.
    pub value: u64,
}
