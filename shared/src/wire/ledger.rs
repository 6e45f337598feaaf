//! What an agent has counted, as it travels in a page's head.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::Kind;

/// One counter of the agent since its start: what happened (`event`), to what (`kind`), and why (`reason`, or empty).
/// Exported as `siphon_agent_<event>_total{kind="…",reason="…"}`. The `buffered_…` events are levels: they stand as they
/// are now, and are exported without `_total`.
///
/// | event | kind | reason | counts |
/// |---|---|---|---|
/// | `accepted_records` | record kind | or `recovered` | records taken into the spool, or found there at the start: an agent before this one had accepted them. Their items are not counted again |
/// | `accepted_items` | record kind | | ECS readings, metric data points, spans, scrapes in them |
/// | `dropped_records` | record kind | `spool_full`, `too_large`; with a spool on disk also `disk` (not written), `damaged` (not as written), `torn` (recovered, but gone), `other_task` (recovered, but another task's) | records lost before they were acknowledged |
/// | `buffered_records` | record kind | | records in the spool |
/// | `buffered_bytes` | `metrics`, `traces` | | bytes that a share of the spool holds |
/// | `dropped_points` | `otlp_metrics` | a [`crate::otlp::delta::Reason`]: `out_of_order`, `series_limit`, `invalid`, `too_large` | points of delta metrics that were not accumulated; those `too_large` are part of the next total |
/// | `handed_out_records` | record kind | | records put into a page, repeats included |
/// | `acked_records` | record kind | | records delivered |
/// | `refused_requests` | record kind, `otlp_logs`, `otlp_profiles`, or `otlp` where the path is none of these | `malformed`, `too_large`, `content_type`, `encoding`, `busy`, `timeout`, `unimplemented`, `not_found`, `method` | OTLP requests answered with an error |
/// | `refused_connections` | `otlp_grpc`, `otlp_http`, `sampling`, `pull`, `metrics` | `too_many`, `timeout` (no request in time), `broken` (or not the protocol) | connections that were closed |
/// | `accepted_lines` | `statsd` | | lines added up, as of the latest interval |
/// | `refused_lines` | `statsd` | a [`crate::statsd::Refusal`] | lines not taken, each on its own |
/// | `dropped_datagrams` | `statsd`, `xray_segments` | `socket_full` | datagrams that the kernel had no room for; of StatsD as of the latest interval |
/// | `refused_requests` | `sampling` | `malformed`, `too_large`, `unknown_operation`, `busy`, `timeout` | calls for sampling answered with an error |
/// | `dropped_statistics` | `sampling` | `too_many`, `boost` | statistics of sampling that X-Ray does not get |
/// | `refused_datagrams` | record kind | `header`, `empty` | datagrams that are not what SDKs send |
/// | `failed_readings` | `task`, `stats` | `status`, `invalid`, `timeout`, `unreachable`, `too_large` | metadata answers that cost a reading |
/// | `failed_scrapes` | `scrapes` | `refused`, `broken`, `timeout`, `status`, `encoding`, `too_large`, `budget` | scrapes without a text |
/// | `refused_targets` | `scrapes` | `too_many`, `label` | containers whose labels ask for scrapes that can't be |
/// | `refused_pulls` | `pull`, `ack`, `sampling`, `unknown` | a [`super::RefusalCode`] | pulls, acks and hand-overs refused |
/// | one of [`EXPORTED`] | `metrics`, `traces`, or a record kind | | what became of acknowledged records, as the ack says |
///
/// Two sums hold at any moment, within one run of the agent:
///
/// - for each record kind: `accepted_records` = `acked_records` + `dropped_records` + `buffered_records`;
/// - of what is acknowledged: every sample, document or span that its records became is in exactly one of `stored_…`,
///   `refused_…`, `expired_…` and `dropped_…`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// What happened.
    pub event: Cow<'static, str>,
    /// To what.
    pub kind: Cow<'static, str>,
    /// Why, or empty.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub reason: Cow<'static, str>,
    /// The metric that a refused sample is of, where it is told, or empty.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub metric: Cow<'static, str>,
    /// How often since the agent's start, or how much now.
    pub value: u64,
}

/// The events that an ack tells: what became of the records that it acknowledges.
///
/// | event | kind | reason | counts |
/// |---|---|---|---|
/// | `stored_samples` | `metrics` | | samples that the receiver has |
/// | `refused_samples` | `metrics` | the receiver's | samples that it refuses for good |
/// | `expired_samples` | `metrics` | | samples that are too old for it and were not sent |
/// | `dropped_samples` | `metrics` | the translation's, or a limit's | samples and points that were not sent |
/// | `refused_records` | record kind | `unreadable` | records that can't be decoded |
/// | `stored_segments`, `stored_spans` | `traces` | | documents, or spans, that X-Ray has |
/// | `refused_segments`, `refused_spans` | `traces` | X-Ray's code or status | those that it refuses for good |
/// | `dropped_spans` | `traces` | the translation's | spans that were not sent |
pub const EXPORTED: [&str; 10] = [
    "stored_samples",
    "refused_samples",
    "expired_samples",
    "dropped_samples",
    "refused_records",
    "stored_segments",
    "stored_spans",
    "refused_segments",
    "refused_spans",
    "dropped_spans",
];

/// Record kinds whose sum doesn't hold (see [`Count`]): the kind, what was accepted, and what of that is accounted for.
#[must_use]
pub fn imbalances(counts: &[Count]) -> Vec<(&str, u128, u128)> {
    // Of 128 bits: anybody may send any values.
    let sum = |kind: &str, events: &[&str]| {
        let of_kind =
            counts.iter().filter(|count| count.kind == kind && events.contains(&count.event.as_ref()));
        of_kind.map(|count| u128::from(count.value)).sum::<u128>()
    };
    let kinds = Kind::ALL.map(Kind::name).into_iter();
    let sums = kinds.map(|kind| {
        let accounted = sum(kind, &["acked_records", "dropped_records", "buffered_records"]);
        (kind, sum(kind, &["accepted_records"]), accounted)
    });
    sums.filter(|(_, accepted, accounted)| accepted != accounted).collect()
}

impl Count {
    /// Of an event, with a reason unless that is empty.
    #[must_use]
    pub fn new(
        event: impl Into<Cow<'static, str>>,
        kind: impl Into<Cow<'static, str>>,
        reason: impl Into<Cow<'static, str>>,
        value: u64,
    ) -> Self {
        let (event, kind, reason) = (event.into(), kind.into(), reason.into());
        Self { event, kind, reason, metric: Cow::Borrowed(""), value }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted_is_delivered_lost_or_buffered() {
        let count =
            |event: &'static str, reason: &'static str, value| Count::new(event, "ecs", reason, value);
        let mut counts = vec![
            count("accepted_records", "", 10),
            count("acked_records", "", 5),
            count("dropped_records", "spool_full", 2),
            count("dropped_records", "too_large", 1),
            count("buffered_records", "", 2),
            count("handed_out_records", "", 99),
            Count::new("accepted_records", "statsd", "", 3),
            Count::new("acked_records", "statsd", "", 3),
        ];
        assert_eq!(imbalances(&counts), []);
        counts.push(count("acked_records", "", 1));
        assert_eq!(imbalances(&counts), [("ecs", 10, 11)]);
        let most = u64::MAX;
        counts = vec![count("acked_records", "", most), count("buffered_records", "", most)];
        assert_eq!(imbalances(&counts), [("ecs", 0, 2 * u128::from(most))]);
    }
}
