//! What series OTLP metrics should become: the rules of `prometheusremotewrite` once more, point by point and without
//! any haste, so that the translation that remembers what it has seen can be held to them.

mod names;

use std::collections::BTreeMap;

use siphon_core::otlp::{
    Buckets, Exemplar, ExemplarValue, ExponentialHistogramPoint, HistogramPoint, KeyValue, Metric,
    MetricData, MetricsRequest, NumberPoint, NumberValue, Resource, Scope, SummaryPoint, Value,
};
use siphon_core::prometheus::reason;
use siphon_core::series::STALE;

pub(crate) use self::names::units;

pub(crate) type Labels = BTreeMap<String, String>;

/// Labels of an exemplar, which may repeat themselves.
pub(crate) type Pairs = Vec<(String, String)>;

/// What a request becomes.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Expected {
    pub(crate) series: BTreeMap<Labels, Values>,
    /// By reason.
    pub(crate) dropped: BTreeMap<&'static str, u64>,
}

/// The values of one series, each with its time first. Numbers are bits.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Values {
    pub(crate) samples: Vec<(i64, u64)>,
    pub(crate) exemplars: Vec<(i64, u64, Pairs)>,
    pub(crate) histograms: Vec<(i64, Native)>,
}

/// A native histogram, by its populated buckets.
#[derive(Debug, PartialEq)]
pub(crate) struct Native {
    pub(crate) schema: i32,
    pub(crate) count: u64,
    pub(crate) zero_count: u64,
    pub(crate) zero_threshold: u64,
    pub(crate) sum: u64,
    pub(crate) negative: BTreeMap<i64, u64>,
    pub(crate) positive: BTreeMap<i64, u64>,
}

/// Where a point comes from.
#[derive(Clone, Copy)]
struct Origin<'a> {
    resource: &'a [KeyValue],
    scope: &'a Scope,
    /// The metric's, in Prometheus.
    name: &'a str,
}

pub(crate) fn expected(request: &MetricsRequest) -> Expected {
    let mut out = Expected::default();
    for of_resource in &request.resource_metrics {
        let Resource { attributes: resource } = of_resource.resource.clone().unwrap_or_default();
        let mut newest = 0;
        for of_scope in &of_resource.scope_metrics {
            let scope = of_scope.scope.clone().unwrap_or_default();
            for metric in &of_scope.metrics {
                newest = newest.max(times(metric).into_iter().max().unwrap_or(0));
                out.metric(metric, &resource, &scope);
            }
        }
        if let Some(labels) = target_info(&resource).filter(|_| newest > 0) {
            out.sample(labels, newest, 1.0);
        }
    }
    for values in out.series.values_mut() {
        values.samples.sort_by_key(|(at, _)| *at);
        values.exemplars.sort_by_key(|(at, ..)| *at);
        values.histograms.sort_by_key(|(at, _)| *at);
    }
    out
}

impl Expected {
    fn metric(&mut self, metric: &Metric, resource: &[KeyValue], scope: &Scope) {
        let points = times(metric).len() as u64;
        let refused = match &metric.data {
            Some(MetricData::Sum(data)) => refused(data.temporality),
            Some(MetricData::Histogram(data)) => refused(data.temporality),
            Some(MetricData::ExponentialHistogram(data)) => refused(data.temporality),
            _ => None,
        };
        let name = names::metric(metric);
        if let Some(reason) = refused.or(name.is_none().then_some(reason::METRIC_NAME)) {
            return self.drop(reason, points);
        }
        let Some(name) = &name else { return };
        let origin = Origin { resource, scope, name };
        match &metric.data {
            Some(MetricData::Gauge(data)) => data.points.iter().for_each(|p| self.number(p, origin, false)),
            Some(MetricData::Sum(data)) => {
                data.points.iter().for_each(|p| self.number(p, origin, data.monotonic));
            }
            Some(MetricData::Histogram(data)) => data.points.iter().for_each(|p| self.histogram(p, origin)),
            Some(MetricData::ExponentialHistogram(data)) => {
                data.points.iter().for_each(|p| self.exponential(p, origin));
            }
            Some(MetricData::Summary(data)) => data.points.iter().for_each(|p| self.summary(p, origin)),
            None => {}
        }
    }

    fn number(&mut self, point: &NumberPoint, origin: Origin<'_>, counts: bool) {
        let Some(labels) = self.labels(&point.attributes, origin) else { return };
        let value = match point.value {
            Some(NumberValue::Double(real)) => real,
            Some(NumberValue::Int(whole)) => whole as f64,
            None => 0.0,
        };
        let labels = labels.named("", None);
        self.sample(labels.clone(), point.time_unix_nano, stale_or(value, point.flags));
        if counts {
            point.exemplars.iter().for_each(|one| self.exemplar(labels.clone(), one));
        }
    }

    fn histogram(&mut self, point: &HistogramPoint, origin: Origin<'_>) {
        let Some(labels) = self.labels(&point.attributes, origin) else { return };
        let mut sample =
            |labels, value| self.sample(labels, point.time_unix_nano, stale_or(value, point.flags));
        if let Some(sum) = point.sum {
            sample(labels.named("_sum", None), sum);
        }
        sample(labels.named("_count", None), point.count as f64);
        let bucket = |bound: f64| labels.named("_bucket", Some(("le", bound)));
        let (mut bounds, mut below) = (Vec::new(), 0u64);
        for (bound, count) in point.explicit_bounds.iter().zip(&point.bucket_counts) {
            below = below.wrapping_add(*count);
            sample(bucket(*bound), below as f64);
            bounds.push(*bound);
        }
        sample(bucket(f64::INFINITY), point.count as f64);
        bounds.push(f64::INFINITY);
        bounds.retain(|bound| !bound.is_nan());
        bounds.sort_by(|a, b| a.partial_cmp(b).unwrap()); // -0 and 0 are one
        for one in &point.exemplars {
            if let Some(bound) = bounds.iter().find(|bound| seen(one).0 <= **bound) {
                self.exemplar(bucket(*bound), one);
            }
        }
    }

    fn summary(&mut self, point: &SummaryPoint, origin: Origin<'_>) {
        let Some(labels) = self.labels(&point.attributes, origin) else { return };
        let mut sample =
            |labels, value| self.sample(labels, point.time_unix_nano, stale_or(value, point.flags));
        sample(labels.named("_sum", None), point.sum);
        sample(labels.named("_count", None), point.count as f64);
        for one in &point.quantiles {
            sample(labels.named("", Some(("quantile", one.quantile))), one.value);
        }
    }

    fn exponential(&mut self, point: &ExponentialHistogramPoint, origin: Origin<'_>) {
        let Some(labels) = self.labels(&point.attributes, origin) else { return };
        if point.scale < -4 {
            return self.drop(reason::EXPONENTIAL_SCALE, 1);
        }
        let is_stale = point.flags & 1 == 1;
        let native = Native {
            schema: point.scale.min(8),
            count: if is_stale { STALE.to_bits() } else { point.count },
            zero_count: point.zero_count,
            zero_threshold: if point.zero_threshold == 0.0 { 1e-128 } else { point.zero_threshold }.to_bits(),
            sum: stale_or(point.sum.unwrap_or(0.0), point.flags).to_bits(),
            negative: buckets(point.negative.as_ref(), point.scale),
            positive: buckets(point.positive.as_ref(), point.scale),
        };
        let labels = labels.named("", None);
        let values = self.series.entry(labels.clone()).or_default();
        values.histograms.push((millis(point.time_unix_nano), native));
        point.exemplars.iter().for_each(|one| self.exemplar(labels.clone(), one));
    }

    fn labels<'a>(&mut self, own: &[KeyValue], origin: Origin<'a>) -> Option<PointLabels<'a>> {
        let labels = point_labels(own, origin);
        if labels.is_none() {
            self.drop(reason::LABEL_NAME, 1);
        }
        labels
    }

    fn sample(&mut self, labels: Labels, time_unix_nano: u64, value: f64) {
        let values = self.series.entry(labels).or_default();
        values.samples.push((millis(time_unix_nano), value.to_bits()));
    }

    fn exemplar(&mut self, series: Labels, given: &Exemplar) {
        let id = |name: &str, id: &[u8]| (name.to_owned(), hex::encode(id));
        let mut labels = Vec::new();
        if given.trace_id.iter().any(|byte| *byte != 0) {
            labels.push(id("trace_id", &given.trace_id));
        }
        if given.span_id.iter().any(|byte| *byte != 0) {
            labels.push(id("span_id", &given.span_id));
        }
        let attributes = given.filtered_attributes.iter().map(|a| (a.key.clone(), text(a)));
        let all: Vec<_> = labels.iter().cloned().chain(attributes.clone()).collect();
        if all.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum::<usize>() <= 128
        {
            labels.extend(attributes.filter(|(name, _)| !name.is_empty()));
        }
        let (value, at) = seen(given);
        self.series.entry(series).or_default().exemplars.push((at, value.to_bits(), labels));
    }

    fn drop(&mut self, reason: &'static str, points: u64) {
        if points > 0 {
            *self.dropped.entry(reason).or_default() += points;
        }
    }
}

/// Labels of a point, but for the series' name.
struct PointLabels<'a> {
    labels: Labels,
    name: &'a str,
}

impl PointLabels<'_> {
    fn named(&self, suffix: &str, extra: Option<(&str, f64)>) -> Labels {
        let mut labels = self.labels.clone();
        labels.insert("__name__".to_owned(), format!("{}{suffix}", self.name));
        labels.extend(extra.map(|(name, number)| (name.to_owned(), names::number(number))));
        labels
    }
}

/// A resource's attributes replace a point's, and are joined with those that make the same label.
fn point_labels<'a>(own: &[KeyValue], origin: Origin<'a>) -> Option<PointLabels<'a>> {
    let mut all = own.to_vec();
    let mut given = origin.resource.to_vec();
    given.reverse();
    given.sort_by(|a, b| a.key.cmp(&b.key));
    given.dedup_by(|later, kept| later.key == kept.key); // the last of them stays
    for attribute in given {
        let place = all.iter().position(|a| a.key == attribute.key);
        let has_label = names::label(&attribute.key).is_some();
        match (place, has_label) {
            (Some(place), true) => all[place] = attribute,
            (Some(place), false) => drop(all.remove(place)), // ours: it costs no point
            (None, true) => all.push(attribute),
            (None, false) => {}
        }
    }
    let mut labels = joined(&all, names::label)?;
    labels.extend(target(origin.resource));
    labels.extend(scope_labels(origin.scope));
    Some(PointLabels { labels, name: origin.name })
}

/// `None` where a key makes no label name.
fn joined(attributes: &[KeyValue], name: fn(&str) -> Option<String>) -> Option<Labels> {
    let mut sorted: Vec<&KeyValue> = attributes.iter().filter(|a| !text(a).is_empty()).collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    let mut labels = Labels::new();
    for attribute in sorted {
        let value = text(attribute);
        match labels.get_mut(&name(&attribute.key)?) {
            Some(first) if *first == value => {}
            Some(first) => *first = format!("{first};{value}"),
            None => drop(labels.insert(name(&attribute.key)?, value)),
        }
    }
    Some(labels)
}

fn scope_labels(scope: &Scope) -> Labels {
    let own = [("otel_scope_name", &scope.name), ("otel_scope_version", &scope.version)];
    let own = own.map(|(name, value)| (name.to_owned(), value.clone()));
    let is_own = |key: &str| ["name", "version", "schema_url"].contains(&key);
    let others = scope.attributes.iter().filter(|a| !is_own(&a.key));
    let others = others.filter_map(|a| Some((names::label(&format!("otel_scope_{}", a.key))?, text(a))));
    own.into_iter().chain(others).filter(|(_, value)| !value.is_empty()).collect()
}

fn target(resource: &[KeyValue]) -> Labels {
    let find = |key: &str| resource.iter().find(|a| a.key == key).map(text);
    let mut labels = Labels::new();
    if let Some(name) = find("service.name").filter(|name| !name.is_empty()) {
        let before = find("service.namespace").map(|namespace| format!("{namespace}/")).unwrap_or_default();
        labels.insert("job".to_owned(), format!("{before}{name}"));
    }
    if let Some(instance) = find("service.instance.id").filter(|id| !id.is_empty()) {
        labels.insert("instance".to_owned(), instance);
    }
    labels
}

fn target_info(resource: &[KeyValue]) -> Option<Labels> {
    let identity = ["service.name", "service.namespace", "service.instance.id"];
    let told: Vec<_> = resource.iter().filter(|a| !identity.contains(&a.key.as_str())).cloned().collect();
    let mut labels = joined(&told, names::target_label)?;
    labels.extend(target(resource));
    labels.insert("__name__".to_owned(), "target_info".to_owned());
    let can_be_joined = labels.contains_key("job") || labels.contains_key("instance");
    let in_target = identity.iter().filter(|key| resource.iter().any(|a| a.key == **key)).count();
    (resource.len() > in_target && can_be_joined).then_some(labels)
}

fn times(metric: &Metric) -> Vec<u64> {
    match &metric.data {
        Some(MetricData::Gauge(data)) => data.points.iter().map(|p| p.time_unix_nano).collect(),
        Some(MetricData::Sum(data)) => data.points.iter().map(|p| p.time_unix_nano).collect(),
        Some(MetricData::Histogram(data)) => data.points.iter().map(|p| p.time_unix_nano).collect(),
        Some(MetricData::ExponentialHistogram(data)) => {
            data.points.iter().map(|p| p.time_unix_nano).collect()
        }
        Some(MetricData::Summary(data)) => data.points.iter().map(|p| p.time_unix_nano).collect(),
        None => Vec::new(),
    }
}

fn refused(temporality: i32) -> Option<&'static str> {
    match temporality {
        1 => Some(reason::DELTA_TEMPORALITY),
        2 => None,
        _ => Some(reason::UNSPECIFIED_TEMPORALITY),
    }
}

fn millis(time_unix_nano: u64) -> i64 {
    time_unix_nano.cast_signed() / 1_000_000
}

fn stale_or(value: f64, flags: u32) -> f64 {
    if flags & 1 == 1 { STALE } else { value }
}

/// What an exemplar is of, and when.
fn seen(exemplar: &Exemplar) -> (f64, i64) {
    let at = exemplar.time_unix_nano.cast_signed().div_euclid(1_000_000);
    match exemplar.value {
        Some(ExemplarValue::Double(real)) => (real, at),
        Some(ExemplarValue::Int(whole)) => (whole as f64, at),
        None => (0.0, 0),
    }
}

/// By Prometheus' indexes, which count by upper bound, at schema 8 or coarser.
fn buckets(given: Option<&Buckets>, scale: i32) -> BTreeMap<i64, u64> {
    let mut buckets = BTreeMap::new();
    for (index, count) in (0i64..).zip(given.map(|b| b.counts.as_slice()).unwrap_or_default()) {
        let index = index + i64::from(given.map_or(0, |b| b.offset));
        let merged = index.div_euclid(1 << (scale - 8).clamp(0, 60));
        *buckets.entry(merged + 1).or_default() += *count;
    }
    buckets.retain(|_, count| *count > 0);
    buckets
}

/// Of the values that the generator makes.
pub(crate) fn text(attribute: &KeyValue) -> String {
    match attribute.value() {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(is)) => is.to_string(),
        Some(Value::Int(whole)) => whole.to_string(),
        Some(Value::Double(real)) => real.to_string(),
        Some(Value::Bytes(_)) => "AP8=".to_owned(),
        Some(Value::Array(_)) => "[1,\"x\",null]".to_owned(),
        Some(Value::Map(_)) => "{\"k\":true}".to_owned(),
    }
}
