//! A resource: its labels, its `target_info`, and its metrics on their way to series.

use std::borrow::Cow;

use super::{
    Options, Translation,
    attributes::{Attribute, joined, text},
    common::CommonLabels,
    labels::{label_name, target_label_name},
    points::{self, at},
};
use crate::{
    otlp::{KeyValue, ResourceMetrics},
    series::{Label, LabelSet, NAME, Series},
};

const SERVICE_NAME: &str = "service.name";
const SERVICE_NAMESPACE: &str = "service.namespace";
const SERVICE_INSTANCE_ID: &str = "service.instance.id";

/// What a resource gives to the labels of its points.
pub(super) struct ResourceLabels<'a> {
    /// The resource's own.
    given: &'a [KeyValue],
    /// Those with a value and a label name, each key once, sorted by key.
    pub(super) attributes: Vec<Attribute<'a>>,
    /// `job` and `instance`, as far as the resource has them.
    pub(super) target: Vec<Label>,
}

/// Translates all metrics of one resource, and the resource itself.
pub(super) fn translate(metrics: &ResourceMetrics, options: &Options, out: &mut Translation) {
    let given = metrics.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
    let resource = ResourceLabels::new(given);
    let mut newest_ns = 0;
    for scope in &metrics.scope_metrics {
        let common = CommonLabels::new(&resource, scope.scope.as_ref());
        for metric in &scope.metrics {
            newest_ns = newest_ns.max(points::newest_ns(metric));
            points::translate(metric, &common, options, out);
        }
    }
    out.series.extend(resource.target_info(newest_ns));
}

impl<'a> ResourceLabels<'a> {
    fn new(given: &'a [KeyValue]) -> Self {
        let mut attributes: Vec<_> = given
            .iter()
            .filter_map(|a| {
                Some(Attribute { key: &a.key, label: label_name(&a.key)?, value: text(a.value()) })
            })
            .collect();
        attributes.sort_by_key(|a| a.key);
        attributes.dedup_by(|later, kept| {
            let same = later.key == kept.key;
            if same {
                std::mem::swap(later, kept);
            }
            same
        });
        attributes.retain(|a| !a.value.is_empty());
        Self { given, attributes, target: target(given) }
    }

    /// Whether the resource has an attribute of this key, be it empty.
    pub(super) fn has_key(&self, key: &str) -> bool {
        self.given.iter().any(|attribute| attribute.key == key)
    }

    /// Whether an attribute of the resource makes this label.
    pub(super) fn has_label(&self, label: &str) -> bool {
        self.attributes.iter().any(|attribute| attribute.label == label)
    }

    /// The series that tells the resource's attributes, at the time of its newest point: none where no point has a time,
    /// where nothing would be told, or where nothing could be joined to it.
    fn target_info(&self, newest_ns: u64) -> Option<Series> {
        let is_told =
            |a: &&KeyValue| ![SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_INSTANCE_ID].contains(&a.key.as_str());
        let told: Vec<&KeyValue> = self.given.iter().filter(is_told).collect();
        if newest_ns == 0 || told.is_empty() || self.target.is_empty() {
            return None;
        }
        let mut attributes = Vec::with_capacity(told.len());
        for KeyValue { key, value } in told.iter().copied() {
            let value = text(value.as_ref().and_then(|v| v.value.as_ref()));
            if !value.is_empty() {
                attributes.push(Attribute { key, label: target_label_name(key)?, value });
            }
        }
        attributes.sort_by_key(|a| a.key);
        let mut labels = joined(&attributes);
        labels.extend_from_slice(&self.target);
        labels.push(Label { name: NAME.to_owned(), value: "target_info".to_owned() });
        Some(Series::sample(LabelSet::new(labels), at(newest_ns), 1.0))
    }
}

/// `job` is the service's name, after its namespace and a slash where it has one; `instance` is its instance id.
fn target(given: &[KeyValue]) -> Vec<Label> {
    let find = |key: &str| given.iter().find(|a| a.key == key).map(|a| text(a.value()));
    let set = |key: &str| find(key).filter(|value| !value.is_empty());
    let job = set(SERVICE_NAME).map(|name| match find(SERVICE_NAMESPACE) {
        Some(namespace) => Cow::Owned(format!("{namespace}/{name}")),
        None => name,
    });
    let label = |name: &str, value: Cow<'_, str>| Label { name: name.to_owned(), value: value.into_owned() };
    let instance = set(SERVICE_INSTANCE_ID);
    job.map(|job| label("job", job)).into_iter().chain(instance.map(|i| label("instance", i))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{gauge, point, request, shown};

    #[test]
    fn job_and_instance_come_from_the_service() {
        for (resource, want) in [
            (vec![("service.name", "s")], "g{job=s,service_name=s} 1@5"),
            (
                vec![("service.name", "s"), ("service.namespace", "n")],
                "g{job=n/s,service_name=s,service_namespace=n} 1@5",
            ),
            (vec![("service.name", "s"), ("service.namespace", "")], "g{job=/s,service_name=s} 1@5"),
            (vec![("service.name", ""), ("service.namespace", "n")], "g{service_namespace=n} 1@5"),
            (vec![("service.instance.id", "i")], "g{instance=i,service_instance_id=i} 1@5"),
            (vec![("service.instance.id", "")], "g{} 1@5"),
        ] {
            assert_eq!(shown(&request(&resource, None, vec![gauge(vec![point(&[])])])), [want]);
        }
    }

    #[test]
    fn a_resource_that_has_more_to_tell_gets_target_info() {
        let service = ("service.name", "s");
        for (more, want) in [
            (vec![("a.b", "1")], Some("target_info{a_b=1,job=s} 1@5")),
            (vec![("a.b", "1"), ("a_b", "2")], Some("target_info{a_b=1;2,job=s} 1@5")),
            (vec![("a..b", "1"), ("_p", "2")], Some("target_info{_p=2,a__b=1,job=s} 1@5")),
            (vec![("e", "")], Some("target_info{job=s} 1@5")),
            (vec![("...", "1"), ("a", "2")], None),
            (vec![("service.namespace", "n"), ("service.instance.id", "i")], None),
            (vec![], None),
        ] {
            let resource: Vec<_> = more.iter().copied().chain([service]).collect();
            let series = shown(&request(&resource, None, vec![gauge(vec![point(&[])])]));
            assert_eq!(series.get(1).map(String::as_str), want, "{more:?}");
        }
        let anonymous = shown(&request(&[("a", "1")], None, vec![gauge(vec![point(&[])])]));
        assert_eq!(anonymous, ["g{a=1} 1@5"], "nothing could be joined to it");
        let mut timeless = point(&[]);
        timeless.time_unix_nano = 0;
        let timeless = shown(&request(&[service, ("a", "1")], None, vec![gauge(vec![timeless])]));
        assert_eq!(timeless, ["g{a=1,job=s,service_name=s} 1@0"], "no point has a time");
    }
}
