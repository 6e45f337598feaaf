//! OTLP metrics to series, as the OpenTelemetry exporter `prometheusremotewrite` v0.156.0 translates them with resource
//! attributes as labels.
//!
//! ```text
//!   resource ─► ResourceLabels ─► target_info
//!                     └─► scope ─► CommonLabels ─┐
//!   metric ─► name, kind ────────────────────────┼─► label set, once for each series ─► SeriesId ─┐
//!   point  ─► own labels ────────────────────────┘                                                ├─► Batch
//!          └► time, values ───────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A [`Translator`] reads requests where they lie and knows what it has seen: a resource, a scope and a series are
//! recognized by their bytes, so that labels are made once for each, not once for each point.
//!
//! Ours differs where that one loses or garbles data: a resource attribute whose key makes no label name is left out
//! rather than cost all points of its resource; buckets of exponential histograms finer than Prometheus knows are
//! merged exactly.

mod attributes;
mod common;
mod exemplars;
mod exponential;
mod filter;
mod known;
mod labels;
pub(crate) mod names;
mod part;
mod points;
mod resource;
mod scraped;
#[cfg(test)]
pub(crate) mod testing;
mod translator;

pub use filter::ResourceFilter;
pub(crate) use filter::is_curated_label;
pub use part::Rest;
pub(crate) use resource::TARGET_INFO;
pub use scraped::{ScrapeTranslator, Scraped, UnreadableScrape};
pub use translator::Translator;

use crate::series::Batch;

/// How OTLP metrics are translated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether names end in unit and kind (`_seconds`, `_total`).
    pub suffixes: bool,
    /// Which resource attributes become labels.
    pub resource_labels: ResourceFilter,
}

impl Default for Options {
    fn default() -> Self {
        Self { suffixes: true, resource_labels: ResourceFilter::default() }
    }
}

/// What a request became.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Translation {
    /// What can be sent.
    pub batch: Batch,
    /// What was left out.
    pub dropped: Vec<Drop>,
}

/// Points that were left out for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drop {
    /// One of the `reason` constants.
    pub reason: &'static str,
    /// How many.
    pub points: u64,
}

/// Why points are left out.
pub mod reason {
    /// A sum or histogram counts from the point before: Prometheus counts from the start.
    pub const DELTA_TEMPORALITY: &str = "delta_temporality";
    /// A sum or histogram doesn't say what it counts from.
    pub const UNSPECIFIED_TEMPORALITY: &str = "unspecified_temporality";
    /// Nothing of the metric's name can be kept.
    pub const METRIC_NAME: &str = "metric_name";
    /// Nothing of an attribute's key can be kept.
    pub const LABEL_NAME: &str = "label_name";
    /// An exponential histogram is coarser than native histograms can be.
    pub const EXPONENTIAL_SCALE: &str = "exponential_scale";
    /// A scraped text has a line that is none; counted as one sample: nobody knows how many there would have been.
    pub const EXPOSITION: &str = "exposition";
    /// A scraped text has a series twice for one time, with different values. The first one counts.
    pub const DUPLICATE: &str = "duplicate_sample";
    /// A scraped text gives a sample an earlier time than it gave the last one of the series.
    pub const OUT_OF_ORDER: &str = "out_of_order";
}

impl Translation {
    pub(crate) fn count_drop(&mut self, reason: &'static str, points: u64) {
        match self.dropped.iter_mut().find(|drop| drop.reason == reason) {
            Some(drop) => drop.points += points,
            None if points > 0 => self.dropped.push(Drop { reason, points }),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::{
        testing::{attributes, metric, point, request, shown},
        *,
    };
    use crate::{
        otlp::{
            AnyValue, ArrayValue, ExponentialHistogram, ExponentialHistogramPoint, Gauge, Histogram,
            HistogramPoint, KeyValue, Metric, MetricData, NumberPoint, Quantile, Scope, Sum, Summary,
            SummaryPoint, Value,
        },
        series::{LabelSets, NAME, Series},
    };

    #[test]
    fn a_histogram_with_its_resource_and_scope() {
        let histogram = Histogram {
            points: vec![HistogramPoint {
                time_unix_nano: 1_700_000_000_123_456_789,
                count: 8,
                sum: Some(5.5),
                bucket_counts: vec![3, 4, 1],
                explicit_bounds: vec![0.1, 1.0],
                attributes: attributes(&[("http.request.method", "GET"), ("cloud.region", "overridden")]),
                ..HistogramPoint::default()
            }],
            temporality: 2,
        };
        let mut duration = metric("http.server.request.duration", MetricData::Histogram(histogram));
        duration.unit = "s".to_owned();
        let scope = Scope { name: "io.app.http".to_owned(), version: "2".to_owned(), attributes: vec![] };
        let resource = [
            ("service.name", "checkout"),
            ("service.namespace", "shop"),
            ("cloud.region", "eu-west-1"),
            ("empty", ""),
        ];
        let mut request = request(&resource, Some(scope), vec![duration]);
        let group = AnyValue { value: Some(Value::String("/ecs/checkout".to_owned())) };
        let groups = AnyValue { value: Some(Value::Array(ArrayValue { values: vec![group] })) };
        let own = request.resource_metrics[0].resource.as_mut().unwrap();
        own.attributes.push(KeyValue { key: "aws.log.group.names".to_owned(), value: Some(groups) });

        let name = "http_server_request_duration_seconds";
        let logs = "aws_log_group_names=[\"/ecs/checkout\"]";
        let before = format!("{logs},cloud_region=eu-west-1,http_request_method=GET,job=shop/checkout");
        let after =
            "otel_scope_name=io.app.http,otel_scope_version=2,service_name=checkout,service_namespace=shop";
        assert_eq!(
            shown(&request),
            [
                format!("{name}_sum{{{before},{after}}} 5.5@1700000000123"),
                format!("{name}_count{{{before},{after}}} 8@1700000000123"),
                format!("{name}_bucket{{{before},le=0.1,{after}}} 3@1700000000123"),
                format!("{name}_bucket{{{before},le=1,{after}}} 7@1700000000123"),
                format!("{name}_bucket{{{before},le=+Inf,{after}}} 8@1700000000123"),
                format!("target_info{{{logs},cloud_region=eu-west-1,job=shop/checkout}} 1@1700000000123"),
            ]
        );
    }

    #[test]
    fn points_of_one_label_set_become_one_series_in_time_order() {
        let at = |millis: u64| {
            let mut point = point(&[("a", "b")]);
            point.time_unix_nano = millis * 1_000_000;
            point
        };
        let gauges = vec![testing::gauge(vec![at(7), at(5)]), testing::gauge(vec![at(6), at(7)])];
        assert_eq!(shown(&request(&[], None, gauges)), ["g{a=b} 1@5 1@6 1@7 1@7"]);
    }

    #[test]
    fn a_series_tells_its_kind_its_description_and_its_unit() {
        let describe = |name: &str, unit: &str, data: MetricData| Metric {
            description: format!("About {name}."),
            unit: unit.to_owned(),
            ..metric(name, data)
        };
        let sum = |monotonic| MetricData::Sum(Sum { points: vec![point(&[])], temporality: 2, monotonic });
        let histogram = Histogram { points: vec![HistogramPoint::default()], temporality: 2 };
        let exponential = ExponentialHistogramPoint::default();
        let exponential = ExponentialHistogram { points: vec![exponential], temporality: 2 };
        let metrics = vec![
            describe("c", "s", sum(true)),
            describe("u", "By/s", sum(false)),
            describe("g", "{thing}", MetricData::Gauge(Gauge { points: vec![point(&[])] })),
            describe("h", "s", MetricData::Histogram(histogram)),
            describe("e", "", MetricData::ExponentialHistogram(exponential)),
            describe("s", "1", MetricData::Summary(Summary { points: vec![SummaryPoint::default()] })),
        ];
        let request = request(&[("service.name", "s"), ("a", "b")], None, metrics).encode_to_vec();
        let (mut sets, options) = (LabelSets::default(), Options::default());
        let mut made = Translator::new(&options, None).translate(&request, &mut sets).unwrap();
        let told = |series: Series<'_>| {
            let metadata = sets.metadata(series.id).unwrap();
            let name = sets.get(series.id).unwrap().get(NAME).unwrap();
            format!("{name} {:?} [{}] {}", metadata.kind, metadata.unit, metadata.help)
        };
        assert_eq!(
            made.batch.by_series().map(told).collect::<Vec<_>>(),
            [
                "c_seconds_total Counter [seconds] About c.",
                "u_bytes_per_second Gauge [bytes_per_second] About u.",
                "g Gauge [] About g.",
                "h_seconds_count Histogram [seconds] About h.",
                "h_seconds_bucket Histogram [seconds] About h.",
                "e Histogram [] About e.",
                "s_sum Summary [] About s.",
                "s_count Summary [] About s.",
                "target_info Gauge [] Target metadata",
            ]
        );
    }

    #[test]
    fn what_counts_tells_since_when() {
        let (start_time_unix_nano, time_unix_nano) = (2_000_000, 5_000_000);
        let number = || NumberPoint { start_time_unix_nano, ..point(&[]) };
        let histogram =
            HistogramPoint { start_time_unix_nano, time_unix_nano, count: 1, ..Default::default() };
        let exponential =
            ExponentialHistogramPoint { start_time_unix_nano, time_unix_nano, ..Default::default() };
        let quantiles = vec![Quantile { quantile: 0.5, value: 1.0 }];
        let summary = SummaryPoint { start_time_unix_nano, time_unix_nano, quantiles, ..Default::default() };
        let sum = |monotonic| MetricData::Sum(Sum { points: vec![number()], temporality: 2, monotonic });
        let metrics = vec![
            metric("c", sum(true)),
            metric("u", sum(false)),
            metric("g", MetricData::Gauge(Gauge { points: vec![number()] })),
            metric("h", MetricData::Histogram(Histogram { points: vec![histogram], temporality: 2 })),
            metric(
                "e",
                MetricData::ExponentialHistogram(ExponentialHistogram {
                    points: vec![exponential],
                    temporality: 2,
                }),
            ),
            metric("s", MetricData::Summary(Summary { points: vec![summary] })),
        ];
        let request = request(&[], None, metrics).encode_to_vec();
        let (mut sets, options) = (LabelSets::default(), Options::default());
        let mut made = Translator::new(&options, None).translate(&request, &mut sets).unwrap();
        let since = |series: Series<'_>| {
            let samples = series.samples.iter().map(|(_, sample)| sample.start);
            let start = samples.chain(series.histograms.iter().map(|(_, h)| h.start)).next().unwrap();
            let name = sets.get(series.id).unwrap().get(NAME).unwrap();
            format!("{name} {}", start.known().map_or_else(String::new, |at| at.to_string()))
        };
        assert_eq!(
            made.batch.by_series().map(since).collect::<Vec<_>>(),
            ["c_total 2", "u ", "g ", "h_count 2", "h_bucket 2", "e 2", "s_sum 2", "s_count 2", "s "]
        );
    }
}
