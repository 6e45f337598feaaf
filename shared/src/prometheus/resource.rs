//! A resource: its labels and its `target_info`.

use std::borrow::Cow;

use foldhash::HashSet;

use super::{
    attributes::{Attribute, Pair, joined, text},
    labels::{label_name, target_label_name},
};
use crate::{
    otlp::{KeyValue, Resource},
    series::{LabelSet, NAME},
};

const SERVICE_NAME: &str = "service.name";
const SERVICE_NAMESPACE: &str = "service.namespace";
const SERVICE_INSTANCE_ID: &str = "service.instance.id";

/// What a resource gives to the labels of its points.
pub(super) struct ResourceLabels {
    /// Those with a value and a label name, each key once, sorted by key.
    pub(super) attributes: Vec<Attribute<'static>>,
    /// `job` and `instance`, as far as the resource has them.
    pub(super) target: Vec<Pair<'static>>,
    /// The series that tells the resource's attributes: none where nothing would be told, or where nothing could be
    /// joined to it.
    pub(super) target_info: Option<LabelSet>,
    keys: HashSet<String>,
    labels: HashSet<String>,
}

impl ResourceLabels {
    pub(super) fn new(resource: Resource) -> Self {
        let given = resource.attributes;
        let mut attributes: Vec<_> = given.iter().filter_map(owned_attribute).collect();
        attributes.sort_by(|a, b| a.key.cmp(&b.key));
        attributes.dedup_by(|later, kept| {
            let same = later.key == kept.key;
            if same {
                std::mem::swap(later, kept);
            }
            same
        });
        attributes.retain(|a| !a.value.is_empty());
        let target = target(&given);
        Self {
            target_info: target_info(&given, &target),
            target,
            labels: attributes.iter().map(|a| a.label.clone().into_owned()).collect(),
            attributes,
            keys: given.into_iter().map(|a| a.key).collect(),
        }
    }

    /// Whether the resource has an attribute of this key, be it empty.
    pub(super) fn has_key(&self, key: &str) -> bool {
        self.keys.contains(key)
    }

    /// Whether an attribute of the resource makes this label.
    pub(super) fn has_label(&self, label: &str) -> bool {
        self.labels.contains(label)
    }
}

fn owned_attribute(given: &KeyValue) -> Option<Attribute<'static>> {
    let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
    let label = owned(label_name(&given.key)?);
    Some(Attribute { key: given.key.clone().into(), label, value: owned(text(given.value())) })
}

fn target_info(given: &[KeyValue], target: &[Pair<'static>]) -> Option<LabelSet> {
    let is_told =
        |a: &&KeyValue| ![SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_INSTANCE_ID].contains(&a.key.as_str());
    let told: Vec<&KeyValue> = given.iter().filter(is_told).collect();
    if told.is_empty() || target.is_empty() {
        return None;
    }
    let mut attributes = Vec::with_capacity(told.len());
    for attribute in told {
        let (key, value) = (attribute.key.as_str(), text(attribute.value()));
        if !value.is_empty() {
            attributes.push(Attribute { key: key.into(), label: target_label_name(key)?.into(), value });
        }
    }
    attributes.sort_by(|a, b| a.key.cmp(&b.key));
    let name = (NAME.into(), "target_info".into());
    Some(joined(attributes).into_iter().chain(target.iter().cloned()).chain([name]).collect())
}

/// `job` is the service's name, after its namespace and a slash where it has one; `instance` is its instance id.
fn target(given: &[KeyValue]) -> Vec<Pair<'static>> {
    let find = |key: &str| given.iter().find(|a| a.key == key).map(|a| text(a.value()));
    let set = |key: &str| find(key).filter(|value| !value.is_empty());
    let job = set(SERVICE_NAME).map(|name| match find(SERVICE_NAMESPACE) {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.into_owned(),
    });
    let instance = set(SERVICE_INSTANCE_ID).map(Cow::into_owned);
    let labels = [("job", job), ("instance", instance)].into_iter();
    labels.filter_map(|(name, value)| Some((name.into(), value?.into()))).collect()
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
