//! The AMP receiver: remote write 1.0 by the strict reading of the specification and of AMP's quotas.
//!
//! Prometheus itself accepts much that AMP refuses (unsorted labels, empty values, odd headers); a sender that passes
//! here has nothing to fear there. As on AMP, the good samples of a request that is answered 400 are stored.
//! <https://prometheus.io/docs/specs/prw/remote_write_spec/>,
//! <https://docs.aws.amazon.com/prometheus/latest/userguide/AMP_quotas.html>

mod head;
mod labels;
mod request;

use std::sync::{Arc, Mutex};

use axum::{
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use prost::Message as _;
use siphon_core::{
    remote_write::v1::{Histogram, TimeSeries, WriteRequest},
    series::Sample,
    units::UnixMillis,
};

use crate::{accounts::Accounts, lock, receivers::Series, store::Store};
use head::{Head, HistogramSize};
pub(crate) use head::{Point, Reason};
pub(crate) use labels::Labels;

/// The receiver and what it stored.
pub(crate) struct Amp {
    head: Mutex<Head>,
    accounts: Arc<Accounts>,
    store: Arc<Store>,
}

impl Amp {
    pub(crate) fn new(accounts: Arc<Accounts>, store: Arc<Store>) -> Self {
        Self { head: Mutex::new(Head::new(store.memory)), accounts, store }
    }

    pub(crate) fn answer(&self, uri: &Uri, headers: &HeaderMap, body: &[u8], now: UnixMillis) -> Response {
        match request::read(uri, headers, body, now) {
            Ok(request) => match self.append(&request, now) {
                None => StatusCode::OK.into_response(),
                Some(text) => (StatusCode::BAD_REQUEST, text).into_response(),
            },
            Err(refusal) => {
                self.accounts.refused_request();
                (refusal.status, refusal.text).into_response()
            }
        }
    }

    /// What is stored of every series, as far as it is remembered.
    pub(crate) fn series(&self) -> Vec<Series> {
        lock(&self.head).series().collect()
    }

    /// Takes every good sample. The text says what was wrong with the first bad one.
    fn append(&self, request: &WriteRequest, now: UnixMillis) -> Option<String> {
        let mut first = None;
        for series in &request.timeseries {
            if let Some((count, reason)) = self.append_series(series, now) {
                self.accounts.rejected(reason, count);
                first.get_or_insert_with(|| format!("{reason}: {}", describe(series)));
            }
        }
        first
    }

    /// The number of samples refused, with the reason of the first.
    fn append_series(&self, series: &TimeSeries, now: UnixMillis) -> Option<(u64, Reason)> {
        let points: Vec<_> = points(series).collect();
        let total = u64::try_from(points.len()).unwrap_or(u64::MAX);
        let labels = match labels::check(&series.labels) {
            Ok(labels) => labels,
            Err(reason) => return Some((total.max(1), reason)),
        };
        if points.is_empty() {
            return Some((1, Reason::NoSample));
        }
        let appended = lock(&self.head).append(&labels, &points, now);
        let samples: Vec<_> = appended.stored.iter().filter_map(|point| point.sample()).collect();
        self.accounts.stored(&labels, &appended.stored, appended.repeated, now);
        self.store.samples(&labels, &samples);
        appended.refused // exemplars are let go without a word: AMP has none
    }
}

/// Floats and native histograms alike: what counts for order is time, for repeats the bits.
fn points(series: &TimeSeries) -> impl Iterator<Item = Point> {
    let floats = series.samples.iter().map(|s| Point::float(s.timestamp, s.value));
    floats.chain(series.histograms.iter().map(histogram))
}

fn histogram(histogram: &Histogram) -> Point {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    let encoded = histogram.encode_to_vec();
    encoded.hash(&mut hasher);
    let deltas = histogram.negative_deltas.len() + histogram.positive_deltas.len();
    let counts = histogram.negative_counts.len() + histogram.positive_counts.len();
    let size = HistogramSize { schema: histogram.schema, buckets: deltas + counts, bytes: encoded.len() };
    Point::histogram(histogram.timestamp, hasher.finish(), size)
}

impl Point {
    /// As the page shows it.
    fn sample(&self) -> Option<Sample> {
        self.value().map(|value| Sample::new(UnixMillis(self.at), value))
    }
}

fn describe(series: &TimeSeries) -> String {
    let pairs: Vec<_> = series.labels.iter().map(|l| format!("{}={:?}", l.name, l.value)).collect();
    let text = format!("{{{}}}", pairs.join(", "));
    text.chars().take(512).collect()
}

#[cfg(test)]
mod tests {
    use siphon_core::remote_write::v1::{Exemplar, Label};

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_000_000_000);

    fn amp() -> (Amp, Arc<Accounts>) {
        let accounts = Arc::new(Accounts::default());
        (Amp::new(Arc::clone(&accounts), Arc::new(Store::default())), accounts)
    }

    fn series(name: &str, samples: &[(i64, f64)]) -> TimeSeries {
        let labels = vec![Label { name: "__name__".into(), value: name.into() }];
        let samples = samples
            .iter()
            .map(|(at, value)| siphon_core::remote_write::v1::Sample { timestamp: NOW.0 + at, value: *value })
            .collect();
        TimeSeries { labels, samples, exemplars: Vec::new(), histograms: Vec::new() }
    }

    fn write(timeseries: Vec<TimeSeries>) -> WriteRequest {
        WriteRequest { timeseries, metadata: Vec::new() }
    }

    #[test]
    fn the_good_samples_of_a_bad_request_are_stored() {
        let (amp, accounts) = amp();
        let bad = TimeSeries { labels: Vec::new(), ..series("x", &[(0, 1.0), (1, 1.0)]) };
        let text =
            amp.append(&write(vec![series("a", &[(0, 1.0)]), bad, series("b", &[(0, 1.0)])]), NOW).unwrap();
        assert!(text.contains("missing metric name"), "{text}");
        let counts = accounts.counts();
        assert_eq!((counts.samples_stored, counts.samples_rejected), (2, 2));
    }

    #[test]
    fn a_repeat_is_counted_and_not_refused() {
        let (amp, accounts) = amp();
        let request = write(vec![series("a", &[(0, 1.0), (1, 2.0)])]);
        assert_eq!(amp.append(&request, NOW), None);
        assert_eq!(amp.append(&request, NOW), None);
        let counts = accounts.counts();
        assert_eq!((counts.samples_stored, counts.samples_repeated, counts.samples_rejected), (2, 2, 0));
    }

    #[test]
    fn an_exemplar_does_not_cost_its_sample() {
        let (amp, accounts) = amp();
        let exemplars = vec![Exemplar { labels: Vec::new(), value: 1.0, timestamp: NOW.0 }];
        assert_eq!(amp.append(&write(vec![TimeSeries { exemplars, ..series("a", &[(0, 1.0)]) }]), NOW), None);
        assert_eq!(accounts.counts().samples_stored, 1);
    }
}
