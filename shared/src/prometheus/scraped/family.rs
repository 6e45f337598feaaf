//! Which metric a sample is of.

use foldhash::HashMap;

use crate::{exposition::Family, series::MetricKind};

/// The metric that a sample of this name is of: that of the same name or, by what its kind appends, of a shorter one.
pub(super) fn family_of<'a>(
    families: &HashMap<&'a str, Family<'a>>,
    sample: &'a str,
) -> (&'a str, MetricKind, Family<'a>) {
    if let Some(family) = families.get(sample) {
        return (sample, kind(family), *family);
    }
    let shorter = sample.rfind('_').and_then(|end| {
        let (name, suffix) = sample.split_at_checked(end)?;
        let family = families.get(name).filter(|family| suffixes(kind(family)).contains(&suffix))?;
        Some((name, kind(family), *family))
    });
    shorter.unwrap_or((sample, MetricKind::Unknown, Family::default()))
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

/// The sample that tells when counting began.
pub(super) const CREATED: &str = "_created";
