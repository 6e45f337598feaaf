//! What a translator has seen: resources, their scopes, their metrics, their series, each recognized by the bytes that it
//! has in a request. Equal bytes make equal labels; what other bytes make is brought together in [`LabelSets`].

use std::{collections::hash_map::Entry, hash::Hash, sync::Arc};

use foldhash::{HashMap, HashMapExt};

use super::{
    common::{CommonLabels, PointLabels},
    filter::ResourceFilter,
    names::{self, metric_name, unit_name},
    points::number_text,
    reason,
    resource::ResourceLabels,
};
use crate::{
    ecs::Identity,
    otlp::{Resource, Scope, view},
    protobuf::read::{Malformed, Repeated},
    series::{LabelSet, LabelSets, Metadata, MetricKind, SeriesId},
};

/// The resources that were seen.
#[derive(Default)]
pub(super) struct KnownResources<'a>(HashMap<&'a [u8], KnownResource<'a>>);

/// A resource and its scopes that were seen.
pub(super) struct KnownResource<'a> {
    pub(super) labels: Arc<ResourceLabels>,
    scopes: HashMap<&'a [u8], KnownScope<'a>>,
}

/// A scope and its metrics that were seen.
pub(super) struct KnownScope<'a> {
    labels: CommonLabels,
    metrics: HashMap<MetricKey<'a>, KnownMetric<'a>>,
}

/// What tells a metric from the others of its scope.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct MetricKey<'a> {
    pub(super) name: &'a str,
    pub(super) unit: &'a str,
    pub(super) kind: view::Kind,
    pub(super) monotonic: bool,
}

/// A metric and its series that were seen.
struct KnownMetric<'a> {
    /// `None` where nothing is left of it.
    name: Option<String>,
    metadata: Arc<Metadata>,
    series: HashMap<SeriesKey<'a>, Known>,
}

/// What tells a series of a metric from the others: the point's attributes, and which of the point's values it has.
type SeriesKey<'a> = (&'a [u8], Which);

/// A series and how many bytes its labels have, or why its points are left out.
type Known = Result<(SeriesId, usize), &'static str>;

/// Which of a point's values. Numbers are told by their bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Which {
    Whole,
    Sum,
    Count,
    Bucket(u64),
    Quantile(u64),
}

/// The series of one metric.
pub(super) struct SeriesOf<'k, 'a> {
    common: &'k CommonLabels,
    metric: &'k mut KnownMetric<'a>,
}

impl<'a> KnownResources<'a> {
    pub(super) fn of(
        &mut self,
        resource: Repeated<'a>,
        identity: Option<&Identity>,
        filter: &ResourceFilter,
    ) -> Result<&mut KnownResource<'a>, Malformed> {
        known(&mut self.0, resource.bytes(), || {
            let mut given: Resource = resource.decode_merged()?;
            identity.inspect(|identity| identity.apply(&mut given));
            Ok(KnownResource { labels: Arc::new(ResourceLabels::new(given, filter)), scopes: HashMap::new() })
        })
    }
}

impl<'a> KnownResource<'a> {
    pub(super) fn scope(&mut self, scope: Repeated<'a>) -> Result<&mut KnownScope<'a>, Malformed> {
        let resource = &self.labels;
        known(&mut self.scopes, scope.bytes(), || {
            let scope: Scope = scope.decode_merged()?;
            Ok(KnownScope {
                labels: CommonLabels::new(Arc::clone(resource), &scope),
                metrics: HashMap::new(),
            })
        })
    }
}

impl<'a> KnownScope<'a> {
    /// A metric that is described so, unless it was seen before.
    pub(super) fn metric(
        &mut self,
        metric: MetricKey<'a>,
        description: &str,
        suffixes: bool,
    ) -> SeriesOf<'_, 'a> {
        let known = self.metrics.entry(metric).or_insert_with(|| {
            let name = metric_name(metric.name, metric.unit, metric.name_kind(), suffixes);
            let metadata = Metadata {
                kind: metric.metadata_kind(),
                help: description.to_owned(),
                unit: unit_name(metric.unit),
            };
            KnownMetric { name, metadata: Arc::new(metadata), series: HashMap::new() }
        });
        SeriesOf { common: &self.labels, metric: known }
    }
}

impl MetricKey<'_> {
    /// What the kind adds to the name.
    fn name_kind(&self) -> names::Kind {
        match self.kind {
            view::Kind::Gauge => names::Kind::Gauge,
            view::Kind::Sum if self.monotonic => names::Kind::Counter,
            _ => names::Kind::Other,
        }
    }

    fn metadata_kind(&self) -> MetricKind {
        match self.kind {
            view::Kind::Sum if self.monotonic => MetricKind::Counter,
            view::Kind::Gauge | view::Kind::Sum => MetricKind::Gauge,
            view::Kind::Histogram | view::Kind::ExponentialHistogram => MetricKind::Histogram,
            view::Kind::Summary => MetricKind::Summary,
        }
    }
}

impl<'a> SeriesOf<'_, 'a> {
    /// The series of one value of a point with these attributes.
    pub(super) fn get(
        &mut self,
        attributes: Repeated<'a>,
        which: Which,
        sets: &mut LabelSets,
    ) -> Result<Known, Malformed> {
        let (common, name, metadata) = (self.common, self.metric.name.as_deref(), &self.metric.metadata);
        let series = known(&mut self.metric.series, (attributes.bytes(), which), || {
            let Some(name) = name else { return Ok(Err(reason::METRIC_NAME)) };
            let labels = common.of_point(attributes)?.ok_or(reason::LABEL_NAME);
            Ok(labels.map(|labels| {
                let labels = label_set(&labels, name, which);
                let bytes = labels.bytes();
                (sets.id_of(labels, metadata), bytes)
            }))
        });
        series.copied()
    }
}

fn label_set(labels: &PointLabels<'_>, name: &str, which: Which) -> LabelSet {
    let text = |bits| number_text(f64::from_bits(bits));
    match which {
        Which::Whole => labels.of_series(name, None),
        Which::Sum => labels.of_series(&format!("{name}_sum"), None),
        Which::Count => labels.of_series(&format!("{name}_count"), None),
        Which::Bucket(bound) => labels.of_series(&format!("{name}_bucket"), Some(("le", &text(bound)))),
        Which::Quantile(quantile) => labels.of_series(name, Some(("quantile", &text(quantile)))),
    }
}

/// What is under `key`; made if it isn't there yet.
fn known<K: Eq + Hash, V>(
    map: &mut HashMap<K, V>,
    key: K,
    make: impl FnOnce() -> Result<V, Malformed>,
) -> Result<&mut V, Malformed> {
    Ok(match map.entry(key) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(new) => new.insert(make()?),
    })
}
