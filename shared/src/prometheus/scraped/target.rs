//! A target and its series that were seen, each recognized by its text.

use std::{borrow::Cow, collections::HashSet, net::IpAddr, sync::Arc};

use foldhash::HashMap;

use super::{
    super::{
        common::{CommonLabels, PointLabels},
        filter::ResourceFilter,
        reason,
        resource::{ResourceLabels, TARGET_INFO},
    },
    family::Of,
    report,
};
use crate::{
    ecs::Identity,
    exposition::{self, Exposition, Labels, Sample, SyntaxError},
    otlp::{AnyValue, KeyValue, Resource, Scope, Value},
    scrapes::Target,
    series::{Exemplar, Label, LabelSet, LabelSets, Metadata, MetricKind, SeriesId, Start, settled},
    units::UnixMillis,
};

/// The scope of what is scraped, as ADOT names it. Ours has no version: with each release all series would begin anew.
pub(super) const SCOPE: &str =
    "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/prometheusreceiver";

/// How labels begin that make a scope of their own.
const SCOPE_LABELS: &str = "otel_scope_";

/// OpenMetrics allows this many characters in an exemplar's labels, names and values together.
const MAX_EXEMPLAR_CHARS: usize = 128;

/// A target whose series were seen.
pub(super) struct KnownTarget {
    /// Of samples that don't say which scope they are of, and of the others.
    scoped: CommonLabels,
    unscoped: CommonLabels,
    /// Those of the report and, if there is any, `target_info`.
    report: Vec<SeriesId>,
    /// By the text of the series, for each kind of metric that it was seen as.
    series: HashMap<MetricKind, HashMap<Box<str>, Known>>,
    metadata: HashMap<Box<str>, Arc<Metadata>>,
    /// What began to count at one time: by metric and labels.
    points: HashMap<String, usize>,
}

/// What is known of a series.
#[derive(Clone, Copy)]
pub(super) enum Known {
    Series(Series),
    /// It tells when a point began to count.
    Created(usize),
    /// It tells what the target is.
    Told,
    /// Its samples are left out.
    Dropped(&'static str),
}

/// A series.
#[derive(Clone, Copy)]
pub(super) struct Series {
    pub(super) id: SeriesId,
    /// It is of a counter or histogram.
    pub(super) has_exemplars: bool,
    point: Option<usize>,
}

/// The series of all samples of a text.
pub(super) struct Resolved {
    pub(super) series: Vec<Known>,
    /// When points began to count.
    starts: HashMap<usize, UnixMillis>,
}

impl Resolved {
    /// When a sample's series began to count.
    pub(super) fn start(&self, series: Series, at: UnixMillis) -> Start {
        let start = series.point.and_then(|point| self.starts.get(&point)).filter(|start| **start < at);
        start.map_or(Start::UNKNOWN, |start| Start::at(*start))
    }
}

impl KnownTarget {
    pub(super) fn new(
        target: &Target,
        told: &[(String, String)],
        identity: Option<&Identity>,
        filter: &ResourceFilter,
        sets: &mut LabelSets,
    ) -> Self {
        let mut resource = resource(target, told);
        identity.inspect(|identity| identity.apply(&mut resource));
        let resource = Arc::new(ResourceLabels::new(resource, filter));
        let scope = Scope { name: SCOPE.to_owned(), ..Scope::default() };
        let scoped = CommonLabels::new(Arc::clone(&resource), &scope);
        let mut report: Vec<_> = scoped.with_own([]).map_or_else(Vec::new, |labels| report(&labels, sets));
        report
            .extend(resource.target_info.clone().map(|info| sets.id_of(info, &gauge("Target metadata", ""))));
        Self {
            scoped,
            unscoped: CommonLabels::new(resource, &Scope::default()),
            report,
            series: HashMap::default(),
            metadata: HashMap::default(),
            points: HashMap::default(),
        }
    }

    /// The series of a report, then `target_info`, if the target has any.
    pub(super) fn report(&self) -> &[SeriesId] {
        &self.report
    }

    /// The series of all samples.
    ///
    /// # Errors
    /// [`SyntaxError`] where one has a label twice.
    pub(super) fn resolve(
        &mut self,
        exposition: &Exposition<'_>,
        suffixes: bool,
        sets: &mut LabelSets,
    ) -> Result<Resolved, SyntaxError> {
        let mut resolved =
            Resolved { series: Vec::with_capacity(exposition.samples.len()), starts: HashMap::default() };
        let mut of = Of::find(&exposition.families, "");
        for sample in &exposition.samples {
            let name = exposition::metric(sample.series);
            if of.name != name {
                of = Of::find(&exposition.families, name);
            }
            let known = self.known(sample, &of, suffixes, sets).ok_or(SyntaxError {
                line: sample.line,
                what: "a label name comes twice",
                samples_before: resolved.series.len(),
            })?;
            if let Known::Created(point) = known {
                resolved.starts.insert(point, millis(sample.value));
            }
            resolved.series.push(known);
        }
        Ok(resolved)
    }

    fn known(
        &mut self,
        sample: &Sample<'_>,
        of: &Of<'_>,
        suffixes: bool,
        sets: &mut LabelSets,
    ) -> Option<Known> {
        if let Some(known) = self.series.get(&of.kind).and_then(|series| series.get(sample.series)) {
            return Some(*known);
        }
        let known = self.new_series(sample.series, of, suffixes, sets)?;
        self.series.entry(of.kind).or_default().insert(sample.series.into(), known);
        Some(known)
    }

    /// `None` if it has a label twice.
    fn new_series(&mut self, text: &str, of: &Of<'_>, suffixes: bool, sets: &mut LabelSets) -> Option<Known> {
        let mut own: Vec<(&str, Cow<'_, str>)> = Labels::of(text).collect();
        let mut names = HashSet::from([crate::series::NAME]);
        if !own.iter().all(|(name, _)| names.insert(name)) {
            return None;
        }
        if of.name == TARGET_INFO {
            return Some(Known::Told);
        }
        let extra = of.take_bound(&mut own);
        let point = of.counts(extra.is_some()).then(|| self.point(of.metric, &own));
        if let Some(point) = point.filter(|_| of.tells_start()) {
            return Some(Known::Created(point));
        }
        let own =
            own.into_iter().map(|(name, value)| (exposed_name(name, &names), value)).collect::<Vec<_>>();
        let is_scoped = own.iter().any(|(name, _)| name.starts_with(SCOPE_LABELS));
        let common = if is_scoped { &self.unscoped } else { &self.scoped };
        let given = own.iter().map(|(name, value)| (&**name, Cow::Borrowed(&**value)));
        let Some(labels) = common.with_own(given) else { return Some(Known::Dropped(reason::LABEL_NAME)) };
        let Some(name) = of.series_name(suffixes) else { return Some(Known::Dropped(reason::METRIC_NAME)) };
        let labels = labels.of_series(&name, extra.as_ref().map(|(label, bound)| (*label, bound.as_str())));
        let metadata = self.metadata.entry(of.metric.into()).or_insert_with(|| of.metadata());
        let has_exemplars = matches!(of.kind, MetricKind::Counter | MetricKind::Histogram);
        Some(Known::Series(Series { id: sets.id_of(labels, metadata), has_exemplars, point }))
    }

    /// The point that a series of `metric` with these labels is of.
    fn point(&mut self, metric: &str, own: &[(&str, Cow<'_, str>)]) -> usize {
        let labels: LabelSet = own.iter().map(|(name, value)| (*name, &**value)).collect();
        let next = self.points.len();
        *self.points.entry(format!("{metric}{labels:?}")).or_insert(next)
    }
}

/// The name of a target's own label where Prometheus has one of that name.
fn exposed_name<'a>(name: &'a str, names: &HashSet<&str>) -> Cow<'a, str> {
    let mut exposed = Cow::Borrowed(name);
    if ["job", "instance"].contains(&name) {
        while exposed == name || names.contains(&*exposed) {
            exposed = format!("exported_{exposed}").into();
        }
    }
    exposed
}

fn report(labels: &PointLabels<'_>, sets: &mut LabelSets) -> Vec<SeriesId> {
    let series = report::SERIES.into_iter();
    series.map(|(name, help, unit)| sets.id_of(labels.of_series(name, None), &gauge(help, unit))).collect()
}

fn gauge(help: &str, unit: &str) -> Arc<Metadata> {
    Arc::new(Metadata { kind: MetricKind::Gauge, help: help.to_owned(), unit: unit.to_owned() })
}

/// The resource that a target is.
fn resource(target: &Target, told: &[(String, String)]) -> Resource {
    let (host, port) = target.instance.rsplit_once(':').unwrap_or((&target.instance, ""));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_local = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified();
    let tells_nothing = host == "localhost" || host.parse().is_ok_and(is_local);
    let address = if tells_nothing { "" } else { host };
    let own = [
        ("service.name", target.job.as_str()),
        ("service.instance.id", &target.instance),
        ("server.address", address),
        ("server.port", port),
        ("url.scheme", "http"),
    ];
    let own = own.into_iter().filter(|(_, value)| !value.is_empty());
    let further = target.attributes.iter().chain(told).map(|(key, value)| (key.as_str(), value.as_str()));
    let attribute = |(key, value): (&str, &str)| {
        let value = Some(Value::String(value.to_owned()));
        KeyValue { key: key.to_owned(), value: Some(AnyValue { value }) }
    };
    Resource { attributes: own.chain(further).map(attribute).collect() }
}

/// An exemplar. Where its labels are too long those of the trace alone stay.
pub(super) fn exemplar(given: &exposition::Exemplar<'_>, sample_at: UnixMillis) -> Exemplar {
    let mut labels: Vec<_> = Labels::of(given.labels).collect();
    let chars = |labels: &[(&str, Cow<'_, str>)]| -> usize {
        labels.iter().map(|(name, value)| name.len() + value.chars().count()).sum()
    };
    if chars(&labels) > MAX_EXEMPLAR_CHARS {
        labels.retain(|(name, _)| ["trace_id", "span_id"].contains(name));
    }
    if chars(&labels) > MAX_EXEMPLAR_CHARS {
        labels.clear();
    }
    settled(&mut labels);
    let labels =
        labels.into_iter().map(|(name, value)| Label { name: name.to_owned(), value: value.into_owned() });
    Exemplar { labels: labels.collect(), value: given.value, at: given.at.unwrap_or(sample_at) }
}

#[expect(clippy::cast_possible_truncation, reason = "a time that can't be is not before the sample's")]
fn millis(seconds: f64) -> UnixMillis {
    UnixMillis((seconds * 1000.0) as i64)
}
