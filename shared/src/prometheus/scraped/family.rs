//! Which metric a sample is of, and what that makes of its name and labels.

use std::{borrow::Cow, sync::Arc};

use foldhash::HashMap;

use super::super::{
    names::{self, metric_name},
    points::number_text,
};
use crate::{
    exposition::{self, Family},
    series::{Metadata, MetricKind},
};

/// What the name of a sample ends in that tells when counting began.
const CREATED: &str = "_created";

/// What a sample is of.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    /// The sample's own name.
    pub(super) name: &'a str,
    /// The name of the metric: the same, or without what its kind appends.
    pub(super) metric: &'a str,
    pub(super) kind: MetricKind,
    family: Family<'a>,
}

impl<'a> Of<'a> {
    /// The metric that a sample of this name is of: that of the same name or, by what its kind appends, of a shorter one.
    pub(super) fn find(families: &HashMap<&'a str, Family<'a>>, name: &'a str) -> Self {
        let of = |metric, family: &Family<'a>| Self { name, metric, kind: kind(family), family: *family };
        if let Some(family) = families.get(name) {
            return of(name, family);
        }
        let shorter = name.rfind('_').and_then(|end| {
            let (metric, suffix) = name.split_at_checked(end)?;
            let family = families.get(metric)?;
            suffixes(kind(family)).contains(&suffix).then(|| of(metric, family))
        });
        shorter.unwrap_or_else(|| of(name, &Family::default()))
    }

    /// Takes out the label that tells a bucket or quantile: its number is written anew.
    pub(super) fn take_bound(&self, own: &mut Vec<(&str, Cow<'_, str>)>) -> Option<(&'static str, String)> {
        let label = match self.kind {
            MetricKind::Histogram => "le",
            MetricKind::Summary => "quantile",
            _ => return None,
        };
        let (_, text) = own.swap_remove(own.iter().position(|(name, _)| *name == label)?);
        let bound = text.parse().map_or_else(|_| text.into_owned(), number_text);
        Some((label, bound))
    }

    /// Whether its series count from some moment on: quantiles don't.
    pub(super) const fn counts(&self, has_bound: bool) -> bool {
        match self.kind {
            MetricKind::Counter | MetricKind::Histogram => true,
            MetricKind::Summary => !has_bound,
            _ => false,
        }
    }

    /// Whether it tells that moment.
    pub(super) fn tells_start(&self) -> bool {
        self.name.strip_prefix(self.metric) == Some(CREATED)
    }

    /// `None` where nothing is left of the name.
    pub(super) fn series_name(&self, suffixes: bool) -> Option<String> {
        let kind = match self.kind {
            MetricKind::Counter => names::Kind::Counter,
            _ => names::Kind::Other,
        };
        metric_name(self.name, "", kind, suffixes)
    }

    pub(super) fn metadata(&self) -> Arc<Metadata> {
        let Family { help, unit, .. } = self.family;
        let help = exposition::unescaped(help).into_owned();
        Arc::new(Metadata { kind: self.kind, help, unit: unit.to_owned() })
    }
}

fn kind(family: &Family<'_>) -> MetricKind {
    family.kind.unwrap_or(MetricKind::Unknown)
}

/// What names of samples end in (<https://prometheus.io/docs/specs/om/open_metrics_spec/#suffixes>).
const fn suffixes(kind: MetricKind) -> &'static [&'static str] {
    match kind {
        MetricKind::Counter => &["_total", CREATED],
        MetricKind::Histogram => &["_bucket", "_count", "_sum", CREATED],
        MetricKind::Summary => &["_count", "_sum", CREATED],
        MetricKind::GaugeHistogram => &["_bucket", "_gcount", "_gsum"],
        MetricKind::Info => &["_info"],
        MetricKind::Unknown | MetricKind::Gauge | MetricKind::StateSet => &[],
    }
}
