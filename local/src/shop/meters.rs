//! An application's measurements, cumulative since its start.

use std::collections::BTreeMap;

use siphon_core::otlp::{
    Gauge, Histogram, HistogramPoint, KeyValue, Metric, MetricData, NumberPoint, NumberValue, Sum,
    Temporality,
};

use super::{span::attribute, story::Served};

/// Upper bounds of request durations in seconds, as the semantic conventions advise.
const BOUNDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

pub(super) struct Meters {
    /// Unix nanoseconds.
    started: u64,
    durations: BTreeMap<(&'static str, &'static str, i64), Durations>,
    orders: u64,
    revenue: f64,
    busiest_seconds: f64,
}

#[derive(Default)]
struct Durations {
    buckets: [u64; BOUNDS.len() + 1],
    sum: f64,
}

impl Meters {
    pub(super) fn new(started: u64) -> Self {
        Self { started, durations: BTreeMap::new(), orders: 0, revenue: 0.0, busiest_seconds: 0.0 }
    }

    pub(super) fn record(&mut self, served: &Served) {
        let Served { method, route, status, seconds, .. } = *served;
        let durations = self.durations.entry((method, route, status)).or_default();
        let bucket = BOUNDS.partition_point(|bound| *bound < seconds);
        if let Some(count) = durations.buckets.get_mut(bucket) {
            *count += 1;
        }
        durations.sum += seconds;
        self.busiest_seconds = self.busiest_seconds.max(seconds);
        if route == "/orders" && status == 200 {
            self.orders += 1;
            self.revenue += 10.0 + seconds * 100.0;
        }
    }

    /// All metrics at `now`, Unix nanoseconds. The slowest request is that since the last export.
    pub(super) fn export(&mut self, now: u64) -> Vec<Metric> {
        let number = |start: u64, value: NumberValue| NumberPoint {
            start_time_unix_nano: start,
            time_unix_nano: now,
            value: Some(value),
            exemplars: Vec::new(),
            attributes: Vec::new(),
            flags: 0,
        };
        let counter = |value| {
            MetricData::Sum(Sum {
                points: vec![number(self.started, value)],
                temporality: Temporality::Cumulative as i32,
                monotonic: true,
            })
        };
        let orders = i64::try_from(self.orders).unwrap_or(i64::MAX);
        let slowest = std::mem::take(&mut self.busiest_seconds);
        vec![
            metric("shop.orders", "{order}", counter(NumberValue::Int(orders))),
            metric("shop.revenue", "EUR", counter(NumberValue::Double(self.revenue))),
            metric(
                "shop.request.slowest",
                "s",
                MetricData::Gauge(Gauge { points: vec![number(0, NumberValue::Double(slowest))] }),
            ),
            metric("http.server.request.duration", "s", self.request_durations(now)),
        ]
    }

    fn request_durations(&self, now: u64) -> MetricData {
        let points = self.durations.iter().map(|((method, route, status), durations)| HistogramPoint {
            start_time_unix_nano: self.started,
            time_unix_nano: now,
            count: durations.buckets.iter().sum(),
            sum: Some(durations.sum),
            bucket_counts: durations.buckets.to_vec(),
            explicit_bounds: BOUNDS.to_vec(),
            exemplars: Vec::new(),
            attributes: request_attributes(method, route, *status),
            flags: 0,
        });
        MetricData::Histogram(Histogram {
            points: points.collect(),
            temporality: Temporality::Cumulative as i32,
        })
    }
}

fn request_attributes(method: &str, route: &str, status: i64) -> Vec<KeyValue> {
    vec![
        attribute("http.request.method", method),
        attribute("http.route", route),
        attribute("http.response.status_code", status),
    ]
}

fn metric(name: &str, unit: &str, data: MetricData) -> Metric {
    Metric { name: name.to_owned(), unit: unit.to_owned(), data: Some(data), ..Metric::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_add_up_over_exports() {
        let mut meters = Meters::new(1);
        let served = Served { task: 0, method: "POST", route: "/orders", status: 200, seconds: 0.05 };
        meters.record(&served);
        meters.export(2);
        meters.record(&Served { seconds: 20.0, ..served });
        let metrics = meters.export(3);
        let [orders, _, slowest, durations] = &metrics[..] else { panic!("{}", metrics.len()) };
        let Some(MetricData::Sum(orders)) = &orders.data else { panic!("no sum") };
        assert_eq!(orders.points[0].value, Some(NumberValue::Int(2)));
        let Some(MetricData::Gauge(slowest)) = &slowest.data else { panic!("no gauge") };
        assert_eq!(slowest.points[0].value, Some(NumberValue::Double(20.0)));
        let Some(MetricData::Histogram(durations)) = &durations.data else { panic!("no histogram") };
        let point = &durations.points[0];
        assert_eq!((point.count, point.bucket_counts[3], point.bucket_counts[14]), (2, 1, 1));
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (1, 3));
    }
}
