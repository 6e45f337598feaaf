//! Points to `ExportMetricsServiceRequest`s of bounded size, in order: one metric after the other.

use prost::Message;

use super::{SCOPE, Type, key, point::Point};
use crate::{
    otlp::{ExponentialHistogram, Gauge, Histogram, Metric, MetricData, Scope, Sum, Summary, Temporality},
    protobuf::write,
    units::UnixMillis,
};

const NANOS_PER_MILLI: u64 = 1_000_000;
const CUMULATIVE: i32 = Temporality::Cumulative as i32;

/// Bytes of a metric, and of a request, beside its points and its name; rounded up.
const FRAME_BYTES: usize = 64;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// An `ExportMetricsServiceRequest`, protobuf.
    pub payload: Vec<u8>,
    /// How many points are in it.
    pub points: u64,
}

/// Requests in the making.
pub(super) struct Records<S> {
    time_ns: u64,
    max_bytes: usize,
    store: S,
    /// Encoded metrics of the request at hand.
    metrics: Vec<u8>,
    points: u64,
    /// The metric at hand: its name and type as in keys, its points, and at most how many bytes it takes.
    metric: Vec<u8>,
    data: Vec<Point>,
    metric_bytes: usize,
}

impl<S: FnMut(Record)> Records<S> {
    pub(super) fn new(at: UnixMillis, max_bytes: usize, store: S) -> Self {
        Self {
            time_ns: nanos(at),
            max_bytes,
            store,
            metrics: Vec::new(),
            points: 0,
            metric: Vec::new(),
            data: Vec::new(),
            metric_bytes: 0,
        }
    }

    /// Adds the point of the series of `key`. Points of one metric come one after the other.
    pub(super) fn add(&mut self, key: &[u8], mut point: Point, start: UnixMillis, has_ended: bool) {
        let metric = key::metric(key);
        point.stamp(nanos(start), self.time_ns, has_ended);
        let bytes = write::delimited_len(point.encoded_len());
        let together = self.metrics.len() + self.metric_bytes + metric.len() + bytes + 2 * FRAME_BYTES;
        let is_full = together > self.max_bytes;
        if is_full || metric != self.metric {
            self.close_metric();
        }
        if is_full {
            self.close();
        }
        if self.data.is_empty() {
            self.metric.clear();
            self.metric.extend_from_slice(metric);
            self.metric_bytes = metric.len() + FRAME_BYTES;
        }
        self.metric_bytes += bytes;
        self.data.push(point);
    }

    /// Gives out what is left.
    pub(super) fn finish(mut self) {
        self.close_metric();
        self.close();
    }

    fn close_metric(&mut self) {
        if self.data.is_empty() {
            return;
        }
        self.points += self.data.len() as u64;
        let (name, kind) = key::name(&self.metric);
        let unit = if kind == Type::Timer { "ms" } else { "" };
        let data = Some(data(kind, self.data.drain(..)));
        let metric = Metric { name: name.to_owned(), unit: unit.to_owned(), data, ..Metric::default() };
        write::bytes(2, &metric.encode_to_vec(), &mut self.metrics);
        self.metric_bytes = 0;
    }

    /// Wraps the metrics up: the request has one resource, without attributes, and one scope.
    fn close(&mut self) {
        if self.metrics.is_empty() {
            return;
        }
        let scope = Scope { name: SCOPE.to_owned(), ..Scope::default() }.encode_to_vec();
        let of_scope = write::delimited_len(scope.len()) + self.metrics.len();
        let of_resource = write::delimited_len(of_scope);
        let mut payload = Vec::with_capacity(write::delimited_len(of_resource));
        write::delimited(1, of_resource, &mut payload);
        write::delimited(2, of_scope, &mut payload);
        write::bytes(1, &scope, &mut payload);
        payload.append(&mut self.metrics);
        (self.store)(Record { payload, points: std::mem::take(&mut self.points) });
    }
}

/// The points of one metric. All are of the kind that its type makes.
fn data(kind: Type, points: impl Iterator<Item = Point>) -> MetricData {
    let (mut numbers, mut histograms, mut natives, mut summaries) = (vec![], vec![], vec![], vec![]);
    for point in points {
        match point {
            Point::Number(point) => numbers.push(point),
            Point::Histogram(point) => histograms.push(point),
            Point::Native(point) => natives.push(point),
            Point::Summary(point) => summaries.push(point),
        }
    }
    if !histograms.is_empty() {
        MetricData::Histogram(Histogram { points: histograms, temporality: CUMULATIVE })
    } else if !natives.is_empty() {
        MetricData::ExponentialHistogram(ExponentialHistogram { points: natives, temporality: CUMULATIVE })
    } else if !summaries.is_empty() {
        MetricData::Summary(Summary { points: summaries })
    } else if kind == Type::Counter {
        MetricData::Sum(Sum { points: numbers, temporality: CUMULATIVE, monotonic: true })
    } else {
        MetricData::Gauge(Gauge { points: numbers })
    }
}

fn nanos(at: UnixMillis) -> u64 {
    u64::try_from(at.0).unwrap_or(0).saturating_mul(NANOS_PER_MILLI)
}
