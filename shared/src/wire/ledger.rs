//! What an agent has counted, as it travels in a page's head.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// One counter of the agent since its start: what happened (`event`), to what (`kind`), and why (`reason`, or empty).
/// Exported as `siphon_agent_<event>_total{kind="…",reason="…"}`. The `buffered_…` events are levels: they stand as they
/// are now, and are exported without `_total`.
///
/// | event | kind | reason | counts |
/// |---|---|---|---|
/// | `accepted_records` | record kind | | records taken into the spool |
/// | `accepted_items` | record kind | | ECS readings, metric data points, spans, scrapes in them |
/// | `dropped_records` | record kind | `spool_full`, `too_large` | records lost before they were acknowledged |
/// | `buffered_records` | record kind | | records in the spool |
/// | `buffered_bytes` | `metrics`, `traces` | | bytes that a share of the spool holds |
/// | `dropped_points` | `otlp_metrics` | a [`crate::otlp::delta::Reason`]: `out_of_order`, `series_limit`, `invalid`, `too_large` | points of delta metrics that were not accumulated; those `too_large` are part of the next total |
/// | `handed_out_records` | record kind | | records put into a page, repeats included |
/// | `acked_records` | record kind | | records delivered |
/// | `refused_requests` | record kind | `malformed`, `too_large`, `content_type`, `encoding`, `busy`, `timeout` | OTLP requests answered with an error |
/// | `accepted_lines` | `statsd` | | lines added up, as of the latest interval |
/// | `refused_lines` | `statsd` | a [`crate::statsd::Refusal`] | lines not taken, each on its own |
/// | `dropped_datagrams` | `statsd`, `xray_segments` | `socket_full` | datagrams that the kernel had no room for; of StatsD as of the latest interval |
/// | `refused_requests` | `sampling` | `malformed`, `too_large`, `unknown_operation`, `busy`, `timeout` | calls for sampling answered with an error |
/// | `dropped_statistics` | `sampling` | `too_many`, `boost` | statistics of sampling that X-Ray does not get |
/// | `refused_datagrams` | record kind | `header`, `empty` | datagrams that are not what SDKs send |
/// | `failed_readings` | `task`, `stats` | `status`, `invalid`, `timeout`, `unreachable`, `too_large` | metadata answers that cost a reading |
/// | `failed_scrapes` | `scrapes` | `refused`, `broken`, `timeout`, `status`, `encoding`, `too_large`, `budget` | scrapes without a text |
/// | `refused_targets` | `scrapes` | `too_many`, `label` | containers whose labels ask for scrapes that can't be |
/// | `refused_pulls` | `pull`, `ack`, `sampling` | a [`super::RefusalCode`] | pulls, acks and hand-overs refused |
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// What happened.
    pub event: Cow<'static, str>,
    /// To what.
    pub kind: Cow<'static, str>,
    /// Why, or empty.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub reason: Cow<'static, str>,
    /// How often since the agent's start, or how much now.
    pub value: u64,
}

impl Count {
    /// Whether it is a level, which goes down again.
    #[must_use]
    pub fn is_level(&self) -> bool {
        self.event.starts_with("buffered_")
    }

    /// The metric that it is exported as.
    #[must_use]
    pub fn metric(&self) -> String {
        let suffix = if self.is_level() { "" } else { "_total" };
        format!("siphon_agent_{}{suffix}", self.event)
    }
}
