//! What Prometheus says of each scrape
//! (<https://prometheus.io/docs/concepts/jobs_instances/#automatically-generated-labels-and-time-series>).

use super::target::KnownTarget;
use crate::{series::Batch, units::UnixMillis};

/// The series of a report, in the order in which [`Report::push`] gives their values: name, help, unit.
pub(super) const SERIES: [(&str, &str, &str); 5] = [
    ("up", "The scraping was successful", ""),
    ("scrape_duration_seconds", "Duration of the scrape", "seconds"),
    ("scrape_samples_scraped", "The number of samples the target exposed", ""),
    (
        "scrape_samples_post_metric_relabeling",
        "The number of samples remaining after metric relabeling was applied",
        "",
    ),
    ("scrape_series_added", "The approximate number of new series in this scrape", ""),
];

/// How a scrape went. That of one without an answer is the default.
#[derive(Clone, Copy, Default)]
pub(super) struct Report {
    pub(super) is_up: bool,
    /// Samples that were read.
    pub(super) samples: usize,
    /// Series that are new.
    pub(super) added: u64,
}

impl Report {
    pub(super) fn push(self, known: &KnownTarget, at: UnixMillis, duration_us: u64, batch: &mut Batch) {
        let samples = self.samples as f64;
        let values =
            [f64::from(u8::from(self.is_up)), duration_us as f64 / 1e6, samples, samples, self.added as f64];
        // After the five, as far as there is one: target_info, which is 1.
        for (series, value) in known.report().iter().zip(values.into_iter().chain([1.0])) {
            batch.push(*series, at, value);
        }
    }
}
